//! Velaria's sources: one decoder per format, each a DataFusion table provider.
//!
//! A source is opened by path, checks what it was given, knows its schema, and reads nothing else until it is scanned.
//!
//! Invariant: this crate never decides when to read and never sees a statement.

mod access;
mod csv;
mod file;
mod json;
mod listing;
mod materialize;
mod memory;
mod new_file;
mod options;
mod parquet;
mod store;

// The public interface.
pub use access::FileAccess;
pub use csv::{BadRows, CSV_OPTIONS, CsvOptions, CsvTable, DateOrder, Dialect, OnTypeError, open_csv};
pub use file::LocalFile;
pub use json::open_json;
pub use listing::FileTable;
pub use materialize::{CacheWriter, CachedTable, DataFormat, Materialization, SourceIdentity, Store};
pub use memory::{Change, Check, KeyKind, KeyRule, MemoryTable, NumberedTable, ROW_NUMBER, TableRules, Writer};
pub use new_file::{Existing, NewFile};
pub use options::ReadOptions;
pub use parquet::open_parquet;
pub use store::LocalFiles;
