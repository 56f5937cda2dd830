//! Velaria's sources: one decoder per format, each a DataFusion table provider.
//!
//! A source is opened by path, checks what it was given, knows its schema, and reads nothing else until it is scanned.
//!
//! Invariant: this crate never decides when to read and never sees a statement.

mod access;
mod bitable;
mod compression;
mod content;
mod counted_file;
mod csv;
mod decode;
mod durable_fs;
mod encoding;
mod excel;
mod file;
mod files;
mod input;
mod ipc;
mod json;
mod line;
mod listing;
mod located;
mod magic;
mod materialize;
mod memory;
mod network;
mod new_file;
mod options;
mod output;
mod parquet;
mod probe;
mod registry;
mod sink;
mod source;
mod stdin;
mod store;
mod stream;

// The public interface.
pub use access::FileAccess;
pub use bitable::{
    BitableClient, BitableRows, BitableSettings, BitableSource, BitableStream, BitableStreamSettings, Blocking, Origin,
    PageHead, PageRequest, Pages, RecordQuery, Secret, TableAddress, TextTransport, Transport, read_records,
};
pub use csv::{
    BadRows, CSV_OPTIONS, CsvOptions, CsvTable, DateOrder, Dialect, LateType, OnTypeError, RejectsTable, csv_filter,
    csv_in_order, open_csv,
};
pub use decode::DecodedTable;
pub use durable_fs::simulated as testing;
pub use durable_fs::{DurableFile, DurableFs, LockGuard, OsFs, create_dir_durably};
pub use excel::{EXCEL_OPTIONS, ExcelSheet, ExcelSheetName, ExcelWriter, excel_sheets, open_excel, read_excel};
pub use file::LocalFile;
pub use files::{Differences, FilesTable};
pub use ipc::ARROW_OPTIONS;
pub use json::JSON_OPTIONS;
pub use line::LINE_OPTIONS;
pub use listing::FileTable;
pub use located::{Located, LocatedFile, Partitioning, locate};
pub use materialize::{CacheWriter, CachedTable, DataFormat, Materialization, SourceIdentity, Store};
pub use memory::{Change, Check, KeyKind, KeyRule, MemoryTable, NumberedTable, ROW_NUMBER, TableRules, Writer};
pub use new_file::{Existing, NewFile};
pub use options::ReadOptions;
pub use output::{CsvStyle, CsvWriter, JsonLayout, JsonWriter, Object, Objects, Rows, formatter};
pub use parquet::PARQUET_OPTIONS;
pub use probe::{Probe, ProbeCalls, ProbeCandidate, ProbeField, ProbeMapping, probe};
pub use registry::{FILE_OPTIONS, Format, Opened, Source, TypeOf, find, open, open_located};
pub use sink::{
    CommittedRows, Durability, EmissionKind, Epoch, Prepared, SinkContext, SinkDescription, SinkGuarantee,
    SinkPosition, SinkTable, StreamSink,
};
pub use source::{
    CheckpointMarker, Interrupter, Pull, Pulling, Replay, Signal, SourceContext, SourceDescription, SourceNotes,
    SourceOffset, StreamSource, StreamTable,
};
pub use stdin::reserve_standard_input;
pub use store::LocalFiles;
pub use stream::{
    CSV_APPEND_OPTIONS, ConsoleOutput, ConsoleSinkTable, CsvAppendTable, Cut, DIRECTORY_OPTIONS, Directory,
    DirectorySettings, DirectoryStream, Emission, EmissionTaker, EndOption, HandedSinkTable, Inlet, ItemSource,
    MemorySinkTable, MemoryStream, Offered, OnBadRow, OnChange, Outlet, PART_FILES_OPTIONS, PartFilesTable, PartFormat,
    Piece, PulledStream, QueueSinkTable, QueueStream, Rereading, Taken,
};
