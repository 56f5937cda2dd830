//! Stream queries as actions of a run: over the files that arrive in a directory.

mod begin;
mod journal;
mod once;
mod until_stopped;

use std::time::Duration;

use velaria::{Error, Result, StreamingQuery};
use velaria_workspace::Run;

pub(super) use self::once::run as once;
pub(super) use self::until_stopped::run as until_stopped;

use self::journal::Journal;
use crate::Check;

/// How long a wait takes between two looks at whether it shall end.
const TICK: Duration = Duration::from_millis(20);

/// How a query ended.
struct Ended {
    /// Its micro-batches.
    batches: u64,
    /// Why it was stopped, if it was.
    stopped: Option<Error>,
}

/// Starts `query` and waits for its end, while its progress goes into the run. An error of `check` stops it: the micro-batch at
/// hand is committed.
fn follow(query: &StreamingQuery, run: &Run, check: Check<'_>) -> Result<Ended> {
    query.start()?;
    let mut journal = Journal::new(run, query);
    let mut stopped = None;
    let batches = loop {
        if let Some(batches) = query.wait(0, Some(TICK))? {
            break batches;
        }
        journal.look(query);
        if let Err(wish) = check() {
            query.stop();
            stopped = Some(wish);
        }
    };
    journal.end(query);
    Ok(Ended { batches, stopped })
}
