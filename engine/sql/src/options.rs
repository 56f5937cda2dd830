//! `OPTIONS (key 'value', key = 'value', key: 'value')` of tables over files.

use std::fmt;

use sqlparser::ast::{Ident, Value};
use sqlparser::tokenizer::Token;
use velaria_contract::{Error, ErrorCode, Result};

use crate::cursor::Cursor;
use crate::diagnostic::closest;

/// The options that exist.
const KNOWN: [&str; 10] = [
    "columns",
    "delimiter",
    "format",
    "mappings",
    "mode",
    "path",
    "regex",
    "regex_pattern",
    "split_delimiter",
    "table",
];

/// One option of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOption {
    /// The name, in lower case.
    pub key: String,
    /// The value, as text.
    pub value: String,
}

/// Reads the list after `OPTIONS`.
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Vec<TableOption>> {
    cursor.expect(&Token::LParen)?;
    let mut options: Vec<TableOption> = Vec::new();
    if cursor.token(&Token::RParen) {
        return Ok(options);
    }
    loop {
        let place = cursor.error("");
        let key = cursor.name()?.to_lowercase();
        let at = |error: Error| error.with_position(place.position().cloned());
        if !KNOWN.contains(&key.as_str()) {
            return Err(at(unknown(&key)));
        }
        if options.iter().any(|option| option.key == key) {
            return Err(at(Error::new(ErrorCode::InvalidStatement, format!("option given twice: {key}"))));
        }
        if !cursor.token(&Token::Eq) {
            cursor.token(&Token::Colon);
        }
        options.push(TableOption { key, value: cursor.quoted()? });
        if cursor.token(&Token::RParen) {
            return Ok(options);
        }
        cursor.expect(&Token::Comma)?;
    }
}

fn unknown(key: &str) -> Error {
    let error = Error::new(ErrorCode::InvalidStatement, format!("unknown option: {key}"));
    match closest(key, KNOWN) {
        Some(meant) => error.with_hint(format!("did you mean {meant}?")),
        None => error.with_hint(format!("there are: {}", KNOWN.join(", "))),
    }
}

impl fmt::Display for TableOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = Value::SingleQuotedString(self.value.clone());
        write!(f, "{}: {value}", Ident::with_quote('"', &self.key))
    }
}
