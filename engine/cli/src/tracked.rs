//! Tracked runs: an action, done in a process of its own, whose inputs, logs and results are kept.
//!
//! The command that starts a run makes its directory, then starts a worker, which does the action, keeps what came of it
//! and says so in a document; the command prints that document. Only when the worker leaves none behind, because it was
//! ended or crashed, the command itself writes down how the run ended.
//!
//! The worker reads its order from standard input, so that nothing of it is seen in the list of processes, and goes on
//! only as long as the other end is open: a worker does not outlive the command that started it, unless it was told to.
//!
//! Whoever wants a run to end leaves a wish in its directory: `run cancel`, and the command that waits for it when a signal
//! comes. The worker follows it, a stream between two micro-batches. A worker that does not is ended, first by itself, else by
//! whoever waits for it.

mod action;
mod artifact;
mod batch;
mod child;
mod failed;
mod launch;
mod listed;
mod recorded;
mod stream;
mod wishes;
mod worker;

// For the commands of this crate.
pub(crate) use self::action::{Order, inputs};
pub(crate) use self::artifact::{check_previewed, read_preview, read_rows};
pub(crate) use self::launch::{grace, launch};
pub(crate) use self::listed::unless_damaged;
pub(crate) use self::recorded::{args as recorded_args, args_of, lost, redacted};
pub(crate) use self::worker::{act, run as run_order};

// For the modules below.
use self::child::{Ended, Patience, Prepare, release_worker, run_worker};
use self::failed::RunFailure;
use self::launch::timed_out;
