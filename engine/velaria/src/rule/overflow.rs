//! A number that does not fit its type is an error.
//!
//! Upstream wraps `+`, `-`, `*`, negation and `SUM` of integers, masks the count of a shift, lets decimals grow beyond 38
//! digits and divides floats by zero (apache/datafusion#12140 and its kin; `BinaryExpr` has a switch for it that no
//! setting reaches). This rule runs after type coercion and puts checked operators in the place of those.

mod operator;
mod sum;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use operator::{checked, type_of};
pub(crate) use sum::CheckedSum;

/// Puts operators that fail on overflow in the place of those that wrap.
#[derive(Debug)]
pub(crate) struct CheckOverflow;

impl AnalyzerRule for CheckOverflow {
    fn name(&self) -> &'static str {
        "check_overflow"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_plan).data()
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    super::map_expressions(plan, |expr| rewrite_expr(expr, &schema))
}

fn rewrite_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if can_overflow(&left, op, &right, schema)? => {
            Ok(Transformed::yes(checked(op, *left, *right)))
        }
        Expr::Negative(inner) => rewrite_negation(*inner, schema),
        other => Ok(Transformed::no(other)),
    }
}

/// `-x` as `0 - x`: the smallest integer has no opposite.
fn rewrite_negation(inner: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let data_type = inner.get_type(schema)?;
    if !data_type.is_signed_integer() || matches!(inner, Expr::Literal(..)) {
        return Ok(Transformed::no(Expr::Negative(Box::new(inner))));
    }
    let zero = ScalarValue::new_zero(&data_type)?;
    Ok(Transformed::yes(checked(Operator::Minus, lit(zero), inner)))
}

fn can_overflow(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Result<bool> {
    use Operator::{BitwiseShiftLeft, BitwiseShiftRight, BitwiseXor, Divide, Minus, Modulo, Multiply, Plus};
    if !matches!(op, Plus | Minus | Multiply | Divide | Modulo | BitwiseShiftLeft | BitwiseShiftRight | BitwiseXor) {
        return Ok(false);
    }
    let (left, right) = (type_of(left, schema)?, type_of(right, schema)?);
    Ok(match op {
        Plus | Minus | Multiply => both(&left, &right, DataType::is_integer) || both(&left, &right, is_decimal),
        // Integers and decimals refuse a zero divisor already.
        Divide | Modulo => both(&left, &right, DataType::is_floating),
        _ => both(&left, &right, DataType::is_integer),
    })
}

fn both(left: &DataType, right: &DataType, is: impl Fn(&DataType) -> bool) -> bool {
    is(left) && is(right)
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}
