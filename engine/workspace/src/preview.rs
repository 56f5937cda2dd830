//! The first rows of an artifact, within a number of rows and of bytes.

use serde::Serialize;
use serde_json::{Value, json};

use crate::Object;

/// Rows of a preview at most.
pub const PREVIEW_LIMIT_ROWS: usize = 50;
/// Bytes of a preview's compact JSON at most.
pub const PREVIEW_LIMIT_BYTES: usize = 200 * 1024;

/// How large a preview may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewLimits {
    /// Rows at most.
    pub rows: usize,
    /// Bytes of compact JSON at most.
    pub bytes: usize,
}

impl Default for PreviewLimits {
    fn default() -> Self {
        Self { rows: PREVIEW_LIMIT_ROWS, bytes: PREVIEW_LIMIT_BYTES }
    }
}

/// `{schema, rows, row_count, truncated}` with as many of the first `rows` as the limits allow.
///
/// `row_count` is the number of rows of the whole artifact, where it is known; `truncated` says that there are more rows
/// than are shown. When not even one row fits, `message` says so. No more than one row beyond the limits is taken from
/// `rows`.
#[must_use]
pub fn preview(
    schema: &[String],
    rows: impl IntoIterator<Item = Object>,
    row_count: Option<u64>,
    limits: PreviewLimits,
) -> Object {
    let mut left = limits.bytes.saturating_sub(bytes(&shape(schema, Vec::new(), row_count, false)));
    let mut shown: Vec<Value> = Vec::new();
    let mut more = false;
    for row in rows {
        let row = Value::Object(row);
        // A comma goes before every row but the first.
        let cost = bytes(&row) + usize::from(!shown.is_empty());
        if shown.len() >= limits.rows || cost > left {
            more = true;
            break;
        }
        left -= cost;
        shown.push(row);
    }
    let empty = shown.is_empty() && more && limits.rows > 0;
    let beyond = row_count.is_some_and(|count| count > shown.len() as u64);
    let mut result = shape(schema, shown, row_count, more || beyond);
    if empty {
        result.insert("message".to_owned(), json!("preview truncated to satisfy size limit"));
    }
    if bytes(&result) > limits.bytes {
        result.insert("schema".to_owned(), json!([]));
    }
    result
}

fn shape(schema: &[String], rows: Vec<Value>, row_count: Option<u64>, truncated: bool) -> Object {
    let mut result = Object::new();
    result.insert("schema".to_owned(), json!(schema));
    result.insert("rows".to_owned(), Value::Array(rows));
    result.insert("row_count".to_owned(), json!(row_count));
    result.insert("truncated".to_owned(), json!(truncated));
    result
}

/// The length of the compact JSON of `value`, which is not kept.
fn bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0 += text.len();
            Ok(text.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // JSON values have a text; if one had none, it would not be shown.
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> impl Iterator<Item = Object> {
        (0..count).map(|number| Object::from_iter([("x".to_owned(), json!(number))]))
    }

    fn schema() -> Vec<String> {
        vec!["x".to_owned()]
    }

    #[test]
    fn all_rows_are_shown_when_they_fit() {
        let whole = preview(&schema(), rows(2), Some(2), PreviewLimits::default());
        assert_eq!(
            serde_json::to_string(&whole).unwrap(),
            r#"{"schema":["x"],"rows":[{"x":0},{"x":1}],"row_count":2,"truncated":false}"#
        );
    }

    #[test]
    fn rows_beyond_the_limit_are_counted_and_not_shown() {
        let cut = preview(&schema(), rows(3), Some(3), PreviewLimits { rows: 2, ..PreviewLimits::default() });
        assert_eq!(
            (cut["rows"].as_array().unwrap().len(), &cut["truncated"], &cut["row_count"]),
            (2, &json!(true), &json!(3))
        );
        let unknown = preview(&schema(), rows(51), None, PreviewLimits::default());
        assert_eq!((unknown["rows"].as_array().unwrap().len(), &unknown["truncated"]), (50, &json!(true)));
    }

    #[test]
    fn the_text_never_passes_the_limit_and_a_row_more_would() {
        for limit in 60..400 {
            let limits = PreviewLimits { rows: 50, bytes: limit };
            let cut = preview(&schema(), rows(40), Some(40), limits);
            let shown = cut["rows"].as_array().unwrap().len();
            let text = serde_json::to_string(&cut).unwrap();
            assert!(shown == 0 || text.len() <= limit, "{limit}: {text}");
            if shown > 0 && shown < 40 {
                // A row is up to nine bytes with its comma, and `true` is one shorter than `false`.
                assert!(text.len() + 10 > limit, "{limit}: {text}");
            }
        }
    }

    #[test]
    fn a_row_that_is_too_large_leaves_a_message() {
        let huge = [Object::from_iter([("x".to_owned(), json!("y".repeat(PREVIEW_LIMIT_BYTES)))])];
        let cut = preview(&schema(), huge, Some(1), PreviewLimits::default());
        assert_eq!(cut["rows"], json!([]));
        assert_eq!(cut["message"], json!("preview truncated to satisfy size limit"));
    }

    #[test]
    fn column_names_that_are_too_large_are_left_out() {
        let wide: Vec<String> = (0..50_000).map(|number| format!("column_{number}")).collect();
        let cut = preview(&wide, rows(1), Some(1), PreviewLimits::default());
        assert!(serde_json::to_string(&cut).unwrap().len() <= PREVIEW_LIMIT_BYTES);
        assert_eq!((&cut["schema"], &cut["rows"]), (&json!([]), &json!([])));
    }
}
