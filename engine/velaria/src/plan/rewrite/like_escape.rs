//! `LIKE … ESCAPE '#'`: any character may take the meaning from `%` and `_`.
//!
//! Upstream knows the backslash only. A literal pattern is written with it; other patterns stay an error.

use velaria_sql::ast::{Expr, Value, ValueWithSpan};

/// Writes the literal pattern of a LIKE with backslashes in the place of its own escape character.
pub(super) fn use_backslash(expr: &mut Expr) {
    let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expr else { return };
    let Some(escape) = single_character(escape_char.as_ref()) else { return };
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = pattern.as_mut() else { return };
    if escape != '\\' {
        *text = with_backslash(text, escape);
    }
    *escape_char = None;
}

fn single_character(escape: Option<&ValueWithSpan>) -> Option<char> {
    let Value::SingleQuotedString(text) = &escape?.value else { return None };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn with_backslash(text: &str, escape: char) -> String {
    let mut pattern = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let literal = if character == escape { characters.next() } else { None };
        match (literal, character) {
            (Some(literal), _) => pattern.extend(['\\', literal]),
            (None, '\\') => pattern.push_str("\\\\"),
            (None, plain) => pattern.push(plain),
        }
    }
    pattern
}
