//! What a report knows of a run: read within bounds, and without secrets.

use std::path::Path;

use serde_json::Value;
use velaria::Result;
use velaria_workspace::{
    ArtifactFilter, ArtifactIndex, Home, Object, Portion, Redactor, Run, duration_ms, parse_json, read_head, read_tail,
};

use super::profile::Profile;
use super::progress::Progress;
use crate::Check;
use crate::command::artifacts::{preview_of, readable};

/// The most bytes that are read of one of the documents of a run.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// The most bytes that are read of a log, from its end.
const LOG_BYTES_MAX: usize = 16 << 10;
/// The most bytes that are read of an artifact that is text.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// The most artifacts whose content is looked at.
const ARTIFACTS_MAX: usize = 12;
/// The most rows of each.
const ROWS_MAX: u32 = 50;

/// A run, as it is shown.
pub(crate) struct Model {
    /// The id.
    pub(crate) run_id: String,
    /// `run.json`, without secrets.
    pub(crate) run: Object,
    /// `inputs.json`; empty where there is none.
    pub(crate) inputs: Object,
    /// The document of its failure, which says more than the record: `code`, `hint`; empty where it did not fail.
    pub(crate) failure: Object,
    /// The sections of `explain.json` that are not empty, by name.
    pub(crate) explain: Vec<(String, String)>,
    /// `profile.json`.
    pub(crate) profile: Option<Profile>,
    /// `progress.jsonl`.
    pub(crate) progress: Progress,
    /// The newest artifacts, in the order in which they were made.
    pub(crate) artifacts: Vec<Artifact>,
    /// How many artifacts there are.
    pub(crate) artifact_count: usize,
    /// The ends of the logs that are not empty.
    pub(crate) logs: Vec<Log>,
}

/// A file that a run made.
pub(crate) struct Artifact {
    /// Its row in the index, without the preview.
    pub(crate) record: Object,
    /// What can be seen of it.
    pub(crate) content: Content,
}

/// What can be seen of an artifact.
pub(crate) enum Content {
    /// The preview of the workspace: `schema`, `rows`, `row_count`, `truncated`.
    Rows(Object),
    /// The beginning of a text.
    Text(Portion),
    /// Why nothing can be seen.
    Refused(String),
}

/// The end of a log.
pub(crate) struct Log {
    /// The name of the file.
    pub(crate) name: &'static str,
    /// Its last bytes.
    pub(crate) end: Portion,
}

impl Model {
    /// What the run `run_id` of `home` left behind until now.
    ///
    /// # Errors
    /// `VEL-6201` when there is no such run; what `check` gives.
    pub(crate) fn load(home: &Home, run_id: &str, check: Check<'_>) -> Result<Self> {
        let run = Run::open(home, run_id)?;
        let redactor = Redactor::from_env();
        let mut record = redactor.object(&run.record()?);
        let duration = duration_ms(&record);
        record.insert("duration_ms".to_owned(), duration.into());
        check()?;
        // Like every other file of the directory: what cannot be read says nothing.
        let progress = Progress::load(&run).unwrap_or_default();
        check()?;
        let (artifacts, artifact_count) = artifacts(home, run_id, &redactor, check)?;
        Ok(Self {
            run_id: run.id().as_str().to_owned(),
            inputs: document(&run.dir().join("inputs.json"), &redactor),
            failure: failure(&run, &record, &redactor),
            explain: sections(&document(&run.dir().join("explain.json"), &redactor)),
            profile: Profile::parse(&document(&run.dir().join("profile.json"), &redactor)),
            logs: logs(&run, &redactor),
            run: record,
            progress,
            artifacts,
            artifact_count,
        })
    }

    /// The text at `key` of the record; empty where there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.run.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The status.
    pub(crate) fn status(&self) -> &str {
        self.text("status")
    }

    /// The name for people, or the id.
    pub(crate) fn title(&self) -> &str {
        Some(self.text("run_name")).filter(|name| !name.trim().is_empty()).unwrap_or(&self.run_id)
    }

