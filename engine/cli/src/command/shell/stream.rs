//! A stream that runs in the shell: until its sources end, its limit is reached, or Ctrl-C.

use std::time::Duration;

use velaria::{Environment, Session, StreamOptions, StreamingQuery, wait};

use crate::failure::Failure;
use crate::{Check, Io};

/// How long a wait takes between two looks at whether it shall end.
const TICK: Duration = Duration::from_millis(50);

/// Runs `text`, an `INSERT INTO` a sink of streams. Stopped by an interrupt it ends at a commit, and that is no error.
pub(super) fn run(session: &Session, text: &str, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let (session, text) = (session.clone(), text.to_owned());
    let begun = async move { session.stream_query(&text, &StreamOptions::default(), Environment::default()).await };
    let query = wait(begun, &mut *check)?;
    // The sink may be the console.
    io.flush()?;
    query.start()?;
    if io.stdout_is_terminal() {
        io.complain("the stream runs; Ctrl-C stops it\n")?;
    }
    let ended = ended(&query, io, check);
    let progress = query.progress();
    let text = format!(
        "the stream {}: {} micro-batches, {} rows in, {} rows out\n",
        progress.status, progress.batches_processed, progress.input_rows, progress.output_rows
    );
    io.complain(&text)?;
    ended
}

fn ended(query: &StreamingQuery, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    loop {
        if query.wait(0, Some(TICK))?.is_some() {
            return Ok(());
        }
        if let Err(interrupt) = check() {
            query.stop();
            // Who presses Ctrl-C at a terminal has seen enough; who ends a script or the process means more than the stream.
            let is_enough = io.stdin_is_terminal() && io.signals().take_interrupt();
            return if is_enough { Ok(()) } else { Err(interrupt.into()) };
        }
    }
}
