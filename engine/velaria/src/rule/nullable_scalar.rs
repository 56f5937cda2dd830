//! A subquery used as a value is NULL when it has no row, whatever its column says.
//!
//! Upstream takes the value for NOT NULL where the column is, so `(SELECT id FROM t WHERE FALSE) IS NULL` is false
//! (apache/datafusion#24513).

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Subquery};
use datafusion::optimizer::AnalyzerRule;

use super::identity::apart;

/// Makes the column of a subquery that may have no row one that may be NULL.
#[derive(Debug)]
pub(crate) struct NullableScalars;

impl AnalyzerRule for NullableScalars {
    fn name(&self) -> &'static str {
        "nullable_scalars"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| super::map_expressions(plan, rewrite)).data()
    }
}

fn rewrite(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::ScalarSubquery(subquery) = expr else { return Ok(Transformed::no(expr)) };
    let plan = &subquery.subquery;
    let (columns, fields) = (plan.schema().columns(), plan.schema().fields());
    let ([column], [field]) = (columns.as_slice(), fields.as_ref()) else {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    };
    if field.is_nullable() || always_has_a_row(plan) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let value = apart(Expr::Column(column.clone())).alias(field.name());
    let nullable = LogicalPlan::Projection(Projection::try_new(vec![value], Arc::clone(plan))?);
    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(nullable), ..subquery })))
}

fn always_has_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => always_has_a_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => always_has_a_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}
