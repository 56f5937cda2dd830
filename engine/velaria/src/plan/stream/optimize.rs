//! The rules of the optimizer that hold for rows that never end, and that leave every group by a node of its own.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::Column;
use datafusion::common::alias::AliasGenerator;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::{OptimizerConfig, OptimizerContext, OptimizerRule};

use crate::bounded;
use crate::rule::unnest::single_row;

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
    let config = Config { context: OptimizerContext::new_with_config_options(Arc::new(options)), state };
    let optimizer = Optimizer::with_rules(rules());
    let plan = name_values(plan)?;
    bounded::planning(|| optimizer.optimize(plan, &config, |_, _| {}))
}

/// The options of streams, and the functions of the session.
struct Config<'a> {
    context: OptimizerContext,
    state: &'a SessionState,
}

impl OptimizerConfig for Config<'_> {
    fn query_execution_start_time(&self) -> Option<DateTime<Utc>> {
        self.context.query_execution_start_time()
    }

    fn alias_generator(&self) -> &Arc<AliasGenerator> {
        self.context.alias_generator()
    }

    fn options(&self) -> Arc<ConfigOptions> {
        self.context.options()
    }

    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        Some(self.state)
    }
}

/// Sees that a subquery used as a value has one row at most, and gives the value a name of its own where a column without a table has the same: it becomes the column of a join, and
/// `MAX(v) = (SELECT MAX(v) …)` would have two that cannot be told apart.
fn name_values(plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
    let mut named = 0_usize;
    plan.transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        let beside: Vec<Column> = plan.inputs().into_iter().flat_map(|input| input.schema().columns()).collect();
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform(|part| match part {
                Expr::ScalarSubquery(subquery) => {
                    let single = with_one_row(&subquery)?;
                    if single.is_none() && !is_named_as(&subquery, &beside) {
                        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
                    }
                    named += 1;
                    let named = name_value(single.as_ref().unwrap_or(&subquery), named)?;
                    Ok(Transformed::yes(Expr::ScalarSubquery(named)))
                }
                Expr::InSubquery(mut within) if is_named_as(&within.subquery, &beside) => {
                    named += 1;
                    within.subquery = name_value(&within.subquery, named)?;
                    Ok(Transformed::yes(Expr::InSubquery(within)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })
    })
    .data()
}

/// The rows of a join are not counted, so those of a subquery are that stands for a value. One that is tied to the rows
/// around it was made a join before, with its own check.
fn with_one_row(subquery: &Subquery) -> DataFusionResult<Option<Subquery>> {
    if !subquery.outer_ref_columns.is_empty() {
        return Ok(None);
    }
    let single = single_row(&subquery.subquery)?;
    Ok((single != *subquery.subquery).then(|| subquery.with_plan(Arc::new(single))))
}

fn is_named_as(subquery: &Subquery, beside: &[Column]) -> bool {
    let own = subquery.subquery.schema().columns();
    own.iter().any(|own| beside.iter().any(|column| column.relation.is_none() && column.name == own.name))
}

fn name_value(subquery: &Subquery, number: usize) -> DataFusionResult<Subquery> {
    let columns = subquery.subquery.schema().columns();
    let values = columns.into_iter().map(|column| Expr::Column(column).alias(format!("subquery_{number}")));
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).project(values)?.build()?;
    Ok(subquery.with_plan(Arc::new(plan)))
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
