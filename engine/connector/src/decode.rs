//! A table over one file that Velaria decodes itself: what NDJSON, JSON, line files and Arrow IPC have in common.

use std::fmt::Debug;
use std::io::Read;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;
use velaria_contract::{Error, ErrorCode, Result};

use crate::LocalFile;
use crate::input::Text;
use crate::json::{Layout, Records};
use crate::listing::external;

/// How many rows a batch has.
pub(crate) const BATCH_ROWS: usize = 8192;

/// Batches, one after another; nothing is read before the first is asked for.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// The decoder of one file.
pub(crate) trait Decoder: Debug + Send + Sync {
    /// The file.
    fn file(&self) -> &LocalFile;

    /// Every column.
    fn schema(&self) -> SchemaRef;

    /// Into how many parts the file may be cut, at most `partitions_max`.
    fn partitions(&self, partitions_max: usize) -> usize;

    /// What a person should know about how the file is read.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The rows of one part of `partitions`, with the columns of `wanted`.
    fn read(&self, part: usize, partitions: usize, wanted: &[usize]) -> Result<Batches>;
}

/// A table over one file.
#[derive(Debug, Clone)]
pub struct DecodedTable {
    decoder: Arc<dyn Decoder>,
}

impl DecodedTable {
    pub(crate) fn new(decoder: impl Decoder + 'static) -> Self {
        Self { decoder: Arc::new(decoder) }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &LocalFile {
        self.decoder.file()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.decoder.notes()
    }

    pub(crate) fn decoder(&self) -> Arc<dyn Decoder> {
        Arc::clone(&self.decoder)
    }
}

/// One part of a scan.
#[derive(Debug)]
struct Part {
    decoder: Arc<dyn Decoder>,
    schema: SchemaRef,
    wanted: Vec<usize>,
    part: usize,
    partitions: usize,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.decoder.read(self.part, self.partitions, &self.wanted);
        let batches = batches.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))));
        let stream = stream::iter(batches.map(|batch| batch.map_err(external)));
        Box::pin(cooperative(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)))
    }
}

#[async_trait]
impl TableProvider for DecodedTable {
    fn schema(&self) -> SchemaRef {
        self.decoder.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        self.file().check().map_err(external)?;
        let whole = self.decoder.schema();
        let wanted: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..whole.fields().len()).collect());
        let schema = Arc::new(whole.project(&wanted)?);
        // The rows that a limit wants stand at the start.
        let partitions = if limit.is_some() { 1 } else { self.decoder.partitions(state.config().target_partitions()) };
        let parts = (0..partitions).map(|part| {
            let (decoder, schema) = (Arc::clone(&self.decoder), Arc::clone(&schema));
            Arc::new(Part { decoder, schema, wanted: wanted.clone(), part, partitions }) as Arc<dyn PartitionStream>
        });
        let plan = StreamingTableExec::try_new(Arc::clone(&schema), parts.collect(), None, [], false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// The records of one of `partitions` parts of `text`, of which there is one unless the text is plain. A record belongs to
/// the part in which it begins.
pub(crate) fn part_of(
    text: &Text,
    layout: Layout,
    part: usize,
    partitions: usize,
) -> Result<Records<Box<dyn Read + Send>>> {
    let bound = |part: usize| (u128::from(text.file().bytes()) * part as u128 / partitions.max(1) as u128) as u64;
    let stop = if part + 1 >= partitions { u64::MAX } else { bound(part + 1) };
    if part == 0 {
        let (content, start) = text.whole()?;
        return Ok(Records::new(content, layout, start, stop));
    }
    // One byte earlier: when that is a line end, the part begins with a record of its own.
    let start = bound(part).saturating_sub(1);
    let content = text.from(start)?;
    let mut records = Records::new(content, layout, start, stop);
    records.skip_line().map_err(|broken| broken.into_error(|at| text.place(at)))?;
    Ok(records)
}

/// An error of Arrow about columns that a decoder made.
pub(crate) fn from_arrow(error: ArrowError) -> Error {
    Error::new(ErrorCode::Internal, format!("cannot make a batch: {error}")).with_source(error)
}
