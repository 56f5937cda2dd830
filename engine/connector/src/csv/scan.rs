//! The operator that reads a CSV file.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::batch::{Batches, Layout, Step, Trouble, Wanted};
use super::feed::{Feed, Piece, Queue, Serial, shared};
use super::file::CsvFile;
use crate::listing::external;

/// The most bytes of a block. The fields of its records fit into the cache beside it.
const BLOCK_BYTES_MAX: u64 = 1 << 20;
const BLOCK_BYTES_MIN: u64 = 64 << 10;
/// How many blocks each thread gets at least, so that all of them end at about the same time.
const BLOCKS_PER_THREAD: u64 = 4;
/// What a scan that wants few rows reads first.
const FIRST_BYTES: usize = 32 << 10;

/// Reads one CSV file.
#[derive(Debug)]
pub(crate) struct CsvExec {
    file: Arc<CsvFile>,
    layout: Layout,
    wanted: Wanted,
    limit: Option<usize>,
    /// How many threads decode for the only partition, which has the rows in the order of the file.
    in_order: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    runs: Mutex<Vec<Run>>,
}

/// One execution: the partitions that have begun share a queue.
#[derive(Debug)]
struct Run {
    queue: Arc<Queue>,
    begun: Vec<bool>,
}

impl CsvExec {
    pub(crate) fn new(
        file: Arc<CsvFile>,
        layout: Layout,
        wanted: Wanted,
        limit: Option<usize>,
        partitions: usize,
    ) -> Self {
        let shares = limit.is_none() && file.is_plain() && layout.is_shareable();
        let properties = properties(&wanted.schema, if shares { partitions } else { 1 });
        Self {
            file,
            layout,
            wanted,
            limit,
            in_order: None,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
            runs: Mutex::default(),
        }
    }

    /// This scan with the rows in the order of the file; `None` when they are already.
    pub(crate) fn in_order(&self) -> Option<Self> {
        let threads = self.partitions();
        (threads > 1).then(|| Self {
            file: Arc::clone(&self.file),
            layout: self.layout.clone(),
            wanted: self.wanted.clone(),
            limit: self.limit,
            in_order: Some(threads),
            properties: properties(&self.wanted.schema, 1),
            metrics: ExecutionPlanMetricsSet::new(),
            runs: Mutex::default(),
        })
    }

    /// Blocks that several threads decode at the same time, one behind the other.
    fn ordered_batches(&self, threads: usize, partition: usize) -> DataFusionResult<SendableRecordBatchStream> {
        let queue = Arc::new(self.new_queue(threads)?);
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let (file, layout, wanted) = (Arc::clone(&self.file), self.layout.clone(), self.wanted.clone());
        let blocks = stream::iter(0..queue.blocks()).map(move |number| {
            let block = Block {
                queue: Arc::clone(&queue),
                number,
                file: Arc::clone(&file),
                layout: layout.clone(),
                wanted: wanted.clone(),
            };
            let work = tokio::task::spawn_blocking(move || block.batches());
            async move { work.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))? }
        });
        let batches = blocks.buffered(threads + 1).map_ok(|batches| stream::iter(batches.into_iter().map(Ok)));
        let batches = batches.try_flatten().inspect_ok(move |batch| metrics.record_output(batch.num_rows()));
        let batches = RecordBatchStreamAdapter::new(Arc::clone(&self.wanted.schema), batches);
        Ok(make_cooperative(Box::pin(batches)))
    }

    /// The condition that rows have to fulfil.
    pub(crate) fn predicate(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        self.wanted.filter.as_ref().map(|filter| &filter.predicate)
    }

    fn partitions(&self) -> usize {
        self.properties.partitioning.partition_count()
    }

    /// The queue for `partition`: that of the run which it has not begun yet.
    fn queue(&self, partition: usize) -> DataFusionResult<Arc<Queue>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |run: &Run| run.begun.get(partition) == Some(&false);
        let place = match runs.iter().position(waits) {
            Some(place) => place,
            None => {
                let queue = Arc::new(self.new_queue(self.partitions())?);
                runs.push(Run { queue, begun: vec![false; self.partitions()] });
                runs.len() - 1
            }
        };
        let Some(run) = runs.get_mut(place) else {
            return Err(DataFusionError::Internal("a scan has no run".to_owned()));
        };
        run.begun.iter_mut().skip(partition).take(1).for_each(|begun| *begun = true);
        let queue = Arc::clone(&run.queue);
        if run.begun.iter().all(|begun| *begun) {
            runs.remove(place);
        }
        Ok(queue)
    }

    fn new_queue(&self, threads: usize) -> DataFusionResult<Queue> {
        let (start, end) = self.file.data_range().map_err(external)?;
        let share = (end - start) / (threads as u64 * BLOCKS_PER_THREAD);
        let block = share.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        Ok(Queue::new(self.file.bom_bytes(), start, end, block, self.layout.marks()))
    }

    fn feed(&self, partition: usize) -> DataFusionResult<Feed> {
        if self.partitions() > 1 {
            return shared(&self.queue(partition)?, self.file.local()).map_err(external);
        }
        let reader = self.file.data_reader().map_err(external)?;
        let (first, most) = match self.limit {
            Some(_) => (FIRST_BYTES, FIRST_BYTES * 8),
            None => (BLOCK_BYTES_MAX as usize, BLOCK_BYTES_MAX as usize),
        };
        Ok(Feed::Serial(Serial::new(reader, first, most)))
    }
}

