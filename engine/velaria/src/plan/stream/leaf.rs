//! A stream as the planner sees it: columns, and nothing else that is known before it runs.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::plan_err;
use datafusion::datasource::{TableType, source_as_provider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use velaria_connector::StreamTable;

/// A stream with its name and the event time that was declared with it.
#[derive(Debug)]
pub(crate) struct StreamLeaf {
    pub(crate) name: String,
    pub(crate) table: Arc<dyn StreamTable>,
    pub(crate) event_time: Option<EventTime>,
    schema: SchemaRef,
}

/// The declared event time of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventTime {
    pub(crate) column: String,
    pub(crate) delay_ms: u64,
}

impl StreamLeaf {
    pub(crate) fn new(name: &str, table: Arc<dyn StreamTable>, event_time: Option<EventTime>) -> Self {
        let schema = table.description().schema;
        Self { name: name.to_owned(), table, event_time, schema }
    }

    /// The stream that `scan` reads, if it reads one.
    pub(crate) fn of(scan: &TableScan) -> Option<Arc<Self>> {
        let provider = source_as_provider(&scan.source).ok()?;
        let leaf = provider.downcast_ref::<Self>()?;
        Some(Arc::new(Self {
            name: leaf.name.clone(),
            table: Arc::clone(&leaf.table),
            event_time: leaf.event_time.clone(),
            schema: Arc::clone(&leaf.schema),
        }))
    }
}

/// Whether `plan` reads a stream.
pub(crate) fn reads_stream(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => StreamLeaf::of(scan).is_some(),
        other => other.inputs().into_iter().any(reads_stream),
    }
}

/// Statistics stay unknown, filters stay above, and a limit is not looked at: what the planner knows of a stream it might fold
/// into an answer.
#[async_trait]
impl TableProvider for StreamLeaf {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        plan_err!("a stream is read by stream SQL only: {}", self.name)
    }
}
