//! Where SQL's meaning and DataFusion's differ: one rule a file, applied after the types are known.
//!
//! Each rule says what upstream does, so that it can be removed when upstream does the same.

mod overflow;
mod unnest;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::AggregateUDF;

/// `builder` with the rules of this module.
pub(crate) fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut builder = builder
        .with_analyzer_rule(Arc::new(unnest::UnnestSubqueries))
        .with_analyzer_rule(Arc::new(overflow::CheckOverflow));
    builder
        .aggregate_functions()
        .get_or_insert_default()
        .push(Arc::new(AggregateUDF::new_from_impl(overflow::CheckedSum::default())));
    builder
}
