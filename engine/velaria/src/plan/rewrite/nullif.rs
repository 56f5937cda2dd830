//! `NULLIF(x, y)` has the type of `x`: `NULLIF(2, 9.5)` is the integer 2.
//!
//! Upstream gives it the type that both have in common. A first argument that calls a function is left to upstream: it
//! would be computed twice.

use std::ops::ControlFlow;

use velaria_sql::ast::helpers::attached_token::AttachedToken;
use velaria_sql::ast::{
    BinaryOperator, CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Value, Visit,
    Visitor,
};

/// Writes NULLIF out as CASE.
pub(super) fn write_out(expr: &mut Expr) {
    let Some((value, other)) = arguments(expr) else { return };
    let equal = Expr::BinaryOp { left: Box::new(value.clone()), op: BinaryOperator::Eq, right: Box::new(other) };
    *expr = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition: equal, result: Expr::Value(Value::Null.into()) }],
        else_result: Some(Box::new(value)),
    };
}

fn arguments(expr: &Expr) -> Option<(Expr, Expr)> {
    let Expr::Function(function) = expr else { return None };
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value)), FunctionArg::Unnamed(FunctionArgExpr::Expr(other))] =
        list.args.as_slice()
    else {
        return None;
    };
    let plain = name.value.eq_ignore_ascii_case("nullif") && value.visit(&mut Calls).is_continue();
    plain.then(|| (value.clone(), other.clone()))
}

struct Calls;

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Function(_)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
