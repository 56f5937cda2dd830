//! Statements that a person types on a terminal that can only print them, such as one inside of an editor.

use std::env;

use velaria::ErrorCode;

use super::cut::Cutter;
use super::typed::{PROMPT, is_whole, run_text};
use super::{Flow, Shell};
use crate::failure::Failure;
use crate::input::unreadable;
use crate::{Check, Io};

/// What stands before the second line of a statement, and those after it.
const PROMPT_AGAIN: &str = "      -> ";

/// Whether this is such a terminal.
pub(super) fn is_wanted() -> bool {
    let terminal = env::var("TERM").unwrap_or_default().to_ascii_lowercase();
    matches!(terminal.as_str(), "dumb" | "cons25" | "emacs")
}

/// Runs what is typed until Ctrl-D.
pub(super) fn run(shell: &mut Shell, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let mut cutter = Cutter::new();
    let mut line = String::new();
    loop {
        io.print(if cutter.is_between() { PROMPT } else { PROMPT_AGAIN })?;
        io.flush()?;
        line.clear();
        match io.stdin().read_line(&mut line).map_err(unreadable) {
            Ok(0) => return Ok(io.print("\n")?),
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::Cancelled && io.signals().take_interrupt() => {
                io.complain("\n")?;
                cutter = Cutter::new();
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        if run_line(shell, &mut cutter, &line, io, &mut *check)? == Flow::Leave {
            return Ok(());
        }
    }
}

/// Runs what is whole with one more line.
fn run_line(
    shell: &mut Shell,
    cutter: &mut Cutter,
    line: &str,
    io: &mut Io<'_>,
    check: Check<'_>,
) -> Result<Flow, Failure> {
    if cutter.is_between() && is_whole(line) {
        return run_text(shell, line, io, check);
    }
    cutter.push(line);
    while let Some(piece) = cutter.cut() {
        if run_text(shell, &piece.text, io, &mut *check)? == Flow::Leave {
            return Ok(Flow::Leave);
        }
    }
    Ok(Flow::GoOn)
}
