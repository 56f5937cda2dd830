//! `run diff`: how two runs and their results differ.
//!
//! The document is that of the contract. Behind what previews can tell stands whether the files are the same byte for byte
//! and, where both results are small, which rows only one of them has.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use velaria::{ErrorCode, Result};
use velaria_workspace::{ArtifactIndex, Home, Object, Run};

use super::{opened, result_artifact, told};
use crate::args::RunDiffArgs;
use crate::command::artifacts::{path_of, preview_of};
use crate::failure::Failure;
use crate::output::write_json;
use crate::tracked::read_rows;
use crate::{Check, Io};

/// Rows of a result at most, for its rows to be compared.
const COMPARED_ROWS_MAX: usize = 1000;

/// The fields of a run that are compared.
const FIELDS: [&str; 8] =
    ["status", "action", "run_name", "description", "tags", "artifact_count", "duration_ms", "error"];

/// The document of `run diff`.
#[derive(Serialize)]
struct DiffJson {
    ok: bool,
    left_run: Object,
    right_run: Object,
    metadata_diff: Object,
    result_diff: ResultDiff,
}

#[derive(Serialize)]
struct ResultDiff {
    left_artifact: Object,
    right_artifact: Object,
    comparison: Object,
}

pub(super) fn run(args: &RunDiffArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let (left, index) = opened(&args.run_id)?;
    let right = Run::open(index.home(), &args.other_run_id)?;
    let (left_run, right_run) = (told(left.record()?, &index)?, told(right.record()?, &index)?);
    let metadata_diff = metadata(&left_run, &right_run);
    let mut side = |run_id: &str| Side::of(&index, run_id, args.limit, &mut *check);
    let (left, right) = (side(&args.run_id)?, side(&args.other_run_id)?);
    let mut comparison = compared(&left, &right);
    comparison.insert("bytes_equal".to_owned(), json!(bytes_equal(&left, &right)));
    comparison.insert("rows".to_owned(), json!(row_delta(&left, &right, args.limit as usize, check)?));
    let result_diff = ResultDiff { left_artifact: left.artifact, right_artifact: right.artifact, comparison };
    write_json(&DiffJson { ok: true, left_run, right_run, metadata_diff, result_diff }, io)
}

/// The fields that are not the same.
fn metadata(left: &Object, right: &Object) -> Object {
    let value = |run: &Object, field: &str| run.get(field).cloned().unwrap_or_default();
    let pairs = FIELDS.into_iter().map(|field| (field, value(left, field), value(right, field)));
    let different = pairs.filter(|(_, left, right)| left != right);
    different.map(|(field, left, right)| (field.to_owned(), json!({ "left": left, "right": right }))).collect()
}

/// The result of one of the runs.
struct Side {
    artifact: Object,
    preview: Object,
}

impl Side {
    fn of(index: &ArtifactIndex, run_id: &str, limit: u32, check: Check<'_>) -> Result<Self> {
        let artifact = result_artifact(index, run_id)?;
        let (artifact, preview) = preview_of(index, artifact, limit, check)?;
        Ok(Self { artifact, preview })
    }

    fn value(&self, name: &str) -> Value {
        self.artifact.get(name).cloned().unwrap_or_default()
    }

    fn row_count(&self) -> Option<i64> {
        self.artifact.get("row_count").and_then(Value::as_i64)
    }

    /// The file, where it may be read.
    fn path(&self) -> Option<PathBuf> {
        path_of(&Home::from_env().ok()?, &self.artifact).ok()
    }

