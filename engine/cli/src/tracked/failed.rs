//! A run that ended without a result, and how that is said.

use serde::{Serialize, Serializer};
use serde_json::Value;
use velaria::{Error, ErrorCode, ErrorReport, Position, Result, json};
use velaria_workspace::{ArtifactIndex, End, Object, Outcome, Run, RunStatus};

use super::unless_damaged;
use crate::failure::ErrorBody;
use crate::phase::{self, Task};

/// Why a run has no result. What is a secret to the record of the run stands nowhere in it.
pub(crate) struct RunFailure {
    run_id: String,
    run_dir: String,
    status: RunStatus,
    error: Error,
    phase: Option<&'static str>,
    artifacts: Vec<Object>,
}

/// The document of such a run.
#[derive(Serialize)]
struct FailureJson<'a> {
    ok: bool,
    run_id: &'a str,
    run_dir: &'a str,
    status: &'static str,
    #[serde(flatten)]
    error: ErrorBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "<[Object]>::is_empty")]
    artifacts: &'a [Object],
}

impl RunFailure {
    /// `run` ended as `status`, because of `error`.
    pub(crate) fn new(run: &Run, status: RunStatus, error: &Error) -> Self {
        let (run_id, run_dir) = (run.id().as_str().to_owned(), run.dir().to_string_lossy().into_owned());
        let phase = phase(run, status, error);
        Self { run_id, run_dir, status, error: without_secrets(run, error), phase, artifacts: Vec::new() }
    }

    /// The same with what the run left behind nevertheless.
    #[must_use]
    pub(crate) fn with_artifacts(self, artifacts: Vec<Object>) -> Self {
        Self { artifacts, ..self }
    }

    /// Writes it down in the run, and says whether it was the first to do so. What others have said of its end stays: the
    /// document says it too.
    pub(crate) fn record(&mut self, run: &Run) -> Result<bool> {
        let error = Some(self.error.message().to_owned());
        match run.end(&Outcome { error, ..Outcome::of(self.status) })? {
            End::Written(_) => Ok(true),
            End::Kept(record) => {
                self.yield_to(&record);
                Ok(false)
            }
        }
    }

    /// Writes down in the index what the record says now.
    pub(crate) fn list(&self, run: &Run) -> Result<()> {
        let index = ArtifactIndex::open(run.home())?;
        unless_damaged(index.list_run(run).map(drop))?;
        unless_damaged(index.insert_artifacts(&self.artifacts))
    }

    fn yield_to(&mut self, record: &Object) {
        let status = record.get("status").and_then(Value::as_str).and_then(RunStatus::parse);
        self.status = status.unwrap_or(self.status);
        if self.status == RunStatus::Running {
            let message = format!("the run was resumed by another command: {}", self.run_id);
            self.error = Error::new(ErrorCode::RunActive, message).with_hint("run status says how it stands");
            self.phase = None;
        }
    }

    /// The document, indented.
    pub(crate) fn json(&self) -> Result<String> {
        json::to_pretty(self)
    }

    /// The error itself.
    pub(crate) fn into_error(self) -> Error {
        self.error
    }
}

impl Serialize for RunFailure {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let report: ErrorReport = self.error.report();
        let document = FailureJson {
            ok: false,
            run_id: &self.run_id,
            run_dir: &self.run_dir,
            status: self.status.as_str(),
            error: ErrorBody::engine(&report),
            phase: self.phase,
            artifacts: &self.artifacts,
        };
        document.serialize(serializer)
    }
}

/// Where the action was.
fn phase(run: &Run, status: RunStatus, error: &Error) -> Option<&'static str> {
    match (status, error.code()) {
        (RunStatus::TimedOut, _) => Some(phase::RUN_TIMEOUT),
        (_, ErrorCode::Internal) => Some(phase::RUN_PROCESS),
        _ => run.record().ok().and_then(|record| Task::of_run(&record).phase(error)),
    }
}

fn without_secrets(run: &Run, error: &Error) -> Error {
    let redactor = run.redactor();
    let position = error.position().map(|place| Position { text: redactor.text(&place.text), ..place.clone() });
    let same = Error::new(error.code(), redactor.text(error.message())).with_position(position);
    match error.hint() {
        Some(hint) => same.with_hint(redactor.text(hint)),
        None => same,
    }
}
