//! Keeps a computation above the operator that leaves out rows.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

/// A limit that no input reaches: no projection passes it.
const NO_LIMIT: usize = usize::MAX;

/// Upstream's projection pushdown, but for computations above filters and limits.
#[derive(Debug, Default)]
pub(crate) struct FencedProjections {
    upstream: ProjectionPushdown,
}

impl PhysicalOptimizerRule for FencedProjections {
    fn name(&self) -> &str {
        self.upstream.name()
    }

    fn schema_check(&self) -> bool {
        self.upstream.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let fenced = plan.transform_up(fence)?;
        let plan = self.upstream.optimize(fenced.data, config)?;
        if fenced.transformed { plan.transform_up(unfence).data() } else { Ok(plan) }
    }
}

fn fence(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else { return Ok(Transformed::no(plan)) };
    if !projection.expr().iter().any(|item| !item.expr.is::<Column>() && !item.expr.is::<Literal>()) {
        return Ok(Transformed::no(plan));
    }
    match fence_below(&plan)? {
        Some(fenced) => Ok(Transformed::yes(fenced)),
        None => Ok(Transformed::no(plan)),
    }
}

/// A fence under the last of the projections that follow each other, which upstream makes one.
fn fence_below(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
        let fence = leaves_out_rows(plan.as_ref()).then(|| LocalLimitExec::new(Arc::clone(plan), NO_LIMIT));
        return Ok(fence.map(|fence| Arc::new(fence) as Arc<dyn ExecutionPlan>));
    };
    let Some(input) = fence_below(projection.input())? else { return Ok(None) };
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan).replace_children(vec![input], options).map(Some)
}

fn leaves_out_rows(plan: &dyn ExecutionPlan) -> bool {
    let drops = plan.name() == "FilterExec" || plan.name().ends_with("JoinExec") || plan.fetch().is_some();
    drops && plan.fetch() != Some(NO_LIMIT)
}

fn unfence(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    Ok(match plan.downcast_ref::<LocalLimitExec>() {
        Some(limit) if limit.fetch() == NO_LIMIT => Transformed::yes(Arc::clone(limit.input())),
        _ => Transformed::no(plan),
    })
}
