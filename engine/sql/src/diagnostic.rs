//! Places and suggestions: where in the text something is, and which name was probably meant.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span, TokenizerError};
use velaria_contract::{Error, ErrorCode, Position};

use crate::limits;

/// The candidate that is closest to `name`, if one is close enough to have been meant.
///
/// Distance is Damerau-Levenshtein over lower-cased text (optimal string alignment); of equally close candidates the
/// first in alphabetical order wins, so that the answer never depends on the order of a hash map.
#[must_use]
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    // One letter could have been meant as any other: short names are only suggested in another case.
    let distance_max = match wanted.chars().count() {
        0..=1 => 0,
        2..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The place of `span` in `text`, unless the span is empty.
#[must_use]
pub fn position_of(text: &str, span: Span) -> Option<Position> {
    let length = match span.end {
        end if end.line == span.start.line => end.column.saturating_sub(span.start.column),
        _ => 1,
    };
    Position::in_text(text, span.start.line, span.start.column, length)
}

/// What the tokenizer could not read.
pub(crate) fn from_tokenizer(text: &str, error: &TokenizerError) -> Error {
    let position = Position::in_text(text, error.location.line, error.location.column, 1);
    if error.message.starts_with("Unterminated") && error.message.contains("string literal") {
        return Error::new(ErrorCode::Syntax, "unterminated string literal")
            .with_hint("close the text with a single quote; write a quote inside text twice")
            .with_position(position);
    }
    Error::new(ErrorCode::Syntax, lower_first(&error.message)).with_position(position)
}

/// What the parser could not read. sqlparser hands out text: the place and the two parts of `Expected …, found …` are
/// taken out of it.
pub(crate) fn from_parser(text: &str, error: &ParserError) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => return limits::too_deep(),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (message, location) = split_location(message);
    let position = location.and_then(|at| Position::in_text(text, at.line, at.column, 1));
    match split_expected(message) {
        Some((expected, "EOF")) => unexpected_end(text, expected),
        Some((expected, found)) => unexpected_token(found)
            .with_hint(format!("expected {expected}"))
            .with_position(position.map(|place| mark(place, found))),
        None => Error::new(ErrorCode::Syntax, lower_first(message)).with_position(position),
    }
}

/// The error for a token that cannot stand where it does.
pub(crate) fn unexpected_token(found: &str) -> Error {
    Error::new(ErrorCode::Syntax, format!("unexpected token: {found}"))
}

fn unexpected_end(text: &str, expected: &str) -> Error {
    Error::new(ErrorCode::Syntax, "unexpected end of query")
        .with_hint(format!("expected {expected}"))
        .with_position(end_of(text))
}

/// The place just after the last character that is not white space.
fn end_of(text: &str) -> Option<Position> {
    let text = text.trim_end();
    let line = u64::try_from(text.lines().count()).ok()?;
    let column = u64::try_from(text.lines().last()?.chars().count()).ok()? + 1;
    Position::in_text(text, line, column, 1)
}

fn mark(place: Position, found: &str) -> Position {
    let length = u64::try_from(found.chars().count()).unwrap_or(1);
    Position::in_text(&place.text, 1, place.column, length)
        .map_or(place.clone(), |marked| Position { line: place.line, ..marked })
}

fn split_expected(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix("Expected: ")?.rsplit_once(", found: ")
}

fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((head, tail)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let Some((line, column)) = tail.split_once(", Column: ") else { return (message, None) };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (head, Some(Location { line, column })),
        _ => (message, None),
    }
}

/// `message` with a small first letter, unless it starts with an abbreviation.
#[must_use]
pub fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => first.to_lowercase().chain(chars).collect(),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_regardless_of_order() {
        assert_eq!(closest("naem", ["dept", "name", "nome"]), Some("name"));
        assert_eq!(closest("a", ["b", "A"]), Some("A"));
        assert_eq!(closest("naem", ["nome", "name", "dept"]), Some("name"));
        assert_eq!(closest("SALARY", ["Salary"]), Some("Salary"));
        assert_eq!(closest("xyz", ["name", "dept"]), None);
        assert_eq!(closest("x", []), None);
    }

    #[test]
    fn the_end_of_a_statement_is_after_its_last_character() {
        let place = end_of("SELECT\n  é +  \n").unwrap();
        assert_eq!((place.line, place.column), (2, 6));
    }
}
