//! Makes joins give way.
//!
//! A query is cancelled when its task next gives its thread back. DataFusion counts rows at the leaves and the exchanges
//! of a plan; a join can emit batch after batch for one batch of a leaf, and would keep the thread for hours.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// `plan` with every join counted like a leaf.
pub(crate) fn cooperative(plan: Arc<dyn ExecutionPlan>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if node.name().ends_with("JoinExec") {
            let join: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(node));
            return Ok(Transformed::yes(join));
        }
        Ok(Transformed::no(node))
    })?;
    Ok(wrapped.data)
}