    /// The query, where the action has one.
    pub(crate) fn query(&self) -> Option<&str> {
        self.run.get("cli_args")?.get("query")?.as_str()
    }
}

/// A document of the directory; one that is missing or damaged says nothing.
fn document(path: &Path, redactor: &Redactor) -> Object {
    let read = read_head(path, DOCUMENT_BYTES_MAX).ok().flatten();
    match read.and_then(|read| parse_json(&read.text).ok()) {
        Some(Value::Object(object)) => redactor.object(&object),
        _ => Object::new(),
    }
}

fn failure(run: &Run, record: &Object, redactor: &Redactor) -> Object {
    if record.get("error").is_none_or(Value::is_null) {
        return Object::new();
    }
    document(&run.action_result_path(), redactor)
}

fn sections(explain: &Object) -> Vec<(String, String)> {
    let texts = explain.iter().filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
    texts.filter(|(_, text)| !text.trim().is_empty()).collect()
}

fn logs(run: &Run, redactor: &Redactor) -> Vec<Log> {
    let files = [("stdout.log", run.stdout_path()), ("stderr.log", run.stderr_path())];
    let read = files.into_iter().filter_map(|(name, path)| Some((name, read_tail(&path, LOG_BYTES_MAX).ok()??)));
    let logs = read.map(|(name, end)| Log { name, end: Portion { text: redactor.text(&end.text), ..end } });
    logs.filter(|log| !log.end.text.trim().is_empty()).collect()
}

fn artifacts(home: &Home, run_id: &str, redactor: &Redactor, check: Check<'_>) -> Result<(Vec<Artifact>, usize)> {
    let index = ArtifactIndex::open(home)?;
    let filter = ArtifactFilter { limit: usize::MAX, run_id: Some(run_id.to_owned()), ..ArtifactFilter::default() };
    let records = index.list_artifacts(&filter)?;
    let count = records.len();
    let mut artifacts = Vec::new();
    for record in records.into_iter().take(ARTIFACTS_MAX) {
        check()?;
        artifacts.push(artifact(home, &index, record, redactor, &mut *check));
    }
    // The result is made first, and is what people look for.
    artifacts.reverse();
    Ok((artifacts, count))
}

fn artifact(home: &Home, index: &ArtifactIndex, record: Object, redactor: &Redactor, check: Check<'_>) -> Artifact {
    let content = content(home, index, &record, redactor, check).unwrap_or_else(|error| {
        let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
        Content::Refused(redactor.text(&format!("{}{hint}", error.message())))
    });
    let mut record = redactor.object(&record);
    record.shift_remove("preview_json");
    Artifact { record, content }
}

fn content(
    home: &Home,
    index: &ArtifactIndex,
    record: &Object,
    redactor: &Redactor,
    check: Check<'_>,
) -> Result<Content> {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("format") != "text" {
        let (_, preview) = preview_of(index, record.clone(), ROWS_MAX, check)?;
        return Ok(Content::Rows(without_values(preview, redactor)));
    }
    let path = readable(home, text("uri"), text("run_id"))?;
    Ok(match read_head(&path, TEXT_BYTES_MAX)? {
        Some(read) => Content::Text(Portion { text: redactor.text(&read.text), ..read }),
        None => Content::Refused("the file is not there any more".to_owned()),
    })
}

/// Rows without the values of secrets. A column may be called like a secret; its rows are what was asked for.
fn without_values(preview: Object, redactor: &Redactor) -> Object {
    fn clean(value: Value, redactor: &Redactor) -> Value {
        match value {
            Value::String(text) => Value::String(redactor.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| clean(item, redactor)).collect(),
            Value::Object(object) => Value::Object(without_values(object, redactor)),
            other => other,
        }
    }
    preview.into_iter().map(|(name, value)| (redactor.text(&name), clean(value, redactor))).collect()
}
