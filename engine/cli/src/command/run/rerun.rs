//! `run rerun`: a new run that does what another one did.
//!
//! What a run was asked to do stands in its `inputs.json`; it is done again in the directory that the run was started in,
//! where its paths mean what they meant. The result goes into the directory of the new run, so that the old one stays and
//! the two can be compared.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{Home, Object, Run};

use super::start;
use crate::args::{Action, Again, ParsedAction, RunRerunArgs, RunStartArgs, parse_action, plain_part};
use crate::failure::Failure;
use crate::tracked::{lost, recorded_args};
use crate::{Check, Io};

pub(super) fn run(args: &RunRerunArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let inputs = recorded(&args.run_id)?;
    check_whole(&inputs)?;
    let words = words(&inputs);
    let working_dir = inputs.get("working_dir").and_then(Value::as_str).map(PathBuf::from);
    check_input(&*understood(words.clone())?, working_dir.as_deref())?;
    let text = |name: &str| inputs.get(name).and_then(Value::as_str).map(str::to_owned);
    let again = RunStartArgs {
        run_name: args.run_name.clone().or_else(|| text("run_name")),
        description: text("description"),
        tags: texts(inputs.get("tags")),
        timeout_ms: args.timeout_ms.or_else(|| inputs.get("timeout_ms").and_then(Value::as_u64)),
        detach: args.detach,
        action: words,
        again: Some(Again { run_id: args.run_id.clone(), working_dir }),
    };
    start::run(&again, io, check)
}

/// What the run was asked to do.
fn recorded(run_id: &str) -> Result<Object> {
    Run::open(&Home::from_env()?, run_id)?.inputs()?.ok_or_else(|| {
        Error::new(ErrorCode::FileNotFound, format!("the inputs of the run were not kept: {run_id}"))
            .with_hint("inputs.json in its directory says what a run was asked to do")
    })
}

/// Whether the inputs are what was asked for: secrets were not written down, so a run with one cannot be repeated.
fn check_whole(inputs: &Object) -> Result<()> {
    let missing = lost(inputs);
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("the run cannot be repeated, secrets of it were not kept: {}", missing.join(", "));
    Err(Error::new(ErrorCode::InvalidArgument, message).with_hint("start it with run start, and with the secrets"))
}

/// The action and its arguments, with the result in the directory of the run that does it.
fn words(inputs: &Object) -> Vec<OsString> {
    let action = inputs.get("action").and_then(Value::as_str).unwrap_or_default();
    let mut arguments = inputs.get("action_args").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(Value::String(path)) = arguments.get("output_path")
        && let Some(name) = Path::new(path).file_name().and_then(|name| name.to_str())
    {
        let name = name.to_owned();
        arguments.insert("output_path".to_owned(), Value::Null);
        arguments.insert("output_name".to_owned(), name.into());
    }
    // A stream begins anew, and does not go on where the other one is.
    for path in ["sink_path", "checkpoint_path"] {
        if let Some(value) = arguments.get_mut(path) {
            *value = Value::Null;
        }
    }
    recorded_args(action, &arguments).into_iter().map(OsString::from).collect()
}

/// The action that `words` say. Another version may have written what this one does not know.
fn understood(words: Vec<OsString>) -> std::result::Result<Box<Action>, Failure> {
    match parse_action(words) {
        Ok(ParsedAction::Action(action)) => Ok(action),
        Ok(ParsedAction::Text(_)) => Err(not_understood("they ask for help").into()),
        Err(Failure::Usage(reason)) => Err(not_understood(&reason).into()),
        Err(failure) => Err(failure),
    }
}

fn not_understood(reason: &str) -> Error {
    Error::new(ErrorCode::MalformedFile, "the inputs of the run are not understood").with_hint(reason)
}

/// Whether there is something to read; a run that only finds out later would be a run that has failed.
fn check_input(action: &Action, working_dir: Option<&Path>) -> Result<()> {
    let missing = |path: &Path, what: &str| {
        Error::new(ErrorCode::FileNotFound, format!("{what} of the run is missing: {}", path.display()))
    };
    if let Some(dir) = working_dir.filter(|dir| !dir.is_dir()) {
        return Err(
            missing(dir, "the directory").with_hint("the run was started in it, and its paths are relative to it")
        );
    }
    let input = working_dir.map_or_else(|| action.input().to_owned(), |dir| dir.join(action.input()));
    if plain_part(&input).exists() {
        Ok(())
    } else {
        Err(missing(&input, "the input").with_hint("put it back, or start another run with run start"))
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
