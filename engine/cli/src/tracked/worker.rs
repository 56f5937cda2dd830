//! The worker: does the action of one run, and says in a document what came of it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::Value;
use velaria::rows::Objects;
use velaria::stream::StreamingQueryProgress;
use velaria::{Error, ErrorCode, Result, json};
use velaria_workspace::{
    ArtifactIndex, Backend, End, Home, NewArtifact, Object, Outcome, Redactor, Run, RunStatus, file_path, keep_private,
    own_session,
};

use super::wishes::{Wishes, cancelled};
use super::{Order, RunFailure, batch, grace, stream};
use crate::args::{Action, ParsedAction, VectorSearchInput, parse_action};
use crate::command::Table;
use crate::command::answer::{Asked, ResultJson};
use crate::command::vector_search::Found;
use crate::failure::Failure;
use crate::progress::recorder;
use crate::{Check, Io, output};

/// What an action did.
pub(super) struct Done<'a> {
    /// The document of the action.
    pub(super) payload: Payload<'a>,
    /// The files that it made.
    pub(super) artifacts: Vec<NewArtifact>,
    /// Why it was stopped before its end, if it was.
    pub(super) stopped: Option<Error>,
}

impl<'a> Done<'a> {
    /// An action that has come to its end.
    pub(super) fn whole(payload: Payload<'a>, artifacts: Vec<NewArtifact>) -> Self {
        Self { payload, artifacts, stopped: None }
    }
}

/// What an action gives, with what its document says of it.
pub(super) enum Payload<'a> {
    /// Rows of a query over a file that was called `name`.
    Sql { name: &'a str, query: &'a str, input_type: Option<String>, rows: Table },
    /// What a search found.
    Vector { input: &'a VectorSearchInput, found: Found },
    /// What a stream query wrote.
    Stream { processed_batches: u64, rows: Table, progress: Box<StreamingQueryProgress> },
    /// How far a stream came whose rows are left in its sink.
    Streamed { processed_batches: u64, progress: Option<Box<StreamingQueryProgress>> },
}

impl Payload<'_> {
    fn notices(&self) -> &[String] {
        match self {
            Self::Sql { rows, .. } | Self::Stream { rows, .. } => &rows.notices,
            Self::Vector { found, .. } => &found.table.notices,
            Self::Streamed { .. } => &[],
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

/// The document of a stream that goes on until it is stopped.
#[derive(Serialize)]
struct StreamedJson<'a> {
    processed_batches: u64,
    progress: Option<&'a StreamingQueryProgress>,
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
            Self::Streamed { processed_batches, progress } => {
                StreamedJson { processed_batches: *processed_batches, progress: progress.as_deref() }
                    .serialize(serializer)
            }
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
    let run = Run::open(&home_of(&order.action)?, &order.run_id)?.in_turn(order.times_resumed);
    if order.detached {
        own_session();
    }
    run.adopt_as_worker()?;
    let entered = enter(order.working_dir.as_deref());
    let args = order.action.iter().map(OsString::from).collect();
    let ParsedAction::Action(mut action) = parse_action(args)? else {
        return Err(invalid_order("it asks for help").into());
    };
    action.listen(&recorder(&run));
    let wishes = Wishes::watch(&run, &order, grace(action.name()));
    let mut check = || wishes.check().and_then(|()| check());
    let done = entered.and_then(|()| perform(&action, &run, &mut check));
    wishes.done();
    let status = |error: &Error| match (error.code(), wishes.wish()) {
        (ErrorCode::Cancelled | ErrorCode::Timeout, Some(wish)) => wish.status(),
        (ErrorCode::Cancelled, None) => RunStatus::Cancelled,
        _ => RunStatus::Failed,
    };
    match done.and_then(|done| end(&action, &run, &done, &status).map(|()| done)) {
        Ok(done) => {
            let notices = done.payload.notices();
            Ok(notices.iter().try_for_each(|notice| io.complain(&format!("warning: {notice}\n")))?)
        }
        Err(error) => {
            let status = status(&error);
            Err(fail(&run, status, error))
        }
    }
}

/// The home, with what `args` say that is not to be written down: plans hold the values of parameters.
fn home_of(args: &[String]) -> Result<Home> {
    let redactor = Redactor::from_env().with_args(args.iter().map(String::as_str));
    Ok(Home::from_env()?.with_redactor(redactor))
}

fn read_order(io: &mut Io<'_>) -> Result<Order> {
    let mut line = String::new();
    io.stdin().read_line(&mut line).map_err(|error| invalid_order(&error.to_string()))?;
    serde_json::from_str(&line).map_err(|error| invalid_order(&error.to_string()))
}

fn invalid_order(reason: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, "a worker reads its order from standard input").with_hint(reason)
}

