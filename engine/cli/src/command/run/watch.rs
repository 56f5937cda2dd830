//! `run watch`: follows a run until it ends.
//!
//! What a run does is read from its directory, so it does not matter which process does it, nor whether it has ended long
//! ago. A run whose process is gone has ended too.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use velaria::{Result, json};
use velaria_workspace::{Home, ProgressTail, Run, RunStatus};

use super::status;
use crate::args::RunWatchArgs;
use crate::failure::Failure;
use crate::output::write_json;
use crate::progress::Follower;
use crate::{Check, Io};

/// The time between two looks at the run.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &RunWatchArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let run = Run::open(&Home::from_env()?, &args.run_id)?;
    // A bar beside the lines would be between them.
    let mut bar = (!args.jsonl).then(|| Follower::new(&run, io.bars()));
    let mut check = || {
        bar.iter_mut().for_each(Follower::look);
        check()
    };
    let ended = follow(&run, &mut check, &mut |line| if args.jsonl { tell(line, io) } else { Ok(()) });
    drop(bar);
    let ended = ended?;
    let document = status(&args.run_id, args.limit)?;
    if args.jsonl {
        io.print(&json::to_line(&document)?)?;
    } else {
        write_json(&document, io)?;
    }
    if args.exit_status && ended != RunStatus::Succeeded.as_str() { Err(Failure::Told) } else { Ok(()) }
}

/// Gives every line of progress to `tell` as it comes, until `run` has ended; the result is its status.
fn follow(
    run: &Run,
    check: Check<'_>,
    tell: &mut dyn FnMut(&str) -> std::result::Result<(), Failure>,
) -> std::result::Result<String, Failure> {
    let mut progress = ProgressTail::new(run);
    loop {
        // Before the progress: what an ended run has written is all there.
        let status = status_of(run)?;
        loop {
            let lines = progress.next_lines()?;
            if lines.is_empty() {
                break;
            }
            lines.iter().try_for_each(|line| tell(line))?;
        }
        if RunStatus::ended(&status) {
            return Ok(status);
        }
        check()?;
        thread::sleep(TICK);
    }
}

fn status_of(run: &Run) -> Result<String> {
    Ok(run.record()?.get("status").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Prints a line at once: whoever reads it waits for it.
fn tell(line: &str, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
    io.print(line)?;
    io.print("\n")?;
    Ok(io.flush()?)
}
