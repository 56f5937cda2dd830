//! Fences in a physical plan that nothing is moved across.
//!
//! Upstream moves a computation below the filter that leaves out rows, and a filter through operators whose columns
//! share a name, where it finds the wrong one. The fences stand only while the rule runs.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
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

/// Upstream's filter pushdown, but for filters over columns that share a name: it looks columns up by their names.
#[derive(Debug)]
pub(crate) struct FencedFilters {
    upstream: FilterPushdown,
}

impl FencedFilters {
    /// The rule that moves filters of the query.
    pub(crate) fn before_joins() -> Self {
        Self { upstream: FilterPushdown::new() }
    }

    /// The rule that moves filters which operators make while they run.
    pub(crate) fn after_joins() -> Self {
        Self { upstream: FilterPushdown::new_post_optimization() }
    }
}

impl PhysicalOptimizerRule for FencedFilters {
    fn name(&self) -> &str {
        self.upstream.name()
    }

    fn schema_check(&self) -> bool {
        self.upstream.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let fenced = plan.transform_up(|plan| {
            // A join looks columns up by their places, and the filter above it has found them already.
            if plan.name().ends_with("JoinExec") || !repeats_a_name(plan.as_ref()) {
                return Ok(Transformed::no(plan));
            }
            let fence: Arc<dyn ExecutionPlan> = Arc::new(LocalLimitExec::new(plan, NO_LIMIT));
            Ok(Transformed::yes(fence))
        })?;
        let plan = self.upstream.optimize(fenced.data, config)?;
        if fenced.transformed { plan.transform_up(unfence).data() } else { Ok(plan) }
    }
}

fn repeats_a_name(plan: &dyn ExecutionPlan) -> bool {
    let schema = plan.schema();
    let mut seen = HashSet::new();
    schema.fields().iter().any(|field| !seen.insert(field.name()))
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
