//! `-0.0` equals `0.0`, also in a long IN list, in CASE, in NULLIF and in windows.
//!
//! Upstream looks floats up by their bits there (apache/datafusion#11108 and its kin); comparisons, groups and joins are
//! right. Adding zero makes the two one: `-0.0 + 0.0` is `0.0` (IEEE 754, 6.3).

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, binary_expr, lit, when};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

/// Makes one zero of two where upstream compares bits.
#[derive(Debug)]
pub(crate) struct OneZero;

impl AnalyzerRule for OneZero {
    fn name(&self) -> &'static str {
        "one_zero"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            super::map_expressions(plan, |expr| rewrite(expr, &schema))
        })
        .data()
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::InList(InList { expr, list, negated }) if needs_zero(&expr, schema)? => {
            let list = list.into_iter().map(|item| plus_zero(item, schema)).collect::<Result<_>>()?;
            Ok(Transformed::yes(Expr::InList(InList { expr: Box::new(plus_zero(*expr, schema)?), list, negated })))
        }
        Expr::Case(mut case) => {
            let Some(operand) = case.expr.take() else { return Ok(Transformed::no(Expr::Case(case))) };
            if !needs_zero(&operand, schema)? {
                case.expr = Some(operand);
                return Ok(Transformed::no(Expr::Case(case)));
            }
            case.expr = Some(Box::new(plus_zero(*operand, schema)?));
            for (value, _) in &mut case.when_then_expr {
                **value = plus_zero(value.as_ref().clone(), schema)?;
            }
            Ok(Transformed::yes(Expr::Case(case)))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "nullif" => match args.as_slice() {
            [left, right] if needs_zero(left, schema)? => {
                let null = lit(ScalarValue::try_new_null(&left.get_type(schema)?)?);
                let equal = left.clone().eq(right.clone());
                Ok(Transformed::yes(when(equal, null).otherwise(left.clone())?))
            }
            _ => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
        },
        Expr::WindowFunction(mut window) => {
            let mut changed = false;
            let keys = window.params.order_by.iter_mut().map(|sort| &mut sort.expr);
            for key in window.params.partition_by.iter_mut().chain(keys) {
                if needs_zero(key, schema)? {
                    *key = plus_zero(key.clone(), schema)?;
                    changed = true;
                }
            }
            Ok(if changed { Transformed::yes } else { Transformed::no }(Expr::WindowFunction(window)))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Whether `expr` is a float that is not known to be without the sign of zero.
fn needs_zero(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(expr.get_type(schema)?.is_floating() && !is_plus_zero(expr))
}

fn is_plus_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryExpr(binary) if binary.op == Operator::Plus && is_zero(&binary.right))
}

fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value))
}

fn plus_zero(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let zero = ScalarValue::new_zero(&expr.get_type(schema)?)?;
    Ok(binary_expr(expr, Operator::Plus, lit(zero)))
}
