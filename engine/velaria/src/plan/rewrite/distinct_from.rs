//! `IS [NOT] DISTINCT FROM` binds tighter than AND and OR.
//!
//! The parser takes the whole rest of a condition for its right side (apache/datafusion-sqlparser-rs#2436).

use velaria_sql::ast::{BinaryOperator, Expr};

/// Moves the ANDs and ORs out of the right side of `expr`.
pub(super) fn bind_tighter(expr: &mut Expr) {
    let (left, right, negated) = match expr {
        Expr::IsDistinctFrom(left, right) => (left, right, false),
        Expr::IsNotDistinctFrom(left, right) => (left, right, true),
        _ => return,
    };
    if !is_condition(right) {
        return;
    }
    let (left, condition) = (left.clone(), right.as_ref().clone());
    *expr = rotate(condition, &|operand| {
        let operand = Box::new(operand);
        if negated {
            Expr::IsNotDistinctFrom(left.clone(), operand)
        } else {
            Expr::IsDistinctFrom(left.clone(), operand)
        }
    });
}

fn is_condition(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}

/// `condition` with its first operand compared.
fn rotate(condition: Expr, compare: &impl Fn(Expr) -> Expr) -> Expr {
    match condition {
        Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } => {
            Expr::BinaryOp { left: Box::new(rotate(*left, compare)), op, right }
        }
        operand => compare(operand),
    }
}
