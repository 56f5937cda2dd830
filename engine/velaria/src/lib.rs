//! Velaria: a local-first data engine.
//!
//! A [`Session`] holds a catalog of views and tables in memory; [`Session::sql`] turns a statement into a
//! [`DataFrame`], which is a plan that runs when its rows are asked for.
//!
//! ```
//! use velaria::{Session, SessionConfig, wait};
//!
//! let session = Session::new(SessionConfig::default())?;
//! let frame = wait(async move { session.sql("SELECT 1 + 1 AS two").await }, || Ok(()))?;
//! let batches = wait(async move { frame.collect().await }, || Ok(()))?;
//! assert_eq!(batches[0].num_rows(), 1);
//! # Ok::<(), velaria::Error>(())
//! ```
//!
//! Invariant: this crate binds names, lowers statements and hands over; it holds no algorithm other than the functions
//! of SQL.

mod background;
pub mod bitable;
mod bounded;
mod catalog;
mod clock;
mod config;
mod console;
mod context;
mod cooperate;
mod counted;
mod dataframe;
mod error;
mod excel;
mod explain;
mod files_read;
mod fit;
mod foreign;
mod function;
mod function_list;
mod in_order;
mod late;
mod limits;
mod log_target;
mod materialized;
mod notices;
mod once;
mod output;
mod plan;
mod plan_cache;
mod profile;
mod progress;
mod result_frame;
mod rule;
mod runtime;
mod search;
mod session;
mod slice_bytes;
mod split;
mod stack;
mod stop;
mod streaming_dataframe;
mod streams;
mod variables;
mod vector_cache;
mod vector_search;
mod vector_top_k;
mod words;
mod write;

// The public interface.
pub use arrow;
pub use background::{Background, begin};
pub use config::{SessionConfig, bytes_of, duration_of};
pub use dataframe::{BatchStream, DataFrame};
/// The version of the query engine underneath.
pub use datafusion::DATAFUSION_VERSION;
pub use foreign::validate_foreign;
pub use function_list::{FunctionEntry, FunctionHelp, FunctionKind, functions};
pub use materialized::SourceOptions;
pub use once::Batches;
pub use progress::{Progress, ProgressListener};
pub use runtime::{plan, wait};
pub use velaria_connector::{
    BadRows, CsvOptions, DateOrder, FILE_OPTIONS, Format, OnTypeError, ReadOptions, reserve_standard_input,
};
pub use velaria_connector::{Existing, JsonLayout};
pub use velaria_connector::{Probe, ProbeCalls, ProbeCandidate, ProbeField, ProbeMapping};
pub use velaria_sql::Format as WriteFormat;
pub use write::WriteOptions;
/// Expressions, and what else the methods of a [`DataFrame`] take.
pub mod relation {
    pub use velaria_sql::build::{
        Call, CastFailure, Distinctness, Expression, Item, JoinCondition, JoinKind, LetterCase, NullsPlace, OTHER,
        Operator, RowBound, SELF, SetOperation, SortDirection, SortKey,
    };
}
/// Rows as text: JSON values, and the files of CSV and JSON.
pub mod rows {
    pub use velaria_connector::{CsvStyle, CsvWriter, Object, Objects, Rows, formatter};
}
pub use excel::ExcelFrame;
pub use search::frames::{FusedSearch, KeywordSearch};
pub use session::{Begun, OpenStatement, Session};
pub use streaming_dataframe::{StreamingDataFrame, Totals};
pub use variables::Variables;
pub use vector_search::{Acceleration, HybridSearch, VectorSearch};
pub use velaria_connector::{DataFormat, Materialization};
pub use velaria_connector::{EXCEL_OPTIONS, ExcelSheetName, ExcelWriter};
pub use velaria_contract::{
    BatchStrategy, Error, ErrorCode, ErrorKind, ErrorReport, Explain, ExplainJson, OperatorProfile, Position, Profile,
    Result, json,
};
pub use velaria_sql::{Parameter, Parameters};
pub use velaria_stream::{
    DeliveryMode, Environment, ExecutionMode, OPTIONS as STREAM_OPTIONS, OptionEntry, ProgressWatch, StreamOptions,
    StreamingQuery, Syncing, Watched,
};
pub use velaria_vector::{Metric, Queries};
/// Streams and sinks that callers define, and those that there are.
pub mod stream {
    pub use crate::fit::fit;
    pub use velaria_connector::{
        CSV_APPEND_OPTIONS, CheckpointMarker, CommittedRows, ConsoleOutput, ConsoleSinkTable, CsvAppendTable, Cut,
        DIRECTORY_OPTIONS, Durability, DurableFile, DurableFs, Emission, EmissionKind, EmissionTaker, EndOption, Epoch,
        HandedSinkTable, Inlet, Interrupter, ItemSource, LockGuard, MemorySinkTable, MemoryStream, Offered, OsFs,
        Outlet, PART_FILES_OPTIONS, PartFilesTable, PartFormat, Piece, Prepared, Pull, PulledStream, Pulling,
        QueueSinkTable as RealtimeStreamSink, QueueStream as RealtimeStreamSource, Replay, Rereading, Signal,
        SinkContext, SinkDescription, SinkGuarantee, SinkPosition, SinkTable, SourceContext, SourceDescription,
        SourceNotes, SourceOffset, StreamSink, StreamSource, StreamTable, Taken,
    };
    pub use velaria_contract::{
        Clock, ManualClock, StreamExplain, StreamStrategy, StreamingQueryProgress, SystemClock,
    };
}
