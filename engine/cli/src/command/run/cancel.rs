//! `run cancel`: a run is asked to end, and ended when it does not.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use velaria::Result;
use velaria_workspace::{ArtifactIndex, Home, Object, Run};

use crate::args::RunCancelArgs;
use crate::command::artifacts::artifacts_of;
use crate::failure::Failure;
use crate::output::write_json;
use crate::tracked::grace;
use crate::{Check, Io};

/// The most artifacts in the document.
const ARTIFACTS_MAX: u32 = 20;

/// The document of `run cancel`: that of `run status`, and why the run ended.
#[derive(Serialize)]
struct CancelledJson {
    ok: bool,
    run_id: String,
    status: Value,
    action: Value,
    reason: Value,
    artifacts: Vec<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_progress: Option<Value>,
}

pub(super) fn run(args: &RunCancelArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    write_json(&cancelled(args, check)?, io)
}

fn cancelled(args: &RunCancelArgs, check: Check<'_>) -> Result<CancelledJson> {
    let home = Home::from_env()?;
    let run = Run::open(&home, &args.run_id)?;
    let action = run.record()?.get("action").cloned().unwrap_or_default();
    let patience = args.grace_ms.map_or_else(|| grace(action.as_str().unwrap_or_default()), Duration::from_millis);
    let record = if args.force { run.cancel_by_force(patience, check)? } else { run.cancel(patience, check)? };
    let field = |name: &str| record.get(name).cloned().unwrap_or_default();
    Ok(CancelledJson {
        ok: true,
        run_id: args.run_id.clone(),
        status: field("status"),
        action,
        reason: field("error"),
        artifacts: artifacts_of(&ArtifactIndex::open(&home)?, &args.run_id, ARTIFACTS_MAX)?,
        latest_progress: run.latest_progress()?,
    })
}
