//! Tracked runs and their artifacts: one directory for each run under one home, and an index of them.
//!
//! A run's directory is the truth about the run; the index is what lists are read from, and [`ArtifactIndex::rebuild`]
//! makes it anew from the directories. Many processes write to one home at the same time: files are replaced by a rename
//! under the lock of their directory, lines are appended whole, and the index is SQLite in WAL mode.
//!
//! Records are JSON objects whose keys are the contract. `Err` carries one of `VEL-6201` to `VEL-6204` for what is
//! particular to runs, and the code of the file system's refusal otherwise.
//!
//! Invariant: nothing here runs a query; and no path is built from an id that was not checked, nor read back from data in
//! order to delete.

mod artifact;
mod cancel;
mod cleanup;
mod end;
mod exact;
mod failure;
mod file;
mod home;
mod index;
mod owner;
mod portion;
mod preview;
mod process;
mod progress;
mod rebuild;
mod redact;
mod reopen;
mod run;
mod run_id;
mod snapshots;
mod stale;
mod time;

/// A JSON object with its keys in order.
pub type Object = serde_json::Map<String, Value>;

// The public interface.
pub use artifact::{NewArtifact, file_path, file_uri, keep_private};
pub use cleanup::{Cleanup, CleanupReport, Deletion, Files};
pub use end::{End, times_resumed};
pub use exact::parse as parse_json;
pub use home::Home;
pub use index::{ArtifactFilter, ArtifactIndex, Backend, RunFilter, SQLITE_SCHEMA};
pub use portion::{Portion, read_head, read_tail};
pub use preview::{PREVIEW_LIMIT_BYTES, PREVIEW_LIMIT_ROWS, PreviewLimits, preview};
pub use process::own_session;
pub use progress::ProgressTail;
pub use rebuild::Rebuilt;
pub use redact::{REDACTED, Redactor};
pub use run::{NewRun, Outcome, Run, RunStatus};
pub use run_id::RunId;
pub use serde_json::{Number, Value};
pub use snapshots::{Snapshots, read_snapshots};
pub use time::duration_ms;
