//! The ends of a stream that need nothing but this machine: where micro-batches come from, and where rows go.
//!
//! Each file is one source or one sink. What users can set stands once, in a list beside the type that reads it.

mod console;
mod csv_append;
mod directory;
mod fault;
mod handed_sink;
mod memory;
mod memory_sink;
mod options;
mod part_files;
mod pulled;
mod queue;
mod queue_sink;

pub use self::console::{ConsoleOutput, ConsoleSinkTable};
pub use self::csv_append::{CSV_APPEND_OPTIONS, CsvAppendTable};
pub use self::directory::{DIRECTORY_OPTIONS, Directory, DirectorySettings, DirectoryStream, OnBadRow, OnChange};
pub use self::handed_sink::{Emission, EmissionTaker, HandedSinkTable, Outlet, Taken};
pub use self::memory::MemoryStream;
pub use self::memory_sink::MemorySinkTable;
pub use self::options::EndOption;
pub use self::part_files::{PART_FILES_OPTIONS, PartFilesTable, PartFormat};
pub use self::pulled::{Cut, Inlet, ItemSource, Offered, Piece, PulledStream, Rereading};
pub use self::queue::QueueStream;
pub use self::queue_sink::QueueSinkTable;

#[cfg(test)]
mod tests {
    //! What the tests of the ends share.

    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

    use crate::{Durability, EmissionKind, OsFs, Signal, SinkContext, SourceContext};

    pub(super) fn int_schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]))
    }

    pub(super) fn int_batch(values: std::ops::Range<i64>) -> RecordBatch {
        RecordBatch::try_new(int_schema(), vec![Arc::new(Int64Array::from_iter_values(values))]).unwrap()
    }

    pub(super) fn context() -> SourceContext {
        SourceContext {
            query_id: "stream-query-1".to_owned(),
            trigger_interval_ms: 0,
            backlog_batches: 0,
            inflight_batches: 0,
            max_inflight_batches: 2,
            checkpoint_path: String::new(),
            signal: Arc::new(Signal::default()),
            history: Vec::new(),
        }
    }

    pub(super) fn sink_context(durability: Durability) -> SinkContext {
        SinkContext {
            query_id: "stream-query-1".to_owned(),
            checkpoint_path: String::new(),
            schema: int_schema(),
            kind: EmissionKind::Append,
            fs: Arc::new(OsFs),
            durability,
        }
    }

    pub(super) fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }
}
