//! Where SQL's meaning and DataFusion's differ: one rule a file, applied after the types are known.
//!
//! Each rule says what upstream does, so that it can be removed when upstream does the same.

mod cast_names;
mod guard;
mod overflow;
mod signed_zero;
mod unnest;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::AggregateUDF;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

/// `builder` with the rules of this module.
pub(crate) fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut builder = builder
        .with_analyzer_rule(Arc::new(unnest::UnnestSubqueries))
        .with_analyzer_rule(Arc::new(overflow::CheckOverflow))
        .with_analyzer_rule(Arc::new(signed_zero::OneZero))
        .with_analyzer_rule(Arc::new(guard::GuardConditions))
        .with_physical_optimizer_rules(physical_rules());
    builder.expr_planners().get_or_insert_default().push(Arc::new(cast_names::NameCasts));
    builder
        .aggregate_functions()
        .get_or_insert_default()
        .push(Arc::new(AggregateUDF::new_from_impl(overflow::CheckedSum::default())));
    builder
}

/// Upstream's rules for physical plans, with the ones of this module in the place of those that they correct.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let fenced: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(guard::FencedProjections::default());
    let corrected = |rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>| {
        if rule.name() == fenced.name() { Arc::clone(&fenced) } else { rule }
    };
    PhysicalOptimizer::new().rules.into_iter().map(corrected).collect()
}
