//! The wire contract of Velaria: errors, explain sections and their JSON.
//!
//! Everything here is plain data that crosses a surface (Rust, Python, CLI, golden files).
//!
//! Invariant: this crate never sees Arrow or DataFusion and holds no behaviour beyond writing, reading and checking
//! its own values.

pub mod error;
pub mod explain;
pub mod json;

// The public interface.
pub use error::{Error, ErrorCode, ErrorKind, ErrorReport, Position, Result};
pub use explain::{BatchStrategy, Explain};
