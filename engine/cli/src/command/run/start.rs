//! `run start`: the directory of a run is made, and a worker does its action.

use velaria::Result;
use velaria_workspace::{ArtifactIndex, Home, NewRun, Object, Run};

use crate::args::{Action, ParsedAction, RunStartArgs, parse_action};
use crate::failure::Failure;
use crate::tracked::{Order, inputs, launch, redacted, unless_damaged};
use crate::{Check, Io};

pub(super) fn run(args: &RunStartArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let action = match parse_action(args.action.clone())? {
        ParsedAction::Action(action) => action.rooted()?,
        ParsedAction::Text(text) => return Ok(io.print(&text)?),
    };
    action.check()?;
    let order = Order::new(&action, args.action.clone())?;
    let home = Home::from_env()?;
    let run = create(&home, args, &action)?;
    let run_id = run.id().as_str().to_owned();
    let working_dir = args.again.as_ref().and_then(|again| again.working_dir.clone());
    let order = Order { run_id, timeout_ms: args.timeout_ms, detached: args.detach, working_dir, ..order };
    let mut prepare = || prepare(&home, &run, args, &action);
    launch(&run, &action, &order, &mut prepare, io, check)
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

/// Writes the inputs down, and lists the run.
fn prepare(home: &Home, run: &Run, args: &RunStartArgs, action: &Action) -> Result<()> {
    let mut inputs = inputs(action, args);
    inputs.extend(redacted(&action.arguments(), run.redactor()).map(|names| ("redacted".to_owned(), names)));
    run.write_inputs(&inputs)?;
    unless_damaged(ArtifactIndex::open(home)?.list_run(run).map(drop))
}
