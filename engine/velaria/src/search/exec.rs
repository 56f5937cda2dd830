//! The operator that runs a search: it takes one partition in the order of its rows, and gives the best of them.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::finder::Finder;
use super::node::Search;
use crate::slice_bytes::slice_bytes;

/// About as many bytes are looked at before the thread is given back.
const PIECE_BYTES: usize = 8 << 20;

/// A search over the rows of `input`.
#[derive(Debug)]
pub(super) struct SearchExec {
    input: Arc<dyn ExecutionPlan>,
    search: Search,
    places: Vec<usize>,
    threads: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SearchExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, search: Search, places: Vec<usize>, threads: usize) -> Self {
        let own = input.schema();
        let fields: Vec<_> = own.fields().iter().cloned().chain(search.scores()).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, own.metadata().clone()));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { input, search, places, threads, properties, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for SearchExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.search)
    }
}

impl ExecutionPlan for SearchExec {
    fn name(&self) -> &str {
        self.search.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.search.clone(), self.places.clone(), self.threads)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let memory = MemoryConsumer::new("Search").register(context.memory_pool());
        let finder = Finder::new(&self.search, &self.places, self.threads, memory)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let schema = self.schema();
        let batches = stream::once(run(input, finder, Arc::clone(&schema), metrics))
            .map_ok(|batches| stream::iter(batches.into_iter().map(Ok)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

async fn run(
    mut input: SendableRecordBatchStream,
    mut finder: Finder,
    schema: SchemaRef,
    metrics: BaselineMetrics,
) -> DataFusionResult<Vec<RecordBatch>> {
    while let Some(batch) = input.next().await.transpose()? {
        for piece in pieces(&batch)? {
            let timer = metrics.elapsed_compute().timer();
            finder.push(&piece)?;
            drop(timer);
            tokio::task::yield_now().await;
        }
    }
    let timer = metrics.elapsed_compute().timer();
    let found = finder.finish(&schema)?;
    drop(timer);
    metrics.record_output(found.iter().map(RecordBatch::num_rows).sum());
    Ok(found)
}

/// `batch` in slices that are not too large.
fn pieces(batch: &RecordBatch) -> DataFusionResult<Vec<RecordBatch>> {
    let bytes = slice_bytes(batch)?;
    let rows = batch.num_rows();
    let count = bytes.div_ceil(PIECE_BYTES).clamp(1, rows.max(1));
    let step = rows.div_ceil(count).max(1);
    Ok((0..rows).step_by(step).map(|first| batch.slice(first, step.min(rows - first))).collect())
}
