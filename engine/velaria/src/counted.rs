//! Scans that count what they hand out.

use std::fmt;
use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;

use crate::progress::Reading;

/// The leaves that read nothing: rows of the plan itself, and those that a recursive query gave itself.
const NO_SCANS: [&str; 3] = ["EmptyExec", "PlaceholderRowExec", "WorkTableExec"];

/// `plan` with every scan counted in `reading`.
pub(crate) fn counted(
    plan: Arc<dyn ExecutionPlan>,
    reading: &Arc<Reading>,
) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if !node.children().is_empty() || NO_SCANS.contains(&node.name()) {
            return Ok(Transformed::no(node));
        }
        reading.scans(rows_of(node.as_ref()));
        let counted: Arc<dyn ExecutionPlan> = Arc::new(CountedExec { scan: node, reading: Arc::clone(reading) });
        Ok(Transformed::yes(counted))
    })?;
    Ok(wrapped.data)
}

/// How many rows `scan` hands out, where that is certain.
fn rows_of(scan: &dyn ExecutionPlan) -> Option<u64> {
    match scan.statistics_from_inputs(&[], &StatisticsArgs::new()).ok()?.num_rows {
        Precision::Exact(rows) => u64::try_from(rows).ok(),
        Precision::Inexact(_) | Precision::Absent => None,
    }
}

/// A scan that is counted and not changed.
#[derive(Debug)]
struct CountedExec {
    scan: Arc<dyn ExecutionPlan>,
    reading: Arc<Reading>,
}

impl DisplayAs for CountedExec {
    fn fmt_as(&self, style: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scan.fmt_as(style, f)
    }
}

impl ExecutionPlan for CountedExec {
    fn name(&self) -> &str {
        self.scan.name()
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(self.scan.as_ref())
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.scan.metrics()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        self.scan.apply_expressions(visit)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let scan = Arc::clone(&self.scan).reset_state()?;
        Ok(Arc::new(Self { scan, reading: Arc::clone(&self.reading) }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let (batches, reading) = (self.scan.execute(partition, context)?, Arc::clone(&self.reading));
        let schema = batches.schema();
        let batches = batches.inspect_ok(move |batch| reading.count(batch));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}
