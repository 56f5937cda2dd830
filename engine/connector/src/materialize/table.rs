//! A table over rows that were kept.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::stream;
use velaria_contract::{Error, ErrorCode};

use super::DataFormat;
use super::checked::{Place, is_whole};
use super::identity::Version;
use super::meta::DataFacts;
use crate::listing::external;

/// Rows from a cache, which were checked when it was opened. They stay readable when the cache forgets them.
#[derive(Debug, Clone)]
pub struct CachedTable {
    rows: Rows,
    facts: DataFacts,
    /// The state in which the file was checked.
    checked: Option<Version>,
    schema: SchemaRef,
    /// How many batches of Arrow IPC, or row groups of Parquet, there are.
    parts: usize,
}

/// The file.
#[derive(Debug, Clone)]
struct Rows {
    file: Arc<File>,
    bytes: u64,
    format: DataFormat,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

impl CachedTable {
    /// The table in `file`; `None` when it is not what was written.
    pub(super) fn open(file: Arc<File>, format: DataFormat, facts: DataFacts) -> Option<Self> {
        // Before the check: a change while it runs is seen later.
        let checked = version(&file);
        if !is_whole(&file, facts) {
            return None;
        }
        let rows = Rows { file, bytes: facts.bytes, format };
        let (schema, parts) = rows.examine().ok()?;
        Some(Self { rows, facts, checked, schema, parts })
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.facts.rows
    }

    /// Checks that nobody wrote into the file since it was opened: a cache is only ever replaced.
    fn check(&self) -> Result<(), Error> {
        if version(&self.rows.file) == self.checked || is_whole(&self.rows.file, self.facts) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::MalformedFile, "the kept rows of a file were damaged while they were in use")
            .with_hint("open the file again: it is read anew"))
    }
}

impl Rows {
    fn place(&self) -> Place {
        Place::start(&self.file, self.bytes)
    }

    fn examine(&self) -> Result<(SchemaRef, usize), ArrowError> {
        match self.format {
            DataFormat::Binary | DataFormat::Nanoarrow | DataFormat::Arrow => {
                let reader = FileReader::try_new(self.place(), None)?;
                Ok((reader.schema(), reader.num_batches()))
            }
            DataFormat::Parquet => {
                let builder = ParquetRecordBatchReaderBuilder::try_new(self.place())?;
                Ok((Arc::clone(builder.schema()), builder.metadata().num_row_groups()))
            }
        }
    }

    /// The batches of some parts, with the columns `projection`.
    fn batches(&self, parts: Range<usize>, projection: Option<&[usize]>) -> Result<Batches, ArrowError> {
        match self.format {
            DataFormat::Binary | DataFormat::Nanoarrow | DataFormat::Arrow => {
                let mut reader = FileReader::try_new(self.place(), projection.map(<[usize]>::to_vec))?;
                if !parts.is_empty() {
                    reader.set_index(parts.start)?;
                }
                Ok(Box::new(reader.take(parts.len())))
            }
            DataFormat::Parquet => self.parquet(parts, projection),
        }
    }

    fn parquet(&self, parts: Range<usize>, projection: Option<&[usize]>) -> Result<Batches, ArrowError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(self.place())?.with_row_groups(parts.collect());
        let Some(columns) = projection else { return Ok(Box::new(builder.build()?)) };
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        // The reader keeps the order of the file.
        let mut sorted = columns.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let order: Vec<usize> = columns.iter().map(|column| sorted.partition_point(|own| own < column)).collect();
        let reader = builder.with_projection(mask).build()?;
        Ok(Box::new(reader.map(move |batch| batch.and_then(|batch| batch.project(&order)))))
    }
}

#[async_trait]
impl TableProvider for CachedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        self.check().map_err(external)?;
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let partitions = state.config().target_partitions().min(self.parts).max(1);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let (table, projection) = (self.clone(), projection.cloned());
        Ok(Arc::new(CacheScan { table, projection, partitions, properties: Arc::new(properties) }))
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(counted(&self.schema, self.facts.rows))
    }
}

/// The size and the time of modification; other times change when the file loses its name.
fn version(file: &File) -> Option<Version> {
    let metadata = file.metadata().ok()?;
    Some(Version { changed_ns: 0, ..Version::of(&metadata) })
}

/// The number of rows; nothing is known about the columns.
fn counted(schema: &SchemaRef, rows: u64) -> Statistics {
    let rows = usize::try_from(rows).map_or(Precision::Absent, Precision::Exact);
    Statistics { num_rows: rows, ..Statistics::new_unknown(schema) }
}

/// A scan of kept rows, each partition over parts that follow each other.
#[derive(Debug)]
struct CacheScan {
    table: CachedTable,
    projection: Option<Vec<usize>>,
    partitions: usize,
    properties: Arc<PlanProperties>,
}

impl CacheScan {
    fn parts(&self, partition: usize) -> Range<usize> {
        let bound = |index: usize| self.table.parts * index / self.partitions;
        bound(partition)..bound(partition + 1)
    }
}

impl DisplayAs for CacheScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataSourceExec: cache={}", self.table.rows.format.file_name())
    }
}

impl ExecutionPlan for CacheScan {
    /// The name of every scan in an explained plan.
    fn name(&self) -> &'static str {
        "DataSourceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let batches = self.table.rows.batches(self.parts(partition), self.projection.as_deref())?;
        let batches = batches.map(|batch| batch.map_err(DataFusionError::from));
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(self.schema(), stream::iter(batches)))))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> DataFusionResult<Arc<Statistics>> {
        Ok(Arc::new(match args.partition() {
            None => counted(&self.schema(), self.table.facts.rows),
            Some(_) => Statistics::new_unknown(&self.schema()),
        }))
    }
}
