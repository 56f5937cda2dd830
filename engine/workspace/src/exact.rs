//! JSON that is read back as it was written.
//!
//! `serde_json` reads some fractions one unit in the last place beside what they say; a preview has to show the numbers
//! of its result. Fractions are read as text here, and become numbers by the standard library, which is exact.

use serde_json::{Number, Value};

use crate::Object;

/// Begins a text that stands for a number. The character is in the private use area: no other text is expected to.
const MARK: &str = "\u{f5f0}number:";

/// The value that `text` says, with every digit of its numbers.
///
/// # Errors
/// For text that is not JSON.
pub fn parse(text: &str) -> serde_json::Result<Value> {
    // What is not JSON is refused here, before any of it is changed.
    let value: Value = serde_json::from_str(text)?;
    match marked(text) {
        None => Ok(value),
        Some(marked) => serde_json::from_str(&marked).map(unmarked),
    }
}

/// The object that `text` says; other text says nothing.
pub(crate) fn object(text: &str) -> Option<Object> {
    match parse(text) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// `text` with its fractions as marked texts, or `None` when it has none, or holds the mark itself.
fn marked(text: &str) -> Option<String> {
    if text.contains(MARK) {
        return None;
    }
    let mut result = String::with_capacity(text.len() + 64);
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(|letter: char| letter == '"' || letter == '-' || letter.is_ascii_digit()) {
        let (before, token) = rest.split_at(at);
        let length = if token.starts_with('"') { string_bytes(token) } else { number_bytes(token) };
        let (token, after) = token.split_at(length);
        result.push_str(before);
        if !token.starts_with('"') && token.contains(['.', 'e', 'E']) {
            found = true;
            result.extend(["\"", MARK, token, "\""]);
        } else {
            result.push_str(token);
        }
        rest = after;
    }
    result.push_str(rest);
    found.then_some(result)
}

/// The length of the string at the start of `text`, with its quotes.
fn string_bytes(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the number at the start of `text`.
fn number_bytes(text: &str) -> usize {
    let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+' | 'e' | 'E');
    text.find(|letter| !is_part(letter)).unwrap_or(text.len())
}

fn unmarked(value: Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix(MARK).and_then(|number| number.parse().ok()) {
            Some(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            None => Value::String(text),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(unmarked).collect()),
        Value::Object(object) => Value::Object(object.into_iter().map(|(key, value)| (key, unmarked(value))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_number_reads_back_as_it_was() {
        // Bits that a multiplication spreads over all exponents and digits.
        let mut bits = 1_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = f64::from_bits(bits);
            if number.is_finite() {
                let value = json!({ "a": [number, -number], "b": 7 });
                assert_eq!(parse(&value.to_string()).unwrap(), value);
            }
        }
    }

    #[test]
    fn text_and_structure_stay() {
        for text in [r#"{"1.5":"-2.5e3 \" 1.5","b":[1,-2,18446744073709551615,null,true,{}]}"#, "[]", "1.50", r#""\\""#]
        {
            assert_eq!(parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
        let odd = json!([format!("{MARK}1"), 0.5]);
        assert_eq!(parse(&odd.to_string()).unwrap(), odd);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "1.", "{1.5:2}", "[1.5", "1e999", "\"", "-"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
