//! `run`: tracked runs are started, looked at and forgotten.

mod cancel;
mod diff;
mod open;
mod report;
mod rerun;
mod resume;
mod start;
mod watch;

use serde::Serialize;
use serde_json::Value;
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{
    ArtifactFilter, ArtifactIndex, Cleanup, Files, Home, Object, Run, RunFilter, RunStatus, duration_ms,
};

use crate::args::{RunCleanupArgs, RunCommand, RunIdArgs, RunListArgs};
use crate::command::artifacts::{artifacts_of, preview_of};
use crate::failure::Failure;
use crate::output::write_json;
use crate::{Check, Io};

pub(crate) fn run(command: RunCommand, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    match command {
        RunCommand::Start(args) => start::run(&args, io, check),
        RunCommand::Resume(args) => resume::run(&args, io, check),
        RunCommand::Rerun(args) => rerun::run(&args, io, check),
        RunCommand::Cancel(args) => cancel::run(&args, io, check),
        RunCommand::Show(args) => write_json(&shown(&args)?, io),
        RunCommand::Status(args) => write_json(&status(&args.run_id, args.limit)?, io),
        RunCommand::Watch(args) => watch::run(&args, io, check),
        RunCommand::List(args) => write_json(&listed(&args)?, io),
        RunCommand::Result(args) => write_json(&result(&args, check)?, io),
        RunCommand::Diff(args) => diff::run(&args, io, check),
        RunCommand::Report(args) => report::run(&args, io, check),
        RunCommand::Open(args) => open::run(&args, io, check),
        RunCommand::Cleanup(args) => write_json(&cleaned(&args)?, io),
    }
}

/// The document of `run show`.
#[derive(Serialize)]
struct ShownJson {
    ok: bool,
    run: Object,
    artifacts: Vec<Object>,
}

fn shown(args: &RunIdArgs) -> Result<ShownJson> {
    let (run, index) = opened(&args.run_id)?;
    let artifacts = artifacts_of(&index, &args.run_id, args.limit)?;
    Ok(ShownJson { ok: true, run: told(run.record()?, &index)?, artifacts })
}

/// The document of `run status`.
#[derive(Serialize)]
struct StatusJson {
    ok: bool,
    run_id: String,
    status: Value,
    action: Value,
    artifacts: Vec<Object>,
    artifact_count: Value,
    duration_ms: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_progress: Option<Value>,
}

fn status(run_id: &str, limit: u32) -> Result<StatusJson> {
    let (run, index) = opened(run_id)?;
    let record = told(run.record()?, &index)?;
    let field = |name: &str| record.get(name).cloned().unwrap_or_default();
    Ok(StatusJson {
        ok: true,
        run_id: run.id().as_str().to_owned(),
        status: field("status"),
        action: field("action"),
        artifacts: artifacts_of(&index, run_id, limit)?,
        artifact_count: field("artifact_count"),
        duration_ms: field("duration_ms"),
        latest_progress: run.latest_progress()?,
    })
}

/// The document of `run list`.
#[derive(Serialize)]
struct ListedJson {
    ok: bool,
    runs: Vec<Object>,
}

fn listed(args: &RunListArgs) -> Result<ListedJson> {
    if let Some(status) = &args.status
        && RunStatus::parse(status).is_none()
    {
        let words = RunStatus::ALL.map(RunStatus::as_str).join(", ");
        return Err(Error::new(ErrorCode::InvalidArgument, format!("unknown run status: {status}"))
            .with_hint(format!("a status is one of {words}")));
    }
    let index = ArtifactIndex::open(&Home::from_env()?)?;
    let filter = RunFilter {
        limit: args.limit as usize,
        status: args.status.clone(),
        action: args.action.clone(),
        tag: args.tag.clone(),
        query: args.query.clone(),
    };
    Ok(ListedJson { ok: true, runs: index.list_runs(&filter)? })
}

/// The document of `run result`.
#[derive(Serialize)]
struct ResultJson {
    ok: bool,
    run: Object,
    artifact_id: Value,
    artifact: Object,
    preview: Object,
}

fn result(args: &RunIdArgs, check: Check<'_>) -> Result<ResultJson> {
    let (run, index) = opened(&args.run_id)?;
    let artifact = result_artifact(&index, &args.run_id)?;
    let (artifact, preview) = preview_of(&index, artifact, args.limit, check)?;
    let artifact_id = artifact.get("artifact_id").cloned().unwrap_or_default();
    Ok(ResultJson { ok: true, run: told(run.record()?, &index)?, artifact_id, artifact, preview })
}

/// The newest artifact of a run that is a result.
fn result_artifact(index: &ArtifactIndex, run_id: &str) -> Result<Object> {
    let (run_id, tag) = (Some(run_id.to_owned()), Some("result".to_owned()));
    let filter = ArtifactFilter { limit: 1, run_id: run_id.clone(), tag, ..ArtifactFilter::default() };
    index.list_artifacts(&filter)?.into_iter().next().ok_or_else(|| {
        let message = format!("result artifact not found for run: {}", run_id.unwrap_or_default());
        Error::new(ErrorCode::ArtifactNotFound, message).with_hint("a run that failed has no result")
    })
}

/// The document of `run cleanup`.
#[derive(Serialize)]
struct CleanedJson {
    #[serde(flatten)]
    report: Object,
    ok: bool,
}

fn cleaned(args: &RunCleanupArgs) -> Result<CleanedJson> {
    let cleanup = Cleanup {
        keep_last_n: args.keep_last.map(|count| count as usize),
        ttl_days: args.ttl_days,
        files: if args.delete_files { Files::Delete } else { Files::Keep },
    };
    let report = ArtifactIndex::open(&Home::from_env()?)?.cleanup_runs(&cleanup)?;
    Ok(CleanedJson { report: report.object(), ok: true })
}

/// The run with the id `id`, and the index.
fn opened(id: &str) -> Result<(Run, ArtifactIndex)> {
    let home = Home::from_env()?;
    Ok((Run::open(&home, id)?, ArtifactIndex::open(&home)?))
}

/// A run with the number of its artifacts and the time it took.
fn told(mut run: Object, index: &ArtifactIndex) -> Result<Object> {
    let id = run.get("run_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let filter = ArtifactFilter { limit: usize::MAX, run_id: Some(id), ..ArtifactFilter::default() };
    let count = index.list_artifacts(&filter)?.len();
    run.insert("artifact_count".to_owned(), count.into());
    run.insert("duration_ms".to_owned(), duration_ms(&run).into());
    Ok(run)
}
