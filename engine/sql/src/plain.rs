//! Expressions that the planner does not know, as others that mean the same.

use sqlparser::ast::{Expr, UnaryOperator, Value};

/// `x IN ()` is FALSE and `x NOT IN ()` is TRUE, also for NULL: no value is in an empty list. `+ NULL` is NULL.
pub(crate) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::InList { list, negated, .. } if list.is_empty() => *expr = Expr::Value(Value::Boolean(*negated).into()),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr: operand } if is_null(operand) => {
            *expr = Expr::Value(Value::Null.into());
        }
        // Printed without parentheses, two signs would be the start of a comment.
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: operand } if is_negated(operand) => {
            **operand = Expr::Nested(operand.clone());
        }
        // The sign that `in_list` puts there.
        Expr::UnaryOp { op: UnaryOperator::Plus, expr: operand } if is_subquery(operand) => {
            *expr = operand.as_ref().clone();
        }
        _ => {}
    }
}

fn is_negated(expr: &Expr) -> bool {
    matches!(expr, Expr::UnaryOp { op: UnaryOperator::Minus, .. })
}

fn is_subquery(expr: &Expr) -> bool {
    match expr {
        Expr::Subquery(_) => true,
        Expr::Nested(inner) => is_subquery(inner),
        _ => false,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if value.value == Value::Null)
}