    /// Every row, where there are few of them and they can still be read.
    fn rows(&self, check: Check<'_>) -> Result<Option<Vec<Value>>> {
        let few = self.row_count().is_none_or(|count| count <= COMPARED_ROWS_MAX as i64);
        let Some(path) = self.path().filter(|_| few) else { return Ok(None) };
        let format = self.value("format");
        match read_rows(&path, format.as_str().unwrap_or_default(), COMPARED_ROWS_MAX, check) {
            Ok(rows) => Ok(rows.map(|rows| rows.into_iter().map(Value::Object).collect())),
            Err(error) if error.code() == ErrorCode::Cancelled => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// How the results differ, as far as their records tell.
fn compared(left: &Side, right: &Side) -> Object {
    let same = |name: &str| left.value(name) == right.value(name);
    let both = |name: &str| json!({ "left": left.value(name), "right": right.value(name) });
    let mut row_count = both("row_count");
    let delta = left.row_count().zip(right.row_count()).and_then(|(left, right)| right.checked_sub(left));
    row_count["delta"] = json!(delta);
    let mut schema = both("schema_json");
    schema["equal"] = json!(same("schema_json"));
    let fields = [
        ("format", if same("format") { Value::Null } else { both("format") }),
        ("row_count", row_count),
        ("schema", schema),
        ("preview", json!({ "left": left.preview, "right": right.preview })),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whether the two files are the same, where both can be read.
fn bytes_equal(left: &Side, right: &Side) -> Option<bool> {
    same_bytes(&left.path()?, &right.path()?).ok()
}

fn same_bytes(left: &Path, right: &Path) -> io::Result<bool> {
    let (left, right) = (File::open(left)?, File::open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (BufReader::new(left), BufReader::new(right));
    let mut parts = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = left.read(&mut parts.0)?;
        if length == 0 {
            return Ok(right.read(&mut parts.1)? == 0);
        }
        match right.read_exact(&mut parts.1[..length]) {
            Ok(()) if parts.0[..length] == parts.1[..length] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// The rows that only one of two results has, each as often as it has it more than the other one.
#[derive(Debug, Serialize, PartialEq)]
struct RowDelta {
    /// The number of rows that only the right one has.
    added: usize,
    /// The number of rows that only the left one has.
    removed: usize,
    /// The number of rows that both have.
    unchanged: usize,
    /// The first of the rows that only the right one has.
    added_rows: Vec<Value>,
    /// The first of the rows that only the left one has.
    removed_rows: Vec<Value>,
}

/// Rows of files of two formats are not compared: a cell of CSV is text, whatever it was.
fn row_delta(left: &Side, right: &Side, limit: usize, check: Check<'_>) -> Result<Option<RowDelta>> {
    if left.value("format") != right.value("format") {
        return Ok(None);
    }
    let rows = left.rows(&mut *check)?.zip(right.rows(check)?);
    Ok(rows.map(|(left, right)| RowDelta::of(left, right, limit)))
}

impl RowDelta {
    fn of(left: Vec<Value>, right: Vec<Value>, limit: usize) -> Self {
        let mut balance: BTreeMap<String, i64> = BTreeMap::new();
        for row in &right {
            *balance.entry(row.to_string()).or_default() += 1;
        }
        let before = left.len();
        let removed: Vec<Value> = left.into_iter().filter(|row| !taken(&mut balance, row)).collect();
        let added: Vec<Value> = right.into_iter().filter(|row| taken(&mut balance, row)).collect();
        let count = (added.len(), removed.len());
        let first = |rows: Vec<Value>| rows.into_iter().take(limit).collect();
        Self {
            added: count.0,
            removed: count.1,
            unchanged: before - count.1,
            added_rows: first(added),
            removed_rows: first(removed),
        }
    }
}

/// Takes one of the rows that are the same as `row`, if one is left.
fn taken(balance: &mut BTreeMap<String, i64>, row: &Value) -> bool {
    match balance.get_mut(&row.to_string()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_as_often_as_they_are_there() {
        let rows = |text: &str| text.chars().map(|letter| json!({ "x": letter.to_string() })).collect::<Vec<_>>();
        let delta = RowDelta::of(rows("aabc"), rows("cadd"), 1);
        assert_eq!((delta.added, delta.removed, delta.unchanged), (2, 2, 2));
        assert_eq!((delta.added_rows, delta.removed_rows), (rows("d"), rows("a")));
        let same = RowDelta::of(rows("ab"), rows("ba"), 50);
        assert_eq!((same.added, same.removed, same.unchanged), (0, 0, 2));
    }

    #[test]
    fn only_what_differs_is_named() {
        let run = |text: &str| serde_json::from_str::<Object>(text).unwrap();
        let (left, right) = (run(r#"{"status": "failed", "tags": ["a"]}"#), run(r#"{"status": "x", "tags": ["a"]}"#));
        assert_eq!(Value::Object(metadata(&left, &right)), json!({"status": {"left": "failed", "right": "x"}}));
    }
}
