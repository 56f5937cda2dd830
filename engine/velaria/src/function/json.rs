//! JSON in text columns.
//!
//! The functions `json_get…`, `json_as_text`, `json_contains`, `json_length` and `json_object_keys` walk along keys and
//! places that are arguments of their own, and give `NULL` for text that is not JSON. `json_extract…` and the others
//! take a path (`$.a[0]`, `/a/0`, or one key), and text that is not JSON is an error.

use datafusion::error::Result;
use serde_json::Value as Json;

use super::kernel::{Kind, Row, Spec, Value, invalid};

use Kind::{Bool, Float, Int, Scalar, Text, Texts};

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("json_get", &[Text, Scalar], Text, |row| Ok(walked(row).map_or(Value::Null, json)))
        .repeated()
        .or(&["json_get_json"]),
    Spec::new("json_get_str", &[Text, Scalar], Text, |row| {
        Ok(walked(row).and_then(|found| Some(Value::Text(found.as_str()?.to_owned()))).unwrap_or(Value::Null))
    })
    .repeated(),
    Spec::new("json_get_int", &[Text, Scalar], Int, |row| {
        Ok(walked(row).and_then(|found| found.as_i64()).map_or(Value::Null, Value::Int))
    })
    .repeated(),
    Spec::new("json_get_float", &[Text, Scalar], Float, |row| {
        Ok(walked(row).and_then(|found| found.as_f64()).map_or(Value::Null, Value::Float))
    })
    .repeated(),
    Spec::new("json_get_bool", &[Text, Scalar], Bool, |row| {
        Ok(walked(row).and_then(|found| found.as_bool()).map_or(Value::Null, Value::Bool))
    })
    .repeated(),
    Spec::new("json_get_array", &[Text, Scalar], Texts, |row| {
        Ok(walked(row).and_then(items).map_or(Value::Null, Value::Texts))
    })
    .repeated(),
    Spec::new("json_as_text", &[Text, Scalar], Text, |row| Ok(walked(row).map_or(Value::Null, plain))).repeated(),
    Spec::new("json_contains", &[Text, Scalar], Bool, |row| Ok(Value::Bool(walked(row).is_some()))).repeated(),
    Spec::new("json_length", &[Text, Scalar], Int, |row| Ok(walked(row).map_or(Value::Null, |found| length(&found))))
        .repeated(),
    Spec::new("json_object_keys", &[Text, Scalar], Texts, |row| {
        Ok(walked(row).map_or(Value::Null, |found| keys(&found)))
    })
    .repeated()
    .or(&["json_keys"]),
    Spec::new("json_extract", &[Text, Scalar], Text, |row| Ok(at_path(row)?.map_or(Value::Null, json)))
        .or(&["json_extract_path"]),
    Spec::new("json_extract_string", &[Text, Scalar], Text, |row| Ok(at_path(row)?.map_or(Value::Null, plain)))
        .or(&["json_extract_path_text", "json_value"]),
    Spec::new("json_exists", &[Text, Scalar], Bool, |row| Ok(Value::Bool(at_path(row)?.is_some()))),
    Spec::new("json_array_length", &[Text, Scalar], Int, |row| {
        Ok(at_path(row)?.map_or(Value::Null, |found| match found {
            Json::Array(items) => count(items.len()),
            _ => Value::Int(0),
        }))
    })
    .optional(1),
    Spec::new("json_type", &[Text, Scalar], Text, |row| {
        Ok(at_path(row)?.map_or(Value::Null, |found| Value::Text(type_name(&found).to_owned())))
    })
    .optional(1)
    .or(&["json_typeof"]),
    Spec::new("json_valid", &[Text], Bool, |row| Ok(Value::Bool(read(row.text(0)).is_some()))),
    Spec::new("json_pretty", &[Text], Text, |row| {
        let value = required(row.text(0))?;
        serde_json::to_string_pretty(&value).map(Value::Text).map_err(|error| invalid(error.to_string()))
    }),
    Spec::new("json_quote", &[Text], Text, |row| Ok(json(Json::String(row.text(0).to_owned())))).or(&["to_json"]),
];

