//! Statements over streams: a query, or `INSERT INTO sink` of one, with `WINDOW BY` in any of its SELECTs and `OPTIONS (…)` at
//! the end.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use velaria_contract::Result;

use crate::cursor::Cursor;
use crate::options::{self, TableOption};
use crate::statement::Statement;
use crate::window_by::WindowBy;

/// A statement over streams.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamStatement {
    /// The statement without these clauses. A SELECT that had a `WINDOW BY` is told by [`crate::marked_window`].
    pub statement: Statement,
    /// The `WINDOW BY` clauses.
    pub windows: Vec<WindowBy>,
    /// The options of the query.
    pub options: Vec<TableOption>,
}

/// Takes `OPTIONS (…)` off the end of `tokens`, which were read from `text`.
pub(crate) fn take_options(text: &str, tokens: &mut Vec<TokenWithSpan>) -> Result<Vec<TableOption>> {
    let Some(start) = last_options(tokens) else { return Ok(Vec::new()) };
    let mut cursor = Cursor::new(text, tokens, start + 1);
    let options = options::read(&mut cursor)?;
    tokens.truncate(start);
    Ok(options)
}

/// The index of the word when it stands before the parentheses that end the statement.
fn last_options(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut visible =
        tokens.iter().enumerate().rev().filter(|(_, token)| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    visible.clone().next().filter(|(_, token)| token.token == Token::RParen)?;
    loop {
        match visible.next()?.1.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 1 => break,
            Token::LParen => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    let (index, token) = visible.next()?;
    let is_options =
        matches!(&token.token, Token::Word(word) if word.keyword == Keyword::OPTIONS && word.quote_style.is_none());
    // A function of this name stands behind a word or a comma that begins an item.
    let (_, before) = visible.next()?;
    let begins_item = match &before.token {
        Token::Comma | Token::LParen => true,
        Token::Word(word) => word.quote_style.is_none() && matches!(word.keyword, Keyword::SELECT | Keyword::BY),
        _ => false,
    };
    (is_options && !begins_item).then_some(index)
}
