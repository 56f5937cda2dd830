//! One input after another, in as many lines as the session has partitions.
//!
//! A thousand files are not a thousand partitions: an input is opened when its turn comes, so that `LIMIT` opens the first
//! only, and no more files are open at a time than there are partitions.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

/// The rows of all inputs.
#[derive(Debug)]
pub(super) struct ChainExec {
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    /// The partitions of this plan: input and partition of the input, in order.
    lines: Vec<Vec<(usize, usize)>>,
    properties: Arc<PlanProperties>,
}

impl ChainExec {
    /// The rows of `inputs`, whose columns are those of `schema`, in at most `lines_max` partitions.
    pub(super) fn new(schema: SchemaRef, inputs: Vec<Arc<dyn ExecutionPlan>>, lines_max: usize) -> Self {
        let each = inputs.iter().enumerate().flat_map(|(input, plan)| {
            (0..plan.properties().output_partitioning().partition_count()).map(move |partition| (input, partition))
        });
        let each: Vec<(usize, usize)> = each.collect();
        let count = lines_max.min(each.len()).max(1);
        let mut lines = vec![Vec::new(); count];
        for (index, pair) in each.into_iter().enumerate() {
            if let Some(line) = lines.get_mut(index % count) {
                line.push(pair);
            }
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { inputs, lines, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ChainExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilesExec: files={}", self.inputs.len())
    }
}

impl ExecutionPlan for ChainExec {
    fn name(&self) -> &'static str {
        "FilesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    /// The inputs of one line run one after another: more partitions of one would not run at the same time.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.schema(), inputs, self.lines.len())))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let line = self.lines.get(partition).cloned().unwrap_or_default();
        let inputs: Vec<(Arc<dyn ExecutionPlan>, usize)> = line
            .into_iter()
            .filter_map(|(input, partition)| Some((Arc::clone(self.inputs.get(input)?), partition)))
            .collect();
        let (schema, columns) = (self.schema(), self.schema());
        let batches = stream::iter(inputs)
            .map(move |(input, partition)| input.execute(partition, Arc::clone(&context)))
            .try_flatten()
            .map(move |batch| batch.and_then(|batch| with_schema(batch, &columns)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// An input may know that a column has no NULL; all of them together do not.
fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> DataFusionResult<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
        .map_err(DataFusionError::from)
}
