//! What a commit is, and where commits are kept.

mod commit;
mod fault;
mod file;
mod frame;
mod identity;
mod log;
mod manifest;
mod recover;
mod rows;
mod snapshot;
mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use velaria_connector::{SinkPosition, SourceOffset};
use velaria_contract::StreamingQueryProgress;

pub use frame::FORMAT_VERSION;
pub use identity::Identity;
pub use store::{CheckpointStore, CommitCheck, Committed, Recovered};

/// The head of a commit: everything of a micro-batch but the state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CommitHead {
    /// The number of the commit, from 1.
    pub epoch: u64,
    /// The offset after the last micro-batch of each source.
    pub offsets: BTreeMap<String, SourceOffset>,
    /// Where the sink stands.
    pub sink: SinkPosition,
    /// The largest event time of each source that is watched, in milliseconds.
    pub event_times: BTreeMap<String, i64>,
    /// The watermark in milliseconds; it never goes back, also when a source has become idle.
    pub watermark_ms: Option<i64>,
    /// Rows that a LIMIT has passed and skipped, by the node.
    pub limits: BTreeMap<u32, u64>,
    /// When the commit was made, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The counters at that time.
    pub progress: StreamingQueryProgress,
}