/// Goes to the directory that the paths in the order are relative to.
fn enter(dir: Option<&Path>) -> Result<()> {
    dir.map_or(Ok(()), |dir| {
        env::set_current_dir(dir).map_err(|error| {
            Error::new(ErrorCode::FileNotFound, format!("cannot work in the directory {}", dir.display()))
                .with_hint(error.to_string())
        })
    })
}

fn perform<'a>(action: &'a Action, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    match action {
        Action::CsvSql(action) => batch::csv_sql(action, run, check),
        Action::FileSql(action) => batch::file_sql(action, run, check),
        Action::VectorSearch(action) => batch::vector_search(action, run, check),
        Action::StreamSqlOnce(action) => stream::once(action, run, check),
        Action::StreamSql(action) => stream::until_stopped(action, run, check),
    }
}

/// Writes down what came of the action, and how it ended: `status` says that of one that was stopped. The document has its name
/// last: with it the run has ended as it says. That it can be written is seen before the run has succeeded.
fn end(action: &Action, run: &Run, done: &Done<'_>, status: &dyn Fn(&Error) -> RunStatus) -> Result<()> {
    let records = records(action, run, &done.artifacts)?;
    let status = done.stopped.as_ref().map_or(RunStatus::Succeeded, status);
    if let Some(error) = done.stopped.as_ref().filter(|_| !action.is_done(status)) {
        return tell(run, &mut RunFailure::new(run, status, error).with_artifacts(records));
    }
    let document = SuccessJson {
        ok: true,
        run_id: run.id().as_str(),
        run_dir: &run.dir().to_string_lossy(),
        status: status.as_str(),
        action: action.name(),
        result: &done.payload,
        artifacts: &records,
    };
    write_part(run, &document)?;
    // Before the run has ended: a worker that is killed in between leaves no run behind that succeeded without a result.
    let index = ArtifactIndex::open(run.home());
    let index = index.unwrap_or_else(|_| ArtifactIndex::with_backend(run.home(), Backend::Sqlite));
    let listed = index.insert_artifacts(&records);
    let error = done.stopped.as_ref().map(|error| error.message().to_owned());
    let outcome = Outcome { error, details: details(run.record()?, &records), ..Outcome::of(status) };
    let End::Written(_) = run.end(&outcome)? else {
        return Err(Error::new(ErrorCode::RunActive, format!("the run was ended or resumed meanwhile: {}", run.id())));
    };
    publish(run)?;
    // What the index lacks can be read in the directory of the run; a result that nobody is told is lost.
    let again = |_| ArtifactIndex::open(run.home())?.insert_artifacts(&records);
    warn_of_index(run, listed.or_else(again).and_then(|()| index.list_run(run).map(drop)));
    Ok(())
}

/// Writes down why there is no result, unless somebody else has said how the run ended.
fn tell(run: &Run, failure: &mut RunFailure) -> Result<()> {
    let recorded = failure.record(run);
    if matches!(recorded, Ok(false)) {
        return Ok(());
    }
    write_part(run, &*failure).and_then(|()| publish(run))?;
    warn_of_index(run, recorded.and_then(|_| failure.list(run)));
    Ok(())
}

