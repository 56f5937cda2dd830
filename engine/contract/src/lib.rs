//! The wire contract of Velaria: errors, explain sections and their JSON.
//!
//! Everything here is plain data that crosses a surface (Rust, Python, CLI, golden files).
//!
//! Invariant: this crate never sees Arrow or DataFusion and holds no behaviour beyond writing, reading and checking
//! its own values.

pub mod checkpoint;
pub mod clock;
pub mod error;
pub mod explain;
pub mod json;
pub mod profile;
pub mod progress;
pub mod strategy;

// The public interface.
pub use checkpoint::CheckpointManifest;
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Error, ErrorCode, ErrorKind, ErrorReport, Position, Result};
pub use explain::{BatchStrategy, Explain, ExplainJson, StreamExplain};
pub use profile::{OperatorProfile, Profile};
pub use progress::StreamingQueryProgress;
pub use strategy::StreamStrategy;
