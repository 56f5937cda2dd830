//! `KEYWORD SEARCH (column, …) QUERY 'text' …` and `HYBRID SEARCH column QUERY '[…]' …`.

use std::fmt;

use sqlparser::ast::{Ident, Value};
use sqlparser::tokenizer::Token;
use velaria_contract::Result;

use crate::cursor::Cursor;

/// How many rows a search finds when it does not say.
const TOP_K: u64 = 10;

/// A search for words in text columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordSearch {
    /// The columns that are searched together.
    pub columns: Vec<Ident>,
    /// The words.
    pub query: String,
    /// The most rows that are found.
    pub top_k: u64,
}

/// A search for the nearest vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct HybridSearch {
    /// The column of vectors.
    pub column: Ident,
    /// The vector, as text.
    pub query: String,
    /// The name of the metric.
    pub metric: Option<Ident>,
    /// The most rows that are found.
    pub top_k: u64,
    /// The score that a row must reach, as its digits.
    pub score_threshold: Option<String>,
}

impl KeywordSearch {
    /// Reads the clause after `KEYWORD SEARCH`.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.expect(&Token::LParen)?;
        let mut columns = vec![cursor.ident()?];
        while cursor.token(&Token::Comma) {
            columns.push(cursor.ident()?);
        }
        cursor.expect(&Token::RParen)?;
        cursor.expect_word("QUERY")?;
        let query = cursor.quoted()?;
        let top_k = if cursor.word("TOP_K") { top_k(cursor)? } else { TOP_K };
        Ok(Self { columns, query, top_k })
    }
}

impl HybridSearch {
    /// Reads the clause after `HYBRID SEARCH`.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let column = cursor.ident()?;
        cursor.expect_word("QUERY")?;
        let query = cursor.quoted()?;
        let metric = if cursor.word("METRIC") { Some(cursor.ident()?) } else { None };
        let top_k = if cursor.word("TOP_K") { top_k(cursor)? } else { TOP_K };
        let score_threshold = if cursor.word("SCORE_THRESHOLD") { Some(cursor.number()?) } else { None };
        Ok(Self { column, query, metric, top_k, score_threshold })
    }
}

fn top_k(cursor: &mut Cursor<'_>) -> Result<u64> {
    let error = cursor.error("TOP_K must be a positive integer");
    let number = cursor.number().ok().and_then(|digits| digits.parse().ok());
    number.filter(|number| *number > 0).ok_or(error)
}

fn literal(text: &str) -> String {
    Value::SingleQuotedString(text.to_owned()).to_string()
}

impl fmt::Display for KeywordSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        write!(f, "KEYWORD SEARCH ({}) QUERY {} TOP_K {}", columns.join(", "), literal(&self.query), self.top_k)
    }
}

impl fmt::Display for HybridSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HYBRID SEARCH {} QUERY {}", self.column, literal(&self.query))?;
        if let Some(metric) = &self.metric {
            write!(f, " METRIC {metric}")?;
        }
        write!(f, " TOP_K {}", self.top_k)?;
        match &self.score_threshold {
            Some(threshold) => write!(f, " SCORE_THRESHOLD {threshold}"),
            None => Ok(()),
        }
    }
}
