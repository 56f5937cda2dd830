//! The worker: does the action of one run, and says in a document what came of it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Serialize, Serializer};
use velaria::rows::Objects;
use velaria::stream::StreamingQueryProgress;
use velaria::{Error, ErrorCode, Result, json};
use velaria_workspace::{ArtifactIndex, Home, NewArtifact, Object, Outcome, Redactor, Run, RunStatus};

use super::{Order, RunFailure, batch, stream};
use crate::args::{Action, ParsedAction, VectorSearchInput, parse_action};
use crate::command::Table;
use crate::command::answer::{Asked, ResultJson};
use crate::command::vector_search::Found;
use crate::failure::Failure;
use crate::{Check, Io, output};

/// How long a worker that nobody waits for may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// What an action did.
pub(super) struct Done<'a> {
    /// The document of the action.
    pub(super) payload: Payload<'a>,
    /// The files that it made.
    pub(super) artifacts: Vec<NewArtifact>,
}

/// What an action gives, with what its document says of it.
pub(super) enum Payload<'a> {
    /// Rows of a query over a file that was called `name`.
    Sql { name: &'a str, query: &'a str, input_type: Option<String>, rows: Table },
    /// What a search found.
    Vector { input: &'a VectorSearchInput, found: Found },
    /// What a stream query wrote.
    Stream { processed_batches: u64, rows: Table, progress: Box<StreamingQueryProgress> },
}

impl Payload<'_> {
    fn notices(&self) -> &[String] {
        match self {
            Self::Sql { rows, .. } | Self::Stream { rows, .. } => &rows.notices,
            Self::Vector { found, .. } => &found.table.notices,
        }
    }
}

/// The document of a stream query.
#[derive(Serialize)]
struct StreamJson<'a> {
    processed_batches: u64,
    schema: Vec<&'a str>,
    rows: Objects<'a>,
    progress: &'a StreamingQueryProgress,
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Sql { name, query, input_type, rows } => {
                // What is a secret to the record of the run is one here.
                let query = Redactor::from_env().text(query);
                let asked = Asked { table: Some(name), query: &query, input_type: input_type.as_deref() };
                ResultJson::new(asked, rows).serialize(serializer)
            }
            Self::Vector { input, found } => found.document(input).serialize(serializer),
            Self::Stream { processed_batches, rows, progress } => StreamJson {
                processed_batches: *processed_batches,
                schema: output::names(&rows.schema),
                rows: Objects(&rows.batches),
                progress,
            }
            .serialize(serializer),
        }
    }
}

/// The document of a run that succeeded.
#[derive(Serialize)]
struct SuccessJson<'a> {
    ok: bool,
    run_id: &'a str,
    run_dir: &'a str,
    status: &'static str,
    action: &'a str,
    result: &'a Payload<'a>,
    artifacts: &'a [Object],
}

/// Does the run that standard input orders.
pub(crate) fn run(io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let order = read_order(io)?;
    let run = Run::open(&Home::from_env()?, &order.run_id)?;
    run.adopt()?;
    let orphaned = watch_parent();
    let mut check = || if orphaned.load(Ordering::SeqCst) { Err(abandoned()) } else { check() };
    let ParsedAction::Action(action) = parse_action(order.action.into_iter().map(Into::into).collect())? else {
        return Err(invalid_order("it asks for help").into());
    };
    let done = perform(&action, &run, &mut check).and_then(|done| succeed(&action, &run, &done).map(|()| done));
    match done {
        Ok(done) => {
            let notices = done.payload.notices();
            Ok(notices.iter().try_for_each(|notice| io.complain(&format!("warning: {notice}\n")))?)
        }
        Err(error) => Err(fail(&run, error)),
    }
}

fn read_order(io: &mut Io<'_>) -> Result<Order> {
    let mut line = String::new();
    io.stdin().read_line(&mut line).map_err(|error| invalid_order(&error.to_string()))?;
    serde_json::from_str(&line).map_err(|error| invalid_order(&error.to_string()))
}

fn invalid_order(reason: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, "a worker reads its order from standard input").with_hint(reason)
}

fn perform<'a>(action: &'a Action, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    match action {
        Action::CsvSql(action) => batch::csv_sql(action, run, check),
        Action::FileSql(action) => batch::file_sql(action, run, check),
        Action::VectorSearch(action) => batch::vector_search(action, run, check),
        Action::StreamSqlOnce(action) => stream::run(action, run, check),
    }
}

