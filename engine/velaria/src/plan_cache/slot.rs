//! A place for a table in a plan that is kept without its tables.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};

use crate::plan_cache::{Tables, memory};

/// What a scan is planned over: a schema and a number, without rows and without statistics.
#[derive(Debug)]
pub(crate) struct SlotTable {
    slot: usize,
    schema: SchemaRef,
}

impl SlotTable {
    pub(crate) fn new(slot: usize, schema: SchemaRef) -> Self {
        Self { slot, schema }
    }

    /// The table that fills this slot.
    pub(crate) fn table(&self, tables: &Tables) -> DataFusionResult<Arc<dyn TableProvider>> {
        tables.get(self.slot).cloned().flatten().ok_or_else(empty_slot)
    }
}

#[async_trait]
impl TableProvider for SlotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let (properties, projection) = (Arc::new(properties), projection.cloned());
        Ok(Arc::new(SlotScan { slot: self.slot, projection, limit, properties, batches: None }))
    }
}

/// The scan of a slot. Only an instance made by [`filled`] has rows.
#[derive(Debug, Clone)]
pub(crate) struct SlotScan {
    slot: usize,
    projection: Option<Vec<usize>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    batches: Option<Arc<Vec<RecordBatch>>>,
}

impl DisplayAs for SlotScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataSourceExec: slot={}", self.slot)
    }
}

impl ExecutionPlan for SlotScan {
    /// The name of every scan in an explained plan: that a plan was kept is not a matter of the reader.
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
        let batches = self.batches.as_ref().filter(|_| partition == 0).ok_or_else(empty_slot)?;
        let stream = MemoryStream::try_new(batches.to_vec(), self.schema(), self.projection.clone())?;
        Ok(Box::pin(cooperative(stream.with_fetch(self.limit))))
    }
}

/// A copy of `plan` for one execution over the rows that are in `tables` now. No state of another execution is in it.
pub(crate) fn filled(plan: &Arc<dyn ExecutionPlan>, tables: &Tables) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let snapshots: Vec<_> =
        tables.iter().map(|table| table.as_deref().and_then(memory).map(|t| t.snapshot())).collect();
    fill(plan, &snapshots)
}

fn fill(
    plan: &Arc<dyn ExecutionPlan>,
    snapshots: &[Option<Arc<Vec<RecordBatch>>>],
) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = plan.downcast_ref::<SlotScan>() {
        let batches = snapshots.get(scan.slot).cloned().flatten();
        return Ok(Arc::new(SlotScan { batches, ..scan.clone() }));
    }
    let children =
        plan.children().into_iter().map(|child| fill(child, snapshots)).collect::<DataFusionResult<Vec<_>>>()?;
    if children.is_empty() {
        return Arc::clone(plan).reset_state();
    }
    // The copies have the properties of their originals.
    let copy =
        Arc::clone(plan).replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))?;
    // The one reusable operator that has more state than its metrics: the bound of a top-k.
    if copy.is::<SortExec>() { copy.reset_state() } else { Ok(copy) }
}

fn empty_slot() -> DataFusionError {
    DataFusionError::Internal("a slot of a kept plan has no table".to_owned())
}
