//! A worker is started for a run, and what came of it is printed: for runs that begin, and for those that go on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::process::ExitStatus;
use std::time::Duration;

use serde::Serialize;
use velaria::{Error, ErrorCode, Result, json};
use velaria_workspace::{Run, RunStatus};

use super::wishes::cancelled;
use super::{Ended, Order, Patience, Prepare, RunFailure, release_worker, run_worker};
use crate::args::Action;
use crate::failure::Failure;
use crate::output::write_json;
use crate::progress::Follower;
use crate::{Check, Io};

/// How long a batch action may take to end once it was asked to.
const BATCH_GRACE: Duration = Duration::from_millis(500);

/// How long a stream may take to commit the micro-batch at hand.
const STREAM_GRACE: Duration = Duration::from_secs(10);

/// How much longer the command waits than its worker, which says better how it ended.
const MARGIN: Duration = Duration::from_millis(300);

/// The line of the document of a worker that has the status, behind `{`, `ok`, `run_id` and `run_dir`.
const STATUS_LINE: usize = 5;

/// How long `action` may take to end once it was asked to.
pub(crate) fn grace(action: &str) -> Duration {
    if action.starts_with("stream-") { STREAM_GRACE } else { BATCH_GRACE }
}

/// The document of a run that goes on without its command.
#[derive(Serialize)]
struct ReleasedJson<'a> {
    ok: bool,
    run_id: &'a str,
    run_dir: &'a str,
    status: &'static str,
    action: &'a str,
}

/// Lets a worker do `action` in `run` as `order` tells it, and prints the document of the run.
pub(crate) fn launch(
    run: &Run,
    action: &Action,
    order: &Order,
    prepare: Prepare<'_>,
    io: &mut Io<'_>,
    check: Check<'_>,
) -> std::result::Result<(), Failure> {
    let told = json::to_line(order);
    if order.detached {
        return match prepare().and(told).and_then(|told| release_worker(io.program(), &told, run, check)) {
            Ok(None) => released(run, action, io),
            Ok(Some(status)) if !run.action_result_path().is_file() => {
                failed(run, RunStatus::Failed, &died(status), io)
            }
            Ok(Some(_)) => print_document(run, action, io),
            Err(error) => failed(run, status_of(&error), &error, io),
        };
    }
    let ended = told.and_then(|told| attend(io, &told, prepare, run, action, order.timeout_ms, check));
    if run.action_result_path().is_file() {
        let printed = print_document(run, action, io);
        // Whatever the run has come to: the command itself was told to end.
        return if matches!(ended, Ok(Ended::Interrupted(_))) { printed.and(Err(Failure::Told)) } else { printed };
    }
    match ended {
        Ok(Ended::TimedOut) => failed(run, RunStatus::TimedOut, &timed_out(order.timeout_ms.unwrap_or_default()), io),
        Ok(Ended::Interrupted(error)) => failed(run, RunStatus::Cancelled, &error, io),
        Ok(Ended::Cancelled) => failed(run, RunStatus::Cancelled, &cancelled(), io),
        // Somebody has ended the worker because it did not follow the wish.
        Ok(Ended::Exited(_)) if run.cancel_requested() => failed(run, RunStatus::Cancelled, &cancelled(), io),
        Ok(Ended::Exited(status)) => failed(run, RunStatus::Failed, &died(status), io),
        Err(error) => failed(run, status_of(&error), &error, io),
    }
}

/// Waits for a worker, with a bar where one is drawn.
fn attend(
    io: &Io<'_>,
    order: &str,
    prepare: Prepare<'_>,
    run: &Run,
    action: &Action,
    timeout_ms: Option<u64>,
    check: Check<'_>,
) -> Result<Ended> {
    let patience =
        Patience { timeout: timeout_ms.map(Duration::from_millis), grace: grace(action.name()).saturating_add(MARGIN) };
    let mut follower = Follower::new(run, io.bars());
    let mut check = || {
        follower.look();
        check()
    };
    run_worker(io.program(), order, prepare, run, patience, &mut check)
}

fn released(run: &Run, action: &Action, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
    let document = ReleasedJson {
        ok: true,
        run_id: run.id().as_str(),
        run_dir: &run.dir().to_string_lossy(),
        status: RunStatus::Running.as_str(),
        action: action.name(),
    };
    write_json(&document, io)
}

/// Writes down and prints how the run ended.
fn failed(run: &Run, status: RunStatus, error: &Error, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
    let mut failure = RunFailure::new(run, status, error);
    let recorded = failure.record(run);
    if let Err(refusal) = recorded.and_then(|is_first| if is_first { failure.list(run) } else { Ok(()) }) {
        // The index may be held by somebody else. Which run this was, and why it ended, matters more.
        log::warn!("the end of run {} could not be written down: {refusal}", run.id());
    }
    io.print(&failure.json()?)?;
    Err(Failure::Told)
}

/// Prints what the worker left behind.
fn print_document(run: &Run, action: &Action, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
    let path = run.action_result_path();
    let unreadable = |error: io::Error| {
        Error::new(ErrorCode::Io, format!("cannot read {}", path.display())).with_hint(error.to_string())
    };
    let mut document = File::open(&path).map_err(unreadable)?;
    // Before a word is printed: nothing that goes wrong later may add a second document.
    let status = status_in(&document).map_err(unreadable)?;
    document.rewind().map_err(unreadable)?;
    io::copy(&mut document, io.stdout())?;
    if status.is_some_and(|status| action.is_done(status)) { Ok(()) } else { Err(Failure::Told) }
}

/// The status in the document of a worker, which is one of its first keys; what follows may be large.
fn status_in(document: impl io::Read) -> io::Result<Option<RunStatus>> {
    for line in BufReader::new(document).lines().take(STATUS_LINE) {
        if let Some(value) = line?.trim_start().strip_prefix("\"status\": ") {
            return Ok(RunStatus::parse(value.trim_end_matches(',').trim_matches('"')));
        }
    }
    Ok(None)
}

fn status_of(error: &Error) -> RunStatus {
    if error.code() == ErrorCode::Cancelled { RunStatus::Cancelled } else { RunStatus::Failed }
}

/// What is said of a run whose time is over.
pub(super) fn timed_out(timeout_ms: u64) -> Error {
    Error::new(ErrorCode::Timeout, format!("run timed out after {timeout_ms} ms"))
}

/// The process of the action ended without a word; a signal is told as a number below zero.
fn died(status: ExitStatus) -> Error {
    let code = code(status).map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    Error::new(ErrorCode::Internal, format!("action process exited with code {code}"))
        .with_hint("stderr.log in the directory of the run may say why")
}

#[cfg(unix)]
fn code(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| -signal))
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}