impl DisplayAs for CsvExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CsvExec: file={}", self.file.local().path().display())?;
        if let Some(filter) = &self.wanted.filter {
            write!(f, ", filter={}", filter.predicate)?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
    }
}

impl ExecutionPlan for CsvExec {
    fn name(&self) -> &'static str {
        "CsvExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        match &self.wanted.filter {
            Some(filter) => visit(&filter.predicate),
            None => Ok(TreeNodeRecursion::Continue),
        }
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        if let Some(threads) = self.in_order {
            return self.ordered_batches(threads, partition);
        }
        let reader = Reader {
            file: Arc::clone(&self.file),
            feed: self.feed(partition)?,
            piece: Piece::before(self.file.data_start()),
            batches: Batches::new(self.layout.clone(), self.wanted.clone()),
            left: self.limit,
            serial: self.partitions() == 1,
            wanted: self.wanted.clone(),
            layout: self.layout.clone(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::try_unfold(reader, |mut reader| async move {
            let batch = reader.next()?;
            Ok(batch.map(|batch| (batch, reader)))
        });
        let batches = RecordBatchStreamAdapter::new(Arc::clone(&self.wanted.schema), batches);
        Ok(make_cooperative(Box::pin(batches)))
    }
}

/// What one partition of a scan is doing.
struct Reader {
    file: Arc<CsvFile>,
    feed: Feed,
    piece: Piece,
    batches: Batches,
    /// How many rows are still wanted.
    left: Option<usize>,
    serial: bool,
    wanted: Wanted,
    layout: Layout,
    metrics: BaselineMetrics,
}

impl Reader {
    fn next(&mut self) -> DataFusionResult<Option<RecordBatch>> {
        let time = self.metrics.elapsed_compute().clone();
        let _timer = time.timer();
        if self.left == Some(0) {
            return Ok(None);
        }
        loop {
            match self.batches.next(&mut self.piece) {
                Ok(Step::Batch(batch)) => return Ok(Some(self.limited(batch))),
                Ok(Step::More) => {}
                Err(trouble) => return Err(self.explain(trouble)),
            }
            if !self.feed.fill(&mut self.piece).map_err(|error| external(self.file.unreadable(error)))? {
                return Ok(None);
            }
            self.file.check_open_field(&self.piece).map_err(external)?;
        }
    }

    fn limited(&mut self, batch: RecordBatch) -> RecordBatch {
        let batch = match self.left {
            Some(left) if left < batch.num_rows() => batch.slice(0, left),
            _ => batch,
        };
        self.left = self.left.map(|left| left - batch.num_rows());
        self.metrics.record_output(batch.num_rows());
        batch
    }

    fn explain(&self, trouble: Trouble) -> DataFusionError {
        match self.serial {
            true => self.file.error(trouble, &self.layout),
            false => first_error(&self.file, trouble, &self.layout, &self.wanted),
        }
    }
}

/// The error for the first trouble in the file. Where threads share a file another one may have met it first.
fn first_error(file: &Arc<CsvFile>, met: Trouble, layout: &Layout, wanted: &Wanted) -> DataFusionError {
    file.error(first_trouble(file, layout, wanted).unwrap_or(met), layout)
}

/// One block of a scan in order.
struct Block {
    queue: Arc<Queue>,
    number: u64,
    file: Arc<CsvFile>,
    layout: Layout,
    wanted: Wanted,
}

impl Block {
    /// Reads the block, which other blocks may wait for whatever happens.
    fn batches(self) -> DataFusionResult<Vec<RecordBatch>> {
        let mut piece = Piece::before(self.file.data_start());
        let mut content = match self.file.local().counted() {
            Ok(content) => content,
            Err(error) => {
                self.queue.pass(self.number);
                return Err(external(error));
            }
        };
        let read = self.queue.read(self.number, &mut content, &mut piece);
        if !read.map_err(|error| external(self.file.unreadable(error)))? {
            return Ok(Vec::new());
        }
        let mut batches = Batches::new(self.layout.clone(), self.wanted.clone());
        let mut made = Vec::new();
        loop {
            match batches.next(&mut piece) {
                Ok(Step::Batch(batch)) => made.push(batch),
                Ok(Step::More) => return Ok(made),
                Err(trouble) => return Err(first_error(&self.file, trouble, &self.layout, &self.wanted)),
            }
        }
    }
}

fn properties(schema: &SchemaRef, partitions: usize) -> Arc<PlanProperties> {
    let properties = PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

/// Reads the file from its start until there is trouble.
pub(crate) fn first_trouble(file: &CsvFile, layout: &Layout, wanted: &Wanted) -> Option<Trouble> {
    let step = BLOCK_BYTES_MAX as usize;
    let mut feed = Feed::Serial(Serial::new(file.data_reader().ok()?, step, step));
    let mut piece = Piece::before(file.data_start());
    let mut batches = Batches::new(layout.clone(), Wanted { filter: None, ..wanted.clone() });
    loop {
        match batches.next(&mut piece) {
            Ok(Step::Batch(_)) => {}
            Ok(Step::More) => {
                if !feed.fill(&mut piece).ok()? {
                    return None;
                }
            }
            Err(trouble) => return Some(trouble),
        }
    }
}

/// The schema of some columns.
pub(crate) fn projected(schema: &SchemaRef, columns: &[usize]) -> DataFusionResult<SchemaRef> {
    Ok(Arc::new(schema.project(columns)?))
}
