//! Rows that can be read once: those of a stream that somebody else makes while a query asks for them.
//!
//! The stream is pulled on a thread of its own, because whoever makes it may take long, and wait. It is at most
//! [`AHEAD_BATCHES`] batches ahead of the query, so that a stream of any size takes the memory of a few batches.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session as PlanSession, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::{RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter};
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use velaria_contract::{Error, ErrorCode, Result};

use crate::dataframe::DataFrame;
use crate::error::external;
use crate::session::Session;

/// Batches, made one by one.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// How many batches are made before they are asked for.
const AHEAD_BATCHES: usize = 2;

impl Session {
    /// A frame over batches of `schema` that are made while it runs. Nothing is pulled before that, and the frame can run
    /// once; what a query leaves behind is dropped.
    ///
    /// # Errors
    /// `VEL-2006` when a column name stands there twice.
    pub fn read_batches_once(&self, schema: SchemaRef, batches: Batches) -> Result<DataFrame> {
        let rows = Arc::new(Once { schema, batches: Mutex::new(Some(batches)) });
        DataFrame::over_once(self.context(), Arc::new(OnceTable { rows }))
    }
}

/// The table of such rows.
#[derive(Debug)]
pub(crate) struct OnceTable {
    rows: Arc<Once>,
}

struct Once {
    schema: SchemaRef,
    /// `None` once they are taken.
    batches: Mutex<Option<Batches>>,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for OnceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rows.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn PlanSession,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let rows: Arc<dyn PartitionStream> = Arc::<Once>::clone(&self.rows);
        let scan = StreamingTableExec::try_new(self.schema(), vec![rows], projection, None, false, limit)?;
        Ok(Arc::new(scan))
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.batches.lock().unwrap_or_else(PoisonError::into_inner).take();
        let schema = Arc::clone(&self.schema);
        let Some(batches) = taken else {
            let failed = futures::stream::once(async { Err(external(read_already())) });
            return Box::pin(RecordBatchStreamAdapter::new(schema, failed));
        };
        let mut stream = RecordBatchReceiverStreamBuilder::new(schema, AHEAD_BATCHES);
        let sender = stream.tx();
        stream.spawn_blocking(move || {
            for batch in batches {
                // Nobody takes the rest when the query has ended.
                if sender.blocking_send(batch.map_err(external)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        stream.build()
    }
}

fn read_already() -> Error {
    Error::new(ErrorCode::InvalidArrow, "the stream was read already")
        .with_hint("its rows come once: read it into a table, or make the frame of a new stream")
}
