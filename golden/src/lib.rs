//! Golden cases: a file says what to run, a snapshot says what every surface shows.
//!
//! This library reads a case and runs it on one surface; the tests hold the results against the snapshots. Adding a case
//! adds a file and needs no Rust.
//!
//! Invariant: nothing here decides what is right. A case is run, and its output is shown as it came, with the paths and
//! the instructions of this machine replaced by placeholders.

mod case;
mod run;
mod stream;
mod surface;
mod vector;

// The public interface.
pub use case::{
    CliCase, Folders, RunCase, StatementCase, StreamCase, StreamInput, StreamSinkKind, Threshold, VectorCase,
};
pub use run::run_calls;
pub use stream::{StreamOutcome, StreamRun, run_stream};
pub use surface::{CliOutput, cli_error, explain, report, run_cli};
pub use vector::{VectorOutcome, run_vector};
