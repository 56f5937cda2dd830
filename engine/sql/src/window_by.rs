//! `WINDOW BY column EVERY milliseconds [SLIDE milliseconds] AS name`.

use std::fmt;

use sqlparser::ast::{Ident, ObjectNamePart, Select, TableFactor};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use velaria_contract::Result;

use crate::cursor::Cursor;

/// The windows of a stream query.
#[derive(Debug, Clone)]
pub struct WindowBy {
    /// The column of event time.
    pub column: String,
    /// Where that column stands.
    pub span: Span,
    /// The length of a window.
    pub every_ms: u64,
    /// The distance between the starts of two windows.
    pub slide_ms: u64,
    /// The name of the column that holds the start of the window.
    pub name: String,
}

/// Where the column stands is not a part of the clause, as in the rest of the syntax tree.
impl PartialEq for WindowBy {
    fn eq(&self, other: &Self) -> bool {
        (&self.column, self.every_ms, self.slide_ms, &self.name)
            == (&other.column, other.every_ms, other.slide_ms, &other.name)
    }
}

impl Eq for WindowBy {}

/// Before the number of a clause: the name of the table that stands for the clause in FROM. No statement can hold a NUL.
const MARKER: &str = "\0window by ";

/// What can follow the clause.
const AFTER: [&str; 10] =
    ["GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "WINDOW", "UNION", "EXCEPT", "INTERSECT", "QUALIFY"];

/// Takes every clause out of `tokens`, which were read from `text`. In its place the FROM of its SELECT begins with a table
/// that [`marked`] takes out again.
pub(crate) fn take(text: &str, tokens: &mut Vec<TokenWithSpan>) -> Result<Vec<WindowBy>> {
    let mut windows = Vec::new();
    while let Some(start) = find(text, tokens) {
        let mut cursor = Cursor::new(text, tokens, start);
        let place = cursor.error("WINDOW BY needs a FROM before it");
        let second = cursor.unexpected("one WINDOW BY for each SELECT");
        cursor.advance();
        cursor.advance();
        let window = WindowBy::read(&mut cursor)?;
        check_end(&cursor)?;
        let end = cursor.index();
        let from = from_before(tokens, start).ok_or(place)?;
        if is_marked(tokens, from) {
            return Err(second);
        }
        tokens.drain(start..end);
        let span = tokens.get(from).map_or_else(Span::empty, |token| token.span);
        let name =
            Word { value: format!("{MARKER}{}", windows.len()), quote_style: Some('"'), keyword: Keyword::NoKeyword };
        let marker = [Token::Word(name), Token::Comma].map(|token| TokenWithSpan::new(token, span));
        tokens.splice(from + 1..from + 1, marker);
        windows.push(window);
    }
    Ok(windows)
}

/// The number of the clause of `select`, which loses the table that stood for it.
pub fn marked(select: &mut Select) -> Option<usize> {
    let TableFactor::Table { name, .. } = &select.from.first()?.relation else { return None };
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    let index = ident.value.strip_prefix(MARKER)?.parse().ok()?;
    select.from.remove(0);
    Some(index)
}

fn find(text: &str, tokens: &[TokenWithSpan]) -> Option<usize> {
    tokens.iter().enumerate().position(|(index, token)| {
        let mut cursor = Cursor::new(text, tokens, index);
        matches!(&token.token, Token::Word(word) if word.keyword == Keyword::WINDOW)
            && cursor.word("WINDOW")
            && cursor.word("BY")
    })
}

/// The nearest FROM before `start` in the same parentheses and the same SELECT. `IS DISTINCT FROM` is none.
fn from_before(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut found = None;
    for (index, token) in tokens.iter().enumerate().take(start).rev() {
        match &token.token {
            Token::Whitespace(_) => {}
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LParen => depth -= 1,
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => match (word.keyword, found) {
                (Keyword::DISTINCT, Some(_)) => found = None,
                (_, Some(_)) => break,
                (Keyword::FROM, None) => found = Some(index),
                (Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT, None) => break,
                _ => {}
            },
            _ if found.is_some() && depth == 0 => break,
            _ => {}
        }
    }
    found
}

fn is_marked(tokens: &[TokenWithSpan], from: usize) -> bool {
    matches!(tokens.get(from + 1).map(|token| &token.token), Some(Token::Word(word)) if word.value.starts_with(MARKER))
}

fn check_end(cursor: &Cursor<'_>) -> Result<()> {
    match cursor.peek() {
        None | Some(Token::RParen) => Ok(()),
        Some(Token::Word(word)) if AFTER.iter().any(|after| after.eq_ignore_ascii_case(&word.value)) => Ok(()),
        Some(_) => Err(cursor.unexpected("GROUP BY, HAVING, ORDER BY, LIMIT or the end")),
    }
}

impl WindowBy {
    /// Reads the clause after `WINDOW BY`.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let span = cursor.span();
        let column = cursor.name()?;
        cursor.expect_word("EVERY")?;
        let every_ms = every(cursor)?;
        let slide_ms = if cursor.word("SLIDE") { slide(cursor, every_ms)? } else { every_ms };
        cursor.expect_word("AS")?;
        Ok(Self { column, span, every_ms, slide_ms, name: cursor.name()? })
    }
}

fn every(cursor: &mut Cursor<'_>) -> Result<u64> {
    let place = cursor.error("WINDOW EVERY must be numeric");
    let digits = cursor.number().map_err(|_| place.clone())?;
    match digits.parse() {
        Ok(0) => Err(cursor.error("window size must be positive").with_position(place.position().cloned())),
        Ok(every) => Ok(every),
        Err(_) => {
            Err(cursor.error(format!("invalid WINDOW EVERY value: {digits}")).with_position(place.position().cloned()))
        }
    }
}

fn slide(cursor: &mut Cursor<'_>, every_ms: u64) -> Result<u64> {
    let error = cursor.error("stream SQL WINDOW SLIDE must be > 0 and <= EVERY");
    let slide = cursor.number().ok().and_then(|digits| digits.parse().ok());
    slide.filter(|slide| (1..=every_ms).contains(slide)).ok_or(error)
}

impl fmt::Display for WindowBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &str| Ident::with_quote('"', name).to_string();
        write!(f, "WINDOW BY {} EVERY {}", quoted(&self.column), self.every_ms)?;
        if self.slide_ms != self.every_ms {
            write!(f, " SLIDE {}", self.slide_ms)?;
        }
        write!(f, " AS {}", quoted(&self.name))
    }
}
