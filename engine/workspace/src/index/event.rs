//! What is written to an index.

use serde_json::{Value, json};
use velaria_contract::Result;

use super::{required, text};
use crate::Object;
use crate::failure::invalid;

/// One change, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// A run row: the keys of [`RUN_KEYS`], and `at`, the moment of the event.
    Run(Object),
    /// An artifact row: the keys of [`ARTIFACT_KEYS`].
    Artifact(Object),
    /// Another preview of an artifact.
    Preview { artifact_id: String, preview: Object },
    /// The end of a run's row and of those of its artifacts.
    Delete { run_id: String },
}

/// The keys of a run row.
pub(super) const RUN_KEYS: [&str; 13] = [
    "run_id",
    "created_at",
    "finished_at",
    "status",
    "action",
    "cli_args",
    "velaria_version",
    "run_dir",
    "run_name",
    "description",
    "tags",
    "error",
    "details",
];

/// The keys of an artifact row.
pub(super) const ARTIFACT_KEYS: [&str; 10] = [
    "artifact_id",
    "run_id",
    "created_at",
    "type",
    "uri",
    "format",
    "row_count",
    "schema_json",
    "preview_json",
    "tags_json",
];

impl Event {
    /// The row of `run`, at the moment `at`.
    pub(super) fn run(run: &Object, at: String) -> Result<Self> {
        required(run, "run_id")?;
        for key in RUN_KEYS {
            // Arguments, details and tags are whatever their writer means by them.
            if !matches!(key, "cli_args" | "details" | "tags") {
                text(run, key)?;
            }
        }
        let mut row = picked(run, &RUN_KEYS);
        row.insert("at".to_owned(), json!(at));
        Ok(Self::Run(row))
    }

    /// The row of `artifact`, which is of the moment `at` unless it says another.
    pub(super) fn artifact(artifact: &Object, at: String) -> Result<Self> {
        ["artifact_id", "run_id", "uri", "format"].into_iter().try_for_each(|key| required(artifact, key).map(drop))?;
        row_count(artifact)?;
        let mut row = picked(artifact, &ARTIFACT_KEYS);
        let created_at = text(artifact, "created_at")?.unwrap_or(at);
        let kind = text(artifact, "type")?.unwrap_or_else(|| "file".to_owned());
        row.insert("created_at".to_owned(), json!(created_at));
        row.insert("type".to_owned(), json!(kind));
        if row["tags_json"].is_null() {
            row.insert("tags_json".to_owned(), json!([]));
        }
        Ok(Self::Artifact(row))
    }

    /// The line of the event in a file of events.
    pub(super) fn line(&self) -> String {
        let kind = |kind: &str| Object::from_iter([("kind".to_owned(), json!(kind))]);
        let mut event = match self {
            Self::Run(_) => kind("run_upsert"),
            Self::Artifact(_) => kind("artifact_upsert"),
            Self::Preview { .. } => kind("artifact_preview"),
            Self::Delete { .. } => kind("run_delete"),
        };
        match self {
            Self::Run(row) | Self::Artifact(row) => event.extend(row.clone()),
            Self::Preview { artifact_id, preview } => {
                event.insert("artifact_id".to_owned(), json!(artifact_id));
                event.insert("preview_json".to_owned(), json!(preview));
            }
            Self::Delete { run_id } => {
                event.insert("run_id".to_owned(), json!(run_id));
            }
        }
        Value::Object(event).to_string()
    }

    /// The event that the line `event` says, unless it is of another make. What it is about stands in the line itself, or
    /// in an object in it.
    pub(super) fn parse(event: Object) -> Option<Self> {
        let event = flat(event);
        let at = text(&event, "at").ok()?.unwrap_or_default();
        match event.get("kind")?.as_str()? {
            "run_upsert" => Self::run(&event, at).ok(),
            "artifact_upsert" => Self::artifact(&event, at).ok(),
            "artifact_preview" => Some(Self::Preview {
                artifact_id: required(&event, "artifact_id").ok()?,
                preview: event.get("preview_json").or_else(|| event.get("preview"))?.as_object()?.clone(),
            }),
            "run_delete" => Some(Self::Delete { run_id: required(&event, "run_id").ok()? }),
            _ => None,
        }
    }
}

/// `event` with the fields of the object in it that says what it is about.
fn flat(mut event: Object) -> Object {
    for key in ["run", "artifact", "meta"] {
        if let Some(Value::Object(about)) = event.shift_remove(key) {
            event.extend(about.into_iter().filter(|(key, _)| key != "kind"));
        }
    }
    event
}

/// The values of `keys` in `object`, null where there is none.
fn picked(object: &Object, keys: &[&str]) -> Object {
    keys.iter().map(|key| ((*key).to_owned(), object.get(*key).cloned().unwrap_or(Value::Null))).collect()
}

fn row_count(artifact: &Object) -> Result<()> {
    match artifact.get("row_count") {
        Some(value) if !value.is_null() && value.as_i64().is_none_or(|count| count < 0) => {
            Err(invalid(format!("row_count is a number of rows, not {value}")))
        }
        _ => Ok(()),
    }
}