/// Nesting is bounded by the reader (128 levels), so that no text can exhaust the stack.
fn read(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

fn required(text: &str) -> Result<Json> {
    read(text).ok_or_else(|| invalid("malformed JSON"))
}

/// What stands at the end of the keys and places after the first argument.
fn walked(row: &Row<'_>) -> Option<Json> {
    (1..row.len()).try_fold(read(row.text(0))?, |value, place| match row.scalar(place) {
        Value::Int(index) => element(value, index),
        Value::Text(key) => member(value, &key),
        _ => None,
    })
}

fn member(value: Json, key: &str) -> Option<Json> {
    match value {
        Json::Object(mut members) => members.remove(key),
        _ => None,
    }
}

/// Places count from 0, and from the end when they are negative.
fn element(value: Json, index: i64) -> Option<Json> {
    let Json::Array(mut items) = value else { return None };
    let index = match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (index < items.len()).then(|| items.swap_remove(index))
}

/// What stands at the path of the second argument; the whole without one.
fn at_path(row: &Row<'_>) -> Result<Option<Json>> {
    let value = required(row.text(0))?;
    Ok(match row.has(1).then(|| row.scalar(1)) {
        None => Some(value),
        Some(Value::Int(index)) => element(value, index),
        Some(Value::Text(path)) => match path.chars().next() {
            Some('$') => steps(&path)?.into_iter().try_fold(value, |value, step| match step {
                Step::Key(key) => member(value, &key),
                Step::Index(index) => element(value, index),
            }),
            Some('/') => value.pointer(&path).cloned(),
            _ => member(value, &path),
        },
        Some(_) => return Err(invalid("a JSON path is a text or a whole number")),
    })
}

enum Step {
    Key(String),
    Index(i64),
}

/// The steps of `$.key."quoted key"[0]`.
fn steps(path: &str) -> Result<Vec<Step>> {
    let wrong = || invalid(format!("invalid JSON path: '{path}'"));
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').ok_or_else(wrong)?;
    while !rest.is_empty() {
        let (step, after) = step(rest).ok_or_else(wrong)?;
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(inside) = rest.strip_prefix('[') {
        let (index, after) = inside.split_once(']')?;
        let index = index.strip_prefix('#').unwrap_or(index);
        return Some((Step::Index(index.parse().ok()?), after));
    }
    let rest = rest.strip_prefix('.')?;
    if let Some(quoted) = rest.strip_prefix('"') {
        let (key, after) = quoted.split_once('"')?;
        return Some((Step::Key(key.to_owned()), after));
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (key, after) = rest.split_at(end);
    (!key.is_empty()).then(|| (Step::Key(key.to_owned()), after))
}

fn json(value: Json) -> Value {
    Value::Text(value.to_string())
}

/// Text without its quotes; `null` is `NULL`.
fn plain(value: Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::String(text) => Value::Text(text),
        other => json(other),
    }
}

fn items(value: Json) -> Option<Vec<Option<String>>> {
    match value {
        Json::Array(items) => Some(items.into_iter().map(|item| Some(item.to_string())).collect()),
        _ => None,
    }
}

fn length(value: &Json) -> Value {
    match value {
        Json::Array(items) => count(items.len()),
        Json::Object(members) => count(members.len()),
        _ => Value::Null,
    }
}

fn keys(value: &Json) -> Value {
    match value {
        Json::Object(members) => Value::Texts(members.keys().cloned().map(Some).collect()),
        _ => Value::Null,
    }
}

fn count(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "NULL",
        Json::Bool(_) => "BOOLEAN",
        Json::Number(number) if number.is_i64() || number.is_u64() => "BIGINT",
        Json::Number(_) => "DOUBLE",
        Json::String(_) => "VARCHAR",
        Json::Array(_) => "ARRAY",
        Json::Object(_) => "OBJECT",
    }
}
