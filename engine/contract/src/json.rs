//! The canonical JSON of the contract: two-space indent, declared key order, non-ASCII as is, one final newline.

use serde::Serialize;

use crate::{Error, ErrorCode, Result};

/// `value` as a JSON document, indented by two spaces and ended by a newline.
///
/// # Errors
/// `VEL-9001` when the value holds something that JSON cannot, such as a map with non-text keys; `VEL-5011` when a part
/// of it has no text.
pub fn to_pretty<T: Serialize>(value: &T) -> Result<String> {
    finish(serde_json::to_string_pretty(value))
}

/// `value` as a JSON document on one line, ended by a newline.
///
/// # Errors
/// `VEL-9001` when the value holds something that JSON cannot, such as a map with non-text keys; `VEL-5011` when a part
/// of it has no text.
pub fn to_line<T: Serialize>(value: &T) -> Result<String> {
    finish(serde_json::to_string(value))
}

fn finish(written: serde_json::Result<String>) -> Result<String> {
    let mut text = written.map_err(unwritten)?;
    text.push('\n');
    Ok(text)
}

/// A value that says itself that it has no text, such as a date beyond the calendar, is the statement's affair.
fn unwritten(source: serde_json::Error) -> Error {
    if source.is_data() {
        return Error::new(ErrorCode::InvalidValue, format!("cannot print a value: {source}"));
    }
    Error::new(ErrorCode::Internal, "cannot write JSON").with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_text_is_not_escaped_beyond_need() {
        let value = serde_json::json!({"b": "北京", "a": [1, 2.5, null]});
        assert_eq!(
            to_pretty(&value).unwrap(),
            "{\n  \"b\": \"北京\",\n  \"a\": [\n    1,\n    2.5,\n    null\n  ]\n}\n"
        );
        assert_eq!(to_line(&value).unwrap(), "{\"b\":\"北京\",\"a\":[1,2.5,null]}\n");
    }
}
