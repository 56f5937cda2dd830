//! `run start`: the directory of a run is made, and a worker does its action.

use std::fs::File;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;
use velaria::{Error, ErrorCode, Result, json};
use velaria_workspace::{ArtifactIndex, Home, NewRun, Object, Run, RunStatus};

use crate::args::{Action, ParsedAction, RunStartArgs, parse_action};
use crate::failure::Failure;
use crate::progress::Follower;
use crate::tracked::{Ended, Order, RunFailure, inputs, run_worker};
use crate::{Check, Io};

pub(super) fn run(args: &RunStartArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let action = match parse_action(args.action.clone())? {
        ParsedAction::Action(action) => action,
        ParsedAction::Text(text) => return Ok(io.print(&text)?),
    };
    action.check()?;
    let mut order = Order::new(args.action.clone())?;
    let home = Home::from_env()?;
    let run = create(&home, args, &action)?;
    run.id().as_str().clone_into(&mut order.run_id);
    order.working_dir = args.again.as_ref().and_then(|again| again.working_dir.clone());
    let mut follower = Follower::new(&run, io.bars());
    let mut check = || {
        follower.look();
        check()
    };
    let ended = work(&home, &run, args, &action, &order, io.program(), &mut check);
    drop(follower);
    if run.action_result_path().is_file() {
        return print_document(&run, io);
    }
    let (status, error) = match ended {
        Ok(Ended::TimedOut) => (RunStatus::TimedOut, timed_out(args.timeout_ms.unwrap_or_default())),
        Ok(Ended::Exited(status)) => (RunStatus::Failed, died(status)),
        Err(error) if error.code() == ErrorCode::Cancelled => (RunStatus::Cancelled, error),
        Err(error) => (RunStatus::Failed, error),
    };
    let failure = RunFailure::new(&run, status, &error);
    failure.record(&run)?;
    io.print(&failure.json()?)?;
    Err(Failure::Told)
}

fn create(home: &Home, args: &RunStartArgs, action: &Action) -> Result<Run> {
    let new = NewRun {
        action: action.name().to_owned(),
        args: action.arguments(),
        velaria_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_name: args.run_name.clone(),
        description: args.description.clone(),
        tags: args.tags(),
    };
    let run = Run::create(home, &new)?;
    if let Some(again) = &args.again {
        run.update(&rerun_of(&again.run_id))?;
    }
    Ok(run)
}

/// What the details of a run say of the one that it repeats.
fn rerun_of(run_id: &str) -> Object {
    let details = Object::from_iter([("rerun_of".to_owned(), run_id.into())]);
    Object::from_iter([("details".to_owned(), details.into())])
}

/// Writes the inputs down, and lets a worker do the action.
fn work(
    home: &Home,
    run: &Run,
    args: &RunStartArgs,
    action: &Action,
    order: &Order,
    program: &[std::ffi::OsString],
    check: Check<'_>,
) -> Result<Ended> {
    run.write_inputs(&inputs(action, args))?;
    ArtifactIndex::open(home)?.upsert_run(&run.record()?)?;
    run_worker(program, &json::to_line(order)?, run, args.timeout_ms.map(Duration::from_millis), check)
}

/// Prints what the worker left behind.
fn print_document(run: &Run, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
    let path = run.action_result_path();
    let mut document = File::open(&path).map_err(|error| {
        Error::new(ErrorCode::Io, format!("cannot read {}", path.display())).with_hint(error.to_string())
    })?;
    io::copy(&mut document, io.stdout())?;
    let succeeded = run.record()?.get("status").and_then(Value::as_str) == Some(RunStatus::Succeeded.as_str());
    if succeeded { Ok(()) } else { Err(Failure::Told) }
}

fn timed_out(timeout_ms: u64) -> Error {
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
