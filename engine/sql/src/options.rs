//! `OPTIONS (key 'value', key = 'value', key: 'value')` of tables over files. Which options there are is known to the readers
//! of the files.

use std::fmt;

use sqlparser::ast::{Ident, Value};
use sqlparser::tokenizer::{Span, Token};
use velaria_contract::{Error, ErrorCode, Result};

use crate::cursor::Cursor;

/// One option of a table.
#[derive(Debug, Clone)]
pub struct TableOption {
    /// The name, in lower case.
    pub key: String,
    /// The value, as text.
    pub value: String,
    /// Where the name stands.
    pub span: Span,
}

/// Where an option stands is not a part of the statement, as in the rest of the syntax tree.
impl PartialEq for TableOption {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Eq for TableOption {}

/// Reads the list after `OPTIONS`.
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Vec<TableOption>> {
    cursor.expect(&Token::LParen)?;
    let mut options: Vec<TableOption> = Vec::new();
    if cursor.token(&Token::RParen) {
        return Ok(options);
    }
    loop {
        let (place, span) = (cursor.error(""), cursor.span());
        let key = cursor.name()?.to_lowercase();
        if options.iter().any(|option| option.key == key) {
            return Err(Error::new(ErrorCode::InvalidStatement, format!("option given twice: {key}"))
                .with_position(place.position().cloned()));
        }
        if !cursor.token(&Token::Eq) {
            cursor.token(&Token::Colon);
        }
        options.push(TableOption { key, value: value(cursor)?, span });
        if cursor.token(&Token::RParen) {
            return Ok(options);
        }
        cursor.expect(&Token::Comma)?;
    }
}

/// Text in quotes, a number, or the words true and false.
fn value(cursor: &mut Cursor<'_>) -> Result<String> {
    match cursor.peek() {
        Some(Token::Number(..)) => cursor.number(),
        Some(Token::Word(word)) if word.quote_style.is_none() && is_truth(&word.value) => {
            cursor.name().map(|word| word.to_lowercase())
        }
        _ => cursor.quoted(),
    }
}

fn is_truth(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

impl fmt::Display for TableOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = Value::SingleQuotedString(self.value.clone());
        write!(f, "{}: {value}", Ident::with_quote('"', &self.key))
    }
}
