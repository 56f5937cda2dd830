//! A table made by `CREATE SINK TABLE … USING …`: where the rows of stream queries go.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use velaria_connector::{MemorySinkTable, SinkTable};

/// The declaration of a sink.
#[derive(Debug)]
pub(crate) struct SinkEntry {
    pub(crate) table: Arc<dyn SinkTable>,
    /// The declared columns; `None` takes those of the query.
    pub(crate) columns: Option<SchemaRef>,
    pub(crate) strictness: Strictness,
    /// The rows, of one that keeps them in memory.
    pub(crate) memory: Option<MemorySinkTable>,
}

/// What happens to a column whose type cannot become the declared one without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// It keeps its own type: the values become text anyway.
    Text,
    /// The query is refused.
    Typed,
}
