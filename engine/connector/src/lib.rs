//! Velaria's sources: one decoder per format, each a DataFusion table provider.
//!
//! A source is opened by path, checks what it was given, knows its schema, and reads nothing else until it is scanned.
//!
//! Invariant: this crate never decides when to read and never sees a statement.

mod csv;
mod file;
mod json;
mod listing;
mod memory;
mod parquet;

// The public interface.
pub use csv::{CsvOptions, CsvTable, open_csv};
pub use file::LocalFile;
pub use json::open_json;
pub use listing::FileTable;
pub use memory::{Change, Check, KeyKind, KeyRule, MemoryTable, NumberedTable, ROW_NUMBER, TableRules, Writer};
pub use parquet::open_parquet;
