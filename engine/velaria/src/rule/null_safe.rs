//! `x IS NOT DISTINCT FROM y` as equalities that any join can have for keys.
//!
//! Upstream has one rule for NULL a join: a join on `IS NOT DISTINCT FROM` takes NULL for equal in all of its keys, also
//! in those that other rules of the optimizer make of `=` (since apache/datafusion#17319). Equal, or both NULL, is here: the one
//! is NULL where the other is, and with the NULLs filled in they are equal.

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

/// Writes null-safe comparisons of two columns as equalities.
#[derive(Debug)]
pub(crate) struct PlainKeys;

impl AnalyzerRule for PlainKeys {
    fn name(&self) -> &'static str {
        "plain_keys"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            if !matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Join(_)) {
                return Ok(Transformed::no(plan));
            }
            let schema = merge_schema(&plan.inputs());
            super::map_expressions(plan, |expr| rewrite(expr, &schema))
        })
        .data()
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsNotDistinctFrom, right }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let filler = if left.any_column_refs() && right.any_column_refs() { filler(&left, schema)? } else { None };
    let Some(filler) = filler else {
        return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsNotDistinctFrom, right })));
    };
    let (left, right) = (*left, *right);
    let same_nulls = left.clone().is_null().eq(right.clone().is_null());
    let filled = |side: Expr| coalesce(vec![side, lit(filler.clone())]);
    Ok(Transformed::yes(same_nulls.and(filled(left).eq(filled(right)))))
}

/// A value of the type of `expr`.
fn filler(expr: &Expr, schema: &DFSchema) -> Result<Option<ScalarValue>> {
    let data_type = expr.get_type(schema)?;
    if data_type.is_nested() || data_type.is_null() {
        return Ok(None);
    }
    Ok(ScalarValue::new_default(&data_type).ok())
}