/// Writes down what came of the action. The document is last: with it the run has ended well.
fn succeed(action: &Action, run: &Run, done: &Done<'_>) -> Result<()> {
    let home = Home::from_env()?;
    let records =
        done.artifacts.iter().map(|artifact| artifact.record(&home, run.id())).collect::<Result<Vec<Object>>>()?;
    let details = details(&records);
    let record = run.finalize(&Outcome { details, ..Outcome::of(RunStatus::Succeeded) })?;
    let index = ArtifactIndex::open(&home)?;
    index.upsert_run(&record)?;
    records.iter().try_for_each(|record| index.insert_artifact(record))?;
    let document = SuccessJson {
        ok: true,
        run_id: run.id().as_str(),
        run_dir: &run.dir().to_string_lossy(),
        status: RunStatus::Succeeded.as_str(),
        action: action.name(),
        result: &done.payload,
        artifacts: &records,
    };
    write_document(run, &document)
}

/// What `run.json` says of an explanation that is a file.
fn details(records: &[Object]) -> Option<Object> {
    let explain = records.iter().find(|record| record["tags_json"][0] == "explain")?;
    let pairs = [("explain_artifact_id", &explain["artifact_id"]), ("explain_artifact_uri", &explain["uri"])];
    Some(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect())
}

/// Writes down why the action did not work. What cannot be written down is for the log.
fn fail(run: &Run, error: Error) -> Failure {
    let status = if error.code() == ErrorCode::Cancelled { RunStatus::Cancelled } else { RunStatus::Failed };
    let failure = RunFailure::new(run, status, &error);
    let written = failure.record(run).and_then(|()| write_document(run, &failure));
    written.err().unwrap_or_else(|| failure.into_error()).into()
}

/// Writes `_action_result.json`, which is there when it is whole.
fn write_document(run: &Run, document: &impl Serialize) -> Result<()> {
    let path = run.action_result_path();
    let part = path.with_extension("part");
    let written = private_file(&part).and_then(|file| {
        let mut out = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut out, document)?;
        out.write_all(b"\n")?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, &path)
    });
    written.map_err(|error| match error.kind() {
        // A row that has no text, such as one with a date beyond the calendar.
        io::ErrorKind::InvalidData => Error::new(ErrorCode::InvalidValue, format!("cannot print a value: {error}")),
        _ => Error::new(ErrorCode::Io, format!("cannot write file: {}", path.display())).with_hint(error.to_string()),
    })
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A flag that is set when the command that started this worker is gone: the worker ends its query then, or is ended.
fn watch_parent() -> Arc<AtomicBool> {
    let orphaned = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&orphaned);
    // Without the thread the worker ends when its action does.
    let _ = thread::Builder::new().name("velaria-parent".to_owned()).spawn(move || {
        // Nothing is sent after the order: this returns at the end.
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        flag.store(true, Ordering::SeqCst);
        thread::sleep(GRACE);
        #[expect(clippy::exit, reason = "an action that does not look at its flag has to end nevertheless")]
        process::exit(1);
    });
    orphaned
}

fn abandoned() -> Error {
    Error::new(ErrorCode::Cancelled, "run cancelled: the command that started it has ended")
}

/// The document of an action that is done in the process of its caller.
#[derive(Serialize)]
struct ActionJson<'a> {
    payload: &'a Payload<'a>,
    artifacts: Vec<Object>,
}

/// Does `action` in the run `run_id` and gives one line of JSON: its `payload`, and `artifacts` that have no ids yet. How the
/// run ended is left to the caller.
pub(crate) fn act(run_id: &str, action: Vec<OsString>, check: Check<'_>) -> std::result::Result<String, Failure> {
    let home = Home::from_env()?;
    let run = Run::open(&home, run_id)?;
    let ParsedAction::Action(action) = parse_action(action)? else {
        return Err(Failure::Usage("help is no action".to_owned()));
    };
    let done = perform(&action, &run, check)?;
    let records = done.artifacts.iter().map(|artifact| artifact.record(&home, run.id()));
    let mut artifacts = records.collect::<Result<Vec<Object>>>()?;
    for artifact in &mut artifacts {
        artifact.retain(|name, _| !matches!(name.as_str(), "artifact_id" | "run_id" | "created_at"));
    }
    Ok(json::to_line(&ActionJson { payload: &done.payload, artifacts })?)
}
