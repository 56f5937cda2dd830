//! `run resume`: a stream that was stopped goes on from its checkpoint, in its own run.

use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{ArtifactIndex, Home, Run, times_resumed};

use crate::args::{Action, ParsedAction, RunResumeArgs, parse_action};
use crate::failure::Failure;
use crate::tracked::{Order, args_of, launch, unless_damaged};
use crate::{Check, Io};

pub(super) fn run(args: &RunResumeArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let home = Home::from_env()?;
    let run = Run::open(&home, &args.run_id)?;
    let action = action(&run)?;
    let run_id = run.id().as_str().to_owned();
    let order =
        Order { run_id, timeout_ms: args.timeout_ms, detached: args.detach, ..Order::new(&action, args_of(&run)?)? };
    let index = ArtifactIndex::open(&home)?;
    let list = |run: &Run| unless_damaged(index.list_run(run).map(drop));
    // A run that cannot be listed stays as it is.
    list(&run)?;
    let order = Order { times_resumed: times_resumed(&run.reopen()?), ..order };
    let run = run.in_turn(order.times_resumed);
    let mut list = || list(&run);
    launch(&run, &action, &order, &mut list, io, check)
}

/// What the run does, when that is something that can go on.
fn action(run: &Run) -> Result<Action> {
    let name = run.record()?.get("action").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    let refused = || {
        Error::new(ErrorCode::InvalidArgument, format!("a run of {name} cannot be resumed: {}", run.id()))
            .with_hint("stream-sql has a checkpoint to go on from; everything else begins anew with run rerun")
    };
    // The name is looked at first: the record of another action may not be complete.
    if name != "stream-sql" {
        return Err(refused());
    }
    match parse_action(args_of(run)?) {
        Ok(ParsedAction::Action(action)) if action.is_resumable() => Ok(*action),
        Ok(_) => Err(refused()),
        Err(failure) => Err(Error::new(ErrorCode::MalformedFile, "inputs.json of the run is not what a run has")
            .with_hint(failure.text().trim().to_owned())),
    }
}
