//! Makes joins give way.
//!
//! A query is cancelled when its task next gives its thread back. DataFusion counts rows at the leaves and the exchanges
//! of a plan; a join can emit batch after batch for one batch of a leaf, and would keep the thread for hours. A join whose
//! condition matches nothing does not even emit: its condition looks whether the statement was told to stop.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};

use crate::split::with_short_input;
use crate::stop::Stop;

/// `plan` with every join counted like a leaf, with conditions that notice `stop`, and with batches that stay small.
pub(crate) fn cooperative(plan: Arc<dyn ExecutionPlan>, stop: &Arc<Stop>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if node.name().ends_with("JoinExec") {
            let join: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(stoppable(node, stop)?));
            return Ok(Transformed::yes(join));
        }
        let short = with_short_input(Arc::clone(&node))?;
        let changed = !Arc::ptr_eq(&node, &short);
        Ok(Transformed::new_transformed(short, changed))
    })?;
    Ok(wrapped.data)
}

fn stoppable(node: Arc<dyn ExecutionPlan>, stop: &Arc<Stop>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let plan = node.as_ref() as &dyn Any;
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>()
        && let Some(filter) = join.filter()
    {
        let filter = Some(stoppable_filter(filter, stop));
        return Ok(Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?));
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>()
        && let Some(filter) = join.filter()
    {
        return Ok(Arc::new(join.builder().with_filter(Some(stoppable_filter(filter, stop))).build()?));
    }
    Ok(node)
}

fn stoppable_filter(filter: &JoinFilter, stop: &Arc<Stop>) -> JoinFilter {
    let condition = Condition { inner: Arc::clone(filter.expression()), stop: Arc::clone(stop) };
    JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// An expression that fails once the statement was told to stop.
#[derive(Debug)]
struct Condition {
    inner: Arc<dyn PhysicalExpr>,
    stop: Arc<Stop>,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Condition {}

impl Hash for Condition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Condition {
    fn data_type(&self, schema: &Schema) -> DataFusionResult<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> DataFusionResult<bool> {
        self.inner.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> DataFusionResult<FieldRef> {
        self.inner.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        self.stop.check().map_err(|error| DataFusionError::External(Box::new(error)))?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        let inner = children.pop().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self { inner, stop: Arc::clone(&self.stop) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