fn warn_of_index(run: &Run, listed: Result<()>) {
    if let Err(error) = listed {
        log::warn!("the end of run {} could not be written down everywhere: {error}", run.id());
    }
}

/// The records of `artifacts`. A run that was resumed has some of them already, which stay the same artifacts.
fn records(action: &Action, run: &Run, artifacts: &[NewArtifact]) -> Result<Vec<Object>> {
    let goes_on = action.is_resumable() && !artifacts.is_empty();
    // One that is not found is another artifact at the same place, which is no reason to lose its rows.
    let known = if goes_on { run.artifacts().unwrap_or_default() } else { Vec::new() };
    let record = |artifact: &NewArtifact| {
        let mut record = artifact.record(run.home(), run.id())?;
        keep_private(run.home(), &file_path(record["uri"].as_str().unwrap_or_default())?)?;
        if let Some(known) = known.iter().find(|known| known.get("uri") == record.get("uri")) {
            record.insert("artifact_id".to_owned(), known["artifact_id"].clone());
        }
        Ok(record)
    };
    artifacts.iter().map(record).collect()
}

/// The details of `run.json`, with what there is to say of an explanation that is a file.
fn details(mut run: Object, records: &[Object]) -> Option<Object> {
    let explain = records.iter().find(|record| record["tags_json"][0] == "explain")?;
    let Some(Value::Object(mut details)) = run.shift_remove("details") else { return None };
    let pairs = [("explain_artifact_id", &explain["artifact_id"]), ("explain_artifact_uri", &explain["uri"])];
    details.extend(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())));
    Some(details)
}

/// Writes down why the action did not work. What cannot be written down is for the log.
fn fail(run: &Run, status: RunStatus, error: Error) -> Failure {
    let mut failure = RunFailure::new(run, status, &error);
    let told = tell(run, &mut failure);
    told.err().unwrap_or_else(|| failure.into_error()).into()
}

/// Writes what becomes `_action_result.json` by [`publish`]. It is for the command that waits, and for nobody after it: the disk
/// may take its time.
fn write_part(run: &Run, document: &impl Serialize) -> Result<()> {
    let path = part(run);
    let written = private_file(&path).and_then(|file| {
        let mut out = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut out, document)?;
        out.write_all(b"\n")?;
        out.flush()
    });
    written.map_err(|error| {
        // Half a document is none.
        let _ = fs::remove_file(&path);
        match error.kind() {
            // A row that has no text, such as one with a date beyond the calendar.
            io::ErrorKind::InvalidData => Error::new(ErrorCode::InvalidValue, format!("cannot print a value: {error}")),
            _ => unwritten(run, &error),
        }
    })
}

/// Gives the document its name.
fn publish(run: &Run) -> Result<()> {
    fs::rename(part(run), run.action_result_path()).map_err(|error| unwritten(run, &error))
}

fn part(run: &Run) -> PathBuf {
    run.action_result_path().with_extension("part")
}

fn unwritten(run: &Run, error: &io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot write file: {}", run.action_result_path().display()))
        .with_hint(error.to_string())
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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
    let texts: Vec<String> = action.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let home = home_of(&texts)?;
    let run = Run::open(&home, run_id)?;
    let ParsedAction::Action(mut action) = parse_action(action)? else {
        return Err(Failure::Usage("help is no action".to_owned()));
    };
    action.listen(&recorder(&run));
    let mut check = || if run.cancel_requested() { Err(cancelled()) } else { check() };
    let done = perform(&action, &run, &mut check)?;
    if let Some(error) = done.stopped {
        return Err(error.into());
    }
    let records = done.artifacts.iter().map(|artifact| artifact.record(&home, run.id()));
    let mut artifacts = records.collect::<Result<Vec<Object>>>()?;
    for artifact in &mut artifacts {
        artifact.retain(|name, _| !matches!(name.as_str(), "artifact_id" | "run_id" | "created_at"));
    }
    Ok(json::to_line(&ActionJson { payload: &done.payload, artifacts })?)
}
