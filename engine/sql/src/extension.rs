//! The clauses of queries that are Velaria's own: they are taken out of the tokens before the parser reads the rest.
//!
//! They stand between WHERE and GROUP BY of the outermost query.

use sqlparser::tokenizer::{Token, TokenWithSpan};
use velaria_contract::Result;

use crate::cursor::Cursor;
use crate::search::{HybridSearch, KeywordSearch};
use crate::window_by::WindowBy;

/// The clauses of one query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extensions {
    /// `KEYWORD SEARCH`.
    pub keyword_search: Option<KeywordSearch>,
    /// `HYBRID SEARCH`.
    pub hybrid_search: Option<HybridSearch>,
    /// `WINDOW BY`.
    pub window_by: Option<WindowBy>,
}

/// What can follow the clauses.
const AFTER: [&str; 8] = ["GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "WINDOW", "KEYWORD", "HYBRID"];

/// Takes the clauses out of `tokens`, which were read from `text`; `None` when there are none.
pub(crate) fn take(text: &str, tokens: &mut Vec<TokenWithSpan>) -> Result<Option<Extensions>> {
    let mut extensions = Extensions::default();
    while let Some(start) = find(text, tokens) {
        let mut cursor = Cursor::new(text, tokens, start);
        let place = cursor.unexpected("one clause of each kind");
        let taken = if cursor.word("WINDOW") {
            cursor.advance();
            extensions.window_by.replace(WindowBy::read(&mut cursor)?).is_some()
        } else if cursor.word("HYBRID") {
            cursor.advance();
            extensions.hybrid_search.replace(HybridSearch::read(&mut cursor)?).is_some()
        } else {
            cursor.advance();
            cursor.advance();
            extensions.keyword_search.replace(KeywordSearch::read(&mut cursor)?).is_some()
        };
        if taken {
            return Err(place);
        }
        check_end(&cursor)?;
        let end = cursor.index();
        tokens.drain(start..end);
    }
    Ok((extensions != Extensions::default()).then_some(extensions))
}

/// The index of the first clause outside of parentheses.
fn find(text: &str, tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word)
                if depth == 0
                    && word.quote_style.is_none()
                    && is_first(&word.value)
                    && is_clause(Cursor::new(text, tokens, index)) =>
            {
                return Some(index);
            }
            _ => {}
        }
    }
    None
}

fn is_first(word: &str) -> bool {
    matches!(word.len(), 6 | 7) && ["WINDOW", "HYBRID", "KEYWORD"].iter().any(|first| first.eq_ignore_ascii_case(word))
}

fn is_clause(mut cursor: Cursor<'_>) -> bool {
    if cursor.word("WINDOW") {
        return cursor.word("BY");
    }
    cursor.advance();
    cursor.word("SEARCH")
}

fn check_end(cursor: &Cursor<'_>) -> Result<()> {
    match cursor.peek() {
        None => Ok(()),
        Some(Token::Word(word)) if AFTER.iter().any(|after| after.eq_ignore_ascii_case(&word.value)) => Ok(()),
        Some(_) => Err(cursor.unexpected("GROUP BY, HAVING, ORDER BY, LIMIT or the end")),
    }
}
