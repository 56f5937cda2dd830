//! Reading tokens one after the other, for the clauses that are Velaria's own.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use velaria_contract::{Error, ErrorCode, Result};

use crate::diagnostic::{position_of, unexpected_token};

/// A place among the tokens of a statement; white space and comments are passed over.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    tokens: &'a [TokenWithSpan],
    next: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the token `start`.
    pub(crate) fn new(text: &'a str, tokens: &'a [TokenWithSpan], start: usize) -> Self {
        Self { text, tokens, next: start }
    }

    /// The index of the token that comes next, or of the end.
    pub(crate) fn index(&self) -> usize {
        let rest = self.tokens.get(self.next..).unwrap_or_default();
        let gap = rest.iter().position(|token| !matches!(token.token, Token::Whitespace(_)));
        self.next + gap.unwrap_or(rest.len())
    }

    /// The next token, which stays where it is.
    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.index()).map(|token| &token.token).filter(|token| **token != Token::EOF)
    }

    /// The place of the next token.
    pub(crate) fn span(&self) -> Span {
        self.tokens.get(self.index()).map_or_else(Span::empty, |token| token.span)
    }

    /// Passes over the next token.
    pub(crate) fn advance(&mut self) -> Option<&'a Token> {
        let token = self.peek()?;
        self.next = self.index() + 1;
        Some(token)
    }

    /// Passes over `word` if it comes next.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next.quote_style.is_none() && next.value.eq_ignore_ascii_case(word));
        if found {
            self.advance();
        }
        found
    }

    /// Passes over `token` if it comes next.
    pub(crate) fn token(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.advance();
        }
        found
    }

    /// Passes over `word`, which must come next.
    pub(crate) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.error(format!("expected keyword: {word}"))) }
    }

    /// Passes over `token`, which must come next.
    pub(crate) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.token(token) { Ok(()) } else { Err(self.error(format!("expected symbol: {token}"))) }
    }

    /// The name that must come next, without its quotes.
    pub(crate) fn name(&mut self) -> Result<String> {
        self.ident().map(|ident| ident.value)
    }

    /// The name that must come next, with its quotes and its place.
    pub(crate) fn ident(&mut self) -> Result<Ident> {
        let span = self.span();
        match self.peek() {
            Some(Token::Word(word)) => {
                self.advance();
                Ok(word.clone().into_ident(span))
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// The text in single quotes that must come next.
    pub(crate) fn quoted(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::SingleQuotedString(text)) => {
                self.advance();
                Ok(text.clone())
            }
            _ => Err(self.unexpected("text in single quotes")),
        }
    }

    /// The digits of the number that must come next, with its sign.
    pub(crate) fn number(&mut self) -> Result<String> {
        let sign = if self.token(&Token::Minus) { "-" } else { "" };
        match self.peek() {
            Some(Token::Number(digits, _)) => {
                self.advance();
                Ok(format!("{sign}{digits}"))
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// The error that another thing was expected here.
    pub(crate) fn unexpected(&self, expected: &str) -> Error {
        match self.peek() {
            None => Error::new(ErrorCode::Syntax, "unexpected end of query"),
            Some(token) => unexpected_token(&token.to_string()),
        }
        .with_hint(format!("expected {expected}"))
        .with_position(position_of(self.text, self.span()))
    }

    /// An error about the next token.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorCode::Syntax, message).with_position(position_of(self.text, self.span()))
    }
}
