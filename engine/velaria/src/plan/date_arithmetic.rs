//! A date and an interval with hours give a timestamp.
//!
//! DataFusion gives a date and drops the time of day. An interval that is written out and has only months and days
//! keeps the date a date.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use velaria_sql::ast::BinaryOperator;

/// Plans `date + interval`, `interval + date` and `date - interval`.
#[derive(Debug)]
pub(crate) struct DateArithmetic;

impl ExprPlanner for DateArithmetic {
    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (left, right) = (&expr.left, &expr.right);
        if matches!(expr.op, BinaryOperator::Plus | BinaryOperator::Minus)
            && is_date(left, schema)
            && is_time(right, schema)
        {
            expr.left = timestamp(expr.left);
        } else if expr.op == BinaryOperator::Plus && is_date(right, schema) && is_time(left, schema) {
            expr.right = timestamp(expr.right);
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn is_date(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| matches!(data_type, DataType::Date32 | DataType::Date64))
}

/// Whether `expr` is an interval that may have hours.
fn is_time(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(value), _) => value.is_some_and(|value| value.nanoseconds != 0),
        Expr::Literal(ScalarValue::IntervalDayTime(value), _) => value.is_some_and(|value| value.milliseconds != 0),
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => false,
        other => other.get_type(schema).is_ok_and(|data_type| matches!(data_type, DataType::Interval(_))),
    }
}

fn timestamp(date: Expr) -> Expr {
    cast(date, DataType::Timestamp(TimeUnit::Microsecond, None))
}
