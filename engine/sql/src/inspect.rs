//! Statements that show something: `SHOW TABLES`, `DESCRIBE`, `SUMMARIZE`, `EXPLAIN`; and `REINDEX`.
//!
//! They are read here, word by word, because the parser's own grammar of them is that of several other dialects at once.

use std::fmt;

use sqlparser::ast::{Ident, Query};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use velaria_contract::Result;

use crate::diagnostic;
use crate::display::fmt_extended;
use crate::extension::Extensions;
use crate::index::Reindex;
use crate::parser::{expect_end, lower_query, plain_name, sql_parser, unsupported};
use crate::statement::Statement;

/// What `DESCRIBE` and `SUMMARIZE` are about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A table or view.
    Table(Ident),
    /// The result of a query.
    Query(Box<Query>),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => name.fmt(f),
            Self::Query(query) => query.fmt(f),
        }
    }
}

/// `EXPLAIN [ANALYZE] query`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// The query.
    pub query: Box<Query>,
    /// The clauses of Velaria's own that the query has.
    pub extensions: Extensions,
    /// Whether the query runs.
    pub run: ExplainRun,
}

/// Whether an explained query runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainRun {
    /// It is planned only.
    Plan,
    /// It runs, and rows and times are shown: `ANALYZE`.
    Analyze,
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let analyze = match self.run {
            ExplainRun::Plan => "",
            ExplainRun::Analyze => "ANALYZE ",
        };
        write!(f, "EXPLAIN {analyze}")?;
        fmt_extended(f, &self.query, &self.extensions)
    }
}

/// The statement, when its first word is one of those that are read here.
pub(crate) fn parse(text: &str, tokens: &[TokenWithSpan]) -> Option<Result<Statement>> {
    let mut rest = Rest { text, tokens };
    let statement = match rest.word()?.as_str() {
        "SHOW" => rest.show(),
        "DESCRIBE" | "DESC" => rest.subject().map(Statement::Describe),
        "SUMMARIZE" => rest.subject().map(Statement::Summarize),
        "EXPLAIN" => rest.explain().map(Statement::Explain),
        "REINDEX" => rest.reindex().map(Statement::Reindex),
        _ => return None,
    };
    Some(statement)
}

/// What is left to read.
struct Rest<'a> {
    text: &'a str,
    tokens: &'a [TokenWithSpan],
}

impl Rest<'_> {
    /// The next token that is not white space, without taking it.
    fn peek(&self) -> Option<&TokenWithSpan> {
        self.tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
    }

    fn peek_word(&self) -> Option<String> {
        match &self.peek()?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Takes the next token if it is a word.
    fn word(&mut self) -> Option<String> {
        let word = self.peek_word()?;
        let at = self.tokens.iter().position(|token| matches!(token.token, Token::Word(_)))?;
        self.tokens = self.tokens.get(at + 1..).unwrap_or_default();
        Some(word)
    }

    fn show(&mut self) -> Result<Statement> {
        let place = self.peek().map(|token| token.span);
        if self.word().as_deref() == Some("TABLES") && self.peek().is_none() {
            return Ok(Statement::ShowTables);
        }
        let span = place.unwrap_or_else(sqlparser::tokenizer::Span::empty);
        Err(unsupported(self.text, "unsupported statement: SHOW of something else than TABLES", span)
            .with_hint("SHOW TABLES lists tables and views, DESCRIBE the columns of one"))
    }

    fn subject(&self) -> Result<Subject> {
        if self.is_query() {
            return self.query().map(Subject::Query);
        }
        self.name().map(Subject::Table)
    }

    fn explain(&mut self) -> Result<Explain> {
        let run = match self.peek_word().as_deref() {
            Some("ANALYZE") => {
                self.word();
                ExplainRun::Analyze
            }
            _ => ExplainRun::Plan,
        };
        match self.peek() {
            Some(token) if !self.is_query() => {
                Err(unsupported(self.text, "EXPLAIN takes a query", token.span).with_hint("EXPLAIN [ANALYZE] SELECT …"))
            }
            _ => Ok(Explain { query: self.query()?, extensions: Extensions::default(), run }),
        }
    }

    fn reindex(&self) -> Result<Reindex> {
        let name = self.peek().map(|_| self.name()).transpose()?;
        Ok(Reindex { name })
    }

    fn is_query(&self) -> bool {
        match self.peek() {
            Some(TokenWithSpan { token: Token::LParen, .. }) => true,
            _ => matches!(self.peek_word().as_deref(), Some("SELECT" | "WITH" | "VALUES" | "FROM")),
        }
    }

    fn query(&self) -> Result<Box<Query>> {
        let query = self.parsed(Parser::parse_query)?;
        lower_query(self.text, query)
    }

    fn name(&self) -> Result<Ident> {
        plain_name(self.text, self.parsed(|parser| parser.parse_object_name(false))?)
    }

    fn parsed<T>(
        &self,
        parse: impl FnOnce(&mut Parser<'static>) -> std::result::Result<T, sqlparser::parser::ParserError>,
    ) -> Result<T> {
        let mut parser = sql_parser(self.tokens.to_vec());
        let parsed = parse(&mut parser).map_err(|error| diagnostic::from_parser(self.text, &error))?;
        expect_end(self.text, &parser)?;
        Ok(parsed)
    }
}
