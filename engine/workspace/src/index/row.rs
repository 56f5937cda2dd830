//! Rows as they are returned, and what is asked of them.

use serde_json::{Value, json};

use crate::{Object, exact};

/// The keys of a run row that have no value in the first version of the index.
const LATER: [&str; 5] = ["run_name", "description", "tags", "error", "details"];

/// A whole run row with only those of the later keys that say something.
pub(super) fn short(mut row: Object) -> Object {
    row.shift_remove("artifact_count");
    for key in LATER {
        if row.get(key).is_some_and(|value| *value == Value::Null || *value == json!([]) || *value == json!({})) {
            row.shift_remove(key);
        }
    }
    row
}

/// Whether the list `tags` has `tag`.
pub(super) fn tagged(tags: Option<&Value>, tag: &str) -> bool {
    tags.and_then(Value::as_array).is_some_and(|tags| tags.iter().any(|each| each.as_str() == Some(tag)))
}

/// Whether the run row has `query`, which is in lower case, in one of the texts that people look for.
pub(super) fn mentions(row: &Object, query: &str) -> bool {
    let says = |value: &Value| value.as_str().is_some_and(|text| text.to_lowercase().contains(query));
    let texts = ["run_id", "action", "run_name", "description", "error"];
    texts.iter().filter_map(|key| row.get(*key)).any(says)
        || row.get("tags").and_then(Value::as_array).is_some_and(|tags| tags.iter().any(says))
}

/// The value that the JSON text of a column says; text that is damaged says nothing.
pub(super) fn decoded(text: Option<String>, otherwise: Value) -> Value {
    text.and_then(|text| exact::parse(&text).ok()).filter(|value| !value.is_null()).unwrap_or(otherwise)
}
