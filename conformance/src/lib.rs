//! One corpus, several surfaces: runs the records of `sqllogic/` on the engine in process, through the Python package
//! and through the command line, and expects the same rows, types and whole error texts from each of them.
//!
//! The one idea: a surface is a [`engine::Surface`] that answers a statement with a [`engine::Table`] of canonical
//! cell texts ([`render`]); all else (parsing, sorting, comparing) is the same code for all of them.
//!
//! Invariant: this crate is an outsider. It uses the public API of `velaria` and the processes that users start.

mod command;
mod corpus;
mod error;
mod json;
mod kill;
mod random;
mod report;
mod root;
mod runs;
mod suite;
mod update;

pub mod engine;
pub mod functions;
pub mod render;
pub mod workload;

// The public interface.
pub use command::main;
pub use corpus::{CorpusFile, DataFile, Format, data_files, slt_files};
pub use error::{Error, Result};
pub use json::Json;
pub use report::{FileReport, Report, SkippedRecords, SurfaceReport, Totals};
pub use root::find_root;
pub use suite::{Skip, Suite, SurfaceName};
