//! The rules of the optimizer that hold for rows that never end, and that leave every group by a node of its own.

use std::sync::Arc;

use datafusion::error::Result as DataFusionResult;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::{OptimizerContext, OptimizerRule};

use crate::bounded;

/// By name: rules that stack a second group by on the first, answer from an input without rows, push limits into nodes, or
/// add columns that no statement names.
const LEFT_OUT: [&str; 12] = [
    "single_distinct_aggregation_to_group_by",
    "propagate_empty_relation",
    "eliminate_filter",
    "eliminate_join",
    "eliminate_limit",
    "push_down_limit",
    "filter_null_join_keys",
    "eliminate_group_by_constant",
    "common_sub_expression_eliminate",
    "extract_leaf_expressions",
    "push_down_leaf_projections",
    "unions_to_filter",
];

/// `plan` with filters and columns where they cost least, and subqueries as joins.
pub(super) fn optimize(state: &SessionState, plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
    let mut options = state.config_options().as_ref().clone();
    // A subquery that stays an expression has no table that could be read once.
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    let context = OptimizerContext::new_with_config_options(Arc::new(options));
    let optimizer = Optimizer::with_rules(rules());
    bounded::planning(|| optimizer.optimize(plan, &context, |_, _| {}))
}

fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    Optimizer::new().rules.into_iter().filter(|rule| !LEFT_OUT.contains(&rule.name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_that_is_left_out_exists() {
        let known: Vec<String> = Optimizer::new().rules.iter().map(|rule| rule.name().to_owned()).collect();
        for name in LEFT_OUT {
            assert!(known.iter().any(|own| own == name), "{name}");
        }
    }
}
