//! Where SQL's meaning and DataFusion's differ: one rule a file, applied after the types are known.
//!
//! Each rule says what upstream does, so that it can be removed when upstream does the same.

mod cast_names;
mod extremum;
mod fence;
mod guard;
mod identity;
mod in_list;
mod null_safe;
mod nullable_scalar;
mod overflow;
mod signed_zero;
mod union_names;
pub(crate) mod unnest;
mod vector_top_k;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{AggregateUDF, Expr, LogicalPlan};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

/// `builder` with the rules of this module.
pub(crate) fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut builder = builder
        .with_analyzer_rule(Arc::new(union_names::NameArms))
        .with_analyzer_rule(Arc::new(in_list::ColumnsLeft))
        .with_analyzer_rule(Arc::new(nullable_scalar::NullableScalars))
        .with_analyzer_rule(Arc::new(unnest::UnnestSubqueries))
        .with_analyzer_rule(Arc::new(null_safe::PlainKeys))
        .with_analyzer_rule(Arc::new(overflow::CheckOverflow))
        .with_analyzer_rule(Arc::new(signed_zero::OneZero))
        .with_analyzer_rule(Arc::new(guard::GuardConditions))
        .with_physical_optimizer_rules(physical_rules());
    builder.expr_planners().get_or_insert_default().push(Arc::new(cast_names::NameCasts));
    let aggregates = builder.aggregate_functions().get_or_insert_default();
    aggregates.push(Arc::new(AggregateUDF::new_from_impl(overflow::CheckedSum::default())));
    aggregates.extend(extremum::functions().map(Arc::new));
    builder
}

/// Upstream's rules for physical plans, with the ones of this module in the place of those that they correct.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let corrections: [Arc<dyn PhysicalOptimizerRule + Send + Sync>; 3] = [
        Arc::new(fence::FencedProjections::default()),
        Arc::new(fence::FencedFilters::before_joins()),
        Arc::new(fence::FencedFilters::after_joins()),
    ];
    let corrected = |rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>| {
        corrections.iter().find(|own| own.name() == rule.name()).map_or(rule, Arc::clone)
    };
    let mut rules: Vec<_> = PhysicalOptimizer::new().rules.into_iter().map(corrected).collect();
    // After limits have reached the sorts, and before the filters that sorts make while they run reach the scans.
    let place = rules.iter().position(|rule| rule.name() == "PushdownSort").unwrap_or(rules.len());
    rules.insert(place, Arc::new(vector_top_k::SearchVectors));
    rules
}

/// Rewrites every expression of one node from its leaves up; the columns of the node keep their names.
fn map_expressions(
    plan: LogicalPlan,
    mut rewrite: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(&mut rewrite)?;
        Ok(if rewritten.transformed { rewritten.update_data(|expr| name.restore(expr)) } else { rewritten })
    })
}
