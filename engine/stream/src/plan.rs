//! A stream query as it will run: nodes from the sources up, with every expression bound and every type known.
//!
//! A micro-batch of one source passes the nodes from its scan to the root. The only node with several inputs is a union, so the
//! way from each scan is a line. The batch side of a join is a table that is read when the query starts.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use velaria_connector::{EmissionKind, StreamTable};
use velaria_contract::Result;

use crate::error::ErrorTranslator;

/// A stream query.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// The name of the first source, for explain.
    pub view: String,
    /// The sources, in the order of the statement.
    pub inputs: Vec<Input>,
    /// The nodes: every node stands behind its inputs, the last one is the root.
    pub nodes: Vec<Node>,
    /// The columns of the emissions, without `__op`.
    pub schema: SchemaRef,
    /// What is emitted after a micro-batch.
    pub output: EmissionKind,
    /// The text that names the query: of its statement or of its calls.
    pub statement: String,
    /// Puts what goes wrong with a row into the words of the statement.
    pub translator: ErrorTranslator,
}

/// One source of a query.
#[derive(Debug, Clone)]
pub struct Input {
    /// The name of the stream: the key of its offset in a checkpoint, made unique by `#2`, `#3`, … for a name that is
    /// read more than once.
    pub name: String,
    /// The stream.
    pub table: Arc<dyn StreamTable>,
    /// Event time, when the rows of this source have one that is watched.
    pub watermark: Option<WatermarkSpec>,
}

/// How the event time of a source is watched. The watermark is the largest event time seen minus the delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkSpec {
    /// The column of the source's schema.
    pub column: usize,
    /// How much later than others a row may come, in milliseconds.
    pub delay_ms: u64,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// The nodes whose rows it takes: none for a scan, several for a union, else one.
    pub inputs: Vec<usize>,
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// What the logical section of explain says of it, without the number: none for a step that the statement does not
    /// name, two and more for a projection that computes columns first.
    pub lines: Vec<String>,
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Takes the micro-batches of an input, and of these the columns that are listed.
    Scan {
        /// The index in [`StreamPlan::inputs`].
        input: usize,
        /// Columns of the source.
        projection: Vec<usize>,
    },
    /// Keeps the rows for which a condition is true.
    Filter(Arc<dyn PhysicalExpr>),
    /// Computes the columns.
    Project(Vec<Arc<dyn PhysicalExpr>>),
    /// Adds the start of the window as the last column; a row that is in several windows is there several times.
    Window(WindowSpec),
    /// Joins with a table.
    Join(TableJoin),
    /// Groups.
    Aggregate(AggregateSpec),
    /// The rows of all inputs.
    Union,
    /// Skips rows, then passes rows until a number is reached; the query ends then.
    Limit {
        /// Rows to pass over.
        skip: u64,
        /// Rows to pass; `None` for all.
        fetch: Option<u64>,
    },
    /// Sorts.
    Sort {
        /// Which rows are sorted together.
        scope: SortScope,
        /// By what.
        by: Vec<PhysicalSortExpr>,
        /// The number of first rows to keep.
        fetch: Option<usize>,
    },
}

/// Which rows are sorted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortScope {
    /// Those of an emission: totals change from one to the next.
    Emission,
    /// All rows, which are given once the sources have ended.
    Whole,
}

/// Windows of event time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSpec {
    /// The column of event time in the input.
    pub time_column: usize,
    /// The name of that column.
    pub time_name: String,
    /// The length of a window.
    pub every_ms: u64,
    /// The distance between the starts of two windows, at most `every_ms`.
    pub slide_ms: u64,
    /// The name of the column that is added.
    pub output: String,
}

/// A group by.
#[derive(Debug, Clone)]
pub struct AggregateSpec {
    /// The keys, in the order of the columns.
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The aggregates, behind the keys.
    pub aggregates: Vec<Aggregate>,
    /// The key that is the start of a window, with the window.
    pub window: Option<(usize, WindowSpec)>,
    /// Whether totals go on from one micro-batch to the next.
    pub stateful: bool,
    /// Whether it is a SELECT DISTINCT: in update mode a key is emitted once.
    pub distinct: bool,
}

/// One aggregate.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// The function with its arguments.
    pub function: Arc<AggregateFunctionExpr>,
    /// The condition of `FILTER (WHERE …)`.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Whether it is SUM, COUNT, MIN, MAX or AVG without DISTINCT.
    pub simple: bool,
}

/// A join of a stream with a table. The columns of the rows are those of the stream and then those of the table, of which
/// `output` are kept.
#[derive(Clone)]
pub struct TableJoin {
    /// Inner, or `Left`, `LeftSemi`, `LeftAnti`, `LeftMark` as seen with the stream on the left.
    pub join_type: JoinType,
    /// The keys of the stream.
    pub stream_keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The keys of the table.
    pub table_keys: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether NULL equals NULL.
    pub null_equals_null: bool,
    /// What else has to hold, over all columns of both sides.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// The columns of the table.
    pub table_schema: SchemaRef,
    /// Columns of stream and table, in the order of the rows.
    pub output: Vec<usize>,
    /// Reads the table; called when the query starts.
    pub table: TableReader,
}

/// Reads the rows of a table.
pub type TableReader = Arc<dyn Fn() -> Result<Vec<RecordBatch>> + Send + Sync>;

impl fmt::Debug for TableJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableJoin").field("join_type", &self.join_type).finish_non_exhaustive()
    }
}

impl NodeKind {
    /// The word of explain.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scan { .. } => "Scan",
            Self::Filter(_) => "Filter",
            Self::Project(_) => "Project",
            Self::Window(_) => "WindowAssign",
            Self::Join(_) => "Join",
            Self::Aggregate(_) => "Aggregate",
            Self::Union => "Union",
            Self::Limit { .. } => "Limit",
            Self::Sort { .. } => "OrderBy",
        }
    }

    /// Whether every row is treated alone.
    #[must_use]
    pub fn is_partition_local(&self) -> bool {
        match self {
            Self::Scan { .. } | Self::Filter(_) | Self::Project(_) | Self::Window(_) | Self::Join(_) | Self::Union => {
                true
            }
            Self::Aggregate(_) | Self::Limit { .. } | Self::Sort { .. } => false,
        }
    }

    /// Whether it keeps something from one micro-batch to the next.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        matches!(
            self,
            Self::Aggregate(AggregateSpec { stateful: true, .. }) | Self::Sort { scope: SortScope::Whole, .. }
        )
    }
}
