//! Tracked runs: an action, done in a process of its own, whose inputs, logs and results are kept.
//!
//! The command that starts a run makes its directory, then starts a worker, which does the action, keeps what came of it
//! and says so in a document; the command prints that document. Only when the worker leaves none behind, because it was
//! ended or crashed, the command itself writes down how the run ended.
//!
//! The worker reads its order from standard input, so that nothing of it is seen in the list of processes, and goes on
//! only as long as the other end is open: a worker never outlives the command that started it.

mod action;
mod artifact;
mod batch;
mod child;
mod failed;
mod stream;
mod worker;

// For the commands of this crate.
pub(crate) use self::action::{Order, inputs};
pub(crate) use self::artifact::{check_previewed, read_preview, read_rows};
pub(crate) use self::child::{Ended, run_worker};
pub(crate) use self::failed::RunFailure;
pub(crate) use self::worker::{act, run as run_order};
