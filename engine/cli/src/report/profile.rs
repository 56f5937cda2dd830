//! `profile.json`: the operators of a query, with what each of them took.

use serde_json::Value;
use velaria_workspace::Object;

/// The operators of a query, the root first, and each before those that it reads from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    /// The time of the whole query.
    pub(crate) elapsed_ms: Option<f64>,
    /// The rows of its result.
    pub(crate) rows: Option<u64>,
    /// The operators.
    pub(crate) operators: Vec<Operator>,
}

/// One operator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operator {
    /// The number of operators above it.
    pub(crate) depth: usize,
    /// Its name, such as `SortExec`.
    pub(crate) name: String,
    /// What it does.
    pub(crate) detail: String,
    /// The rows that it gave.
    pub(crate) output_rows: Option<u64>,
    /// The time that it took, over all threads.
    pub(crate) elapsed_ms: Option<f64>,
    /// What it had to write to disk.
    pub(crate) spilled_bytes: Option<u64>,
    /// The most memory that it had.
    pub(crate) memory_bytes: Option<u64>,
}

impl Profile {
    /// What `document` says, where it names an operator.
    pub(crate) fn parse(document: &Object) -> Option<Self> {
        let mut operators: Vec<Operator> = Vec::new();
        let mut ids: Vec<(Option<u64>, usize)> = Vec::new();
        for value in document.get("operators")?.as_array()? {
            let parent = value.get("parent").and_then(Value::as_u64);
            // A parent that did not come before is none: the depth cannot be told from it.
            let above = ids.iter().rfind(|(id, _)| parent.is_some() && *id == parent);
            let depth = above.map_or(0, |(_, depth)| depth + 1);
            ids.push((value.get("id").and_then(Value::as_u64), depth));
            operators.push(Operator::parse(value, depth));
        }
        let elapsed_ms = document.get("elapsed_ms").and_then(time);
        let rows = document.get("rows").and_then(Value::as_u64);
        (!operators.is_empty()).then_some(Self { elapsed_ms, rows, operators })
    }
}

impl Operator {
    fn parse(value: &Value, depth: usize) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let count = |key: &str| value.get(key).and_then(Value::as_u64);
        Self {
            depth,
            name: text("name"),
            detail: text("detail"),
            output_rows: count("output_rows"),
            elapsed_ms: value.get("elapsed_ms").and_then(time),
            spilled_bytes: count("spilled_bytes"),
            memory_bytes: count("memory_bytes"),
        }
    }
}

/// A time, which is never below zero.
fn time(value: &Value) -> Option<f64> {
    value.as_f64().filter(|time| time.is_finite() && *time >= 0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(document: &Value) -> Option<Profile> {
        Profile::parse(document.as_object().unwrap())
    }

    #[test]
    fn the_depth_of_an_operator_follows_its_parent() {
        let profile = parse(&json!({"elapsed_ms": 2.5, "rows": 3, "operators": [
            {"id": 0, "parent": null, "name": "SortExec", "detail": "expr=[a]", "output_rows": 3, "elapsed_ms": 0.5,
             "spilled_bytes": 0, "memory_bytes": null},
            {"id": 1, "parent": 0, "name": "HashJoinExec", "elapsed_ms": -1.0},
            {"id": 2, "parent": 1, "name": "left"},
            {"id": 3, "parent": 1, "name": "right"},
            {"id": 4, "parent": 99, "name": "odd"},
        ]}))
        .unwrap();
        assert_eq!(profile.operators.iter().map(|operator| operator.depth).collect::<Vec<_>>(), [0, 1, 2, 2, 0]);
        assert_eq!((profile.elapsed_ms, profile.rows), (Some(2.5), Some(3)));
        assert_eq!((profile.operators[0].spilled_bytes, profile.operators[0].memory_bytes), (Some(0), None));
        assert_eq!(profile.operators[1].elapsed_ms, None);
    }

    #[test]
    fn what_is_no_profile_is_none() {
        for document in [json!({}), json!({"operators": []}), json!({"operators": 7})] {
            assert_eq!(parse(&document), None);
        }
    }
}
