//! Long chains of one operator become flat.
//!
//! The parser reads `a OR b OR c OR …` as a tree as deep as the chain is long, and everything after it recurses over
//! that tree, in places with a cost that grows with the depth of each node. For AND, OR, UNION, UNION ALL and INTERSECT
//! the grouping has no meaning, so a long chain is grouped as evenly as possible. `+`, `*` and `||` keep their grouping:
//! it decides rounding, overflow and the types of lists.
//!
//! Before that, `x = 1 OR x = 2 OR …` becomes `x IN (1, 2, …)` and `x <> 1 AND x <> 2 AND …` becomes `x NOT IN (…)`, which
//! is the same in three-valued logic.

use std::mem;
use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Query, SetExpr, SetOperator, SetQuantifier, Value, VisitMut, VisitorMut};

use crate::membership;
use crate::plain;

/// Chains up to this length stay as they were written.
const CHAIN_LENGTH_MAX: usize = 32;

/// Groups every long chain inside `query`.
pub(crate) fn balance(query: &mut Query) {
    let _: ControlFlow<()> = query.visit(&mut Balancer);
}

struct Balancer;

impl VisitorMut for Balancer {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        balance_sets(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        plain::rewrite(expr);
        if let Expr::BinaryOp { op, .. } = expr
            && let Some(op) = associative(op)
            && is_long(expr, |node| left_of(node, &op))
        {
            let operands = membership::collect(unfold(expr, null(), |node| split(node, &op)), &op);
            *expr = fold(operands, &mut |left, right| Expr::BinaryOp {
                left: Box::new(left),
                op: op.clone(),
                right: Box::new(right),
            })
            .unwrap_or_else(null);
        }
        ControlFlow::Continue(())
    }
}

fn associative(op: &BinaryOperator) -> Option<BinaryOperator> {
    matches!(op, BinaryOperator::And | BinaryOperator::Or).then(|| op.clone())
}

fn left_of<'a>(node: &'a Expr, wanted: &BinaryOperator) -> Option<&'a Expr> {
    match node {
        Expr::BinaryOp { left, op, .. } if op == wanted => Some(left),
        _ => None,
    }
}

/// A node of a chain, or what is none.
enum Split<T> {
    Parts(T, T),
    Leaf(T),
}

fn split(node: Expr, wanted: &BinaryOperator) -> Split<Expr> {
    match node {
        Expr::BinaryOp { left, op, right } if op == *wanted => Split::Parts(*left, *right),
        other => Split::Leaf(other),
    }
}

/// Groups the chains of set operations that `body` begins with; the queries inside are visited on their own.
fn balance_sets(body: &mut SetExpr) {
    let mut stack = vec![body];
    while let Some(node) = stack.pop() {
        let SetExpr::SetOperation { op, set_quantifier, .. } = &*node else { continue };
        let (op, quantifier) = (*op, *set_quantifier);
        if regroups(op, quantifier) && is_long(node, |node| left_set(node, op, quantifier)) {
            let arms = unfold(node, empty_set(), |node| split_set(node, op, quantifier));
            *node = fold(arms, &mut |left, right| SetExpr::SetOperation {
                op,
                set_quantifier: quantifier,
                left: Box::new(left),
                right: Box::new(right),
            })
            .unwrap_or_else(empty_set);
        }
        if let SetExpr::SetOperation { left, right, .. } = node {
            stack.extend([left.as_mut(), right.as_mut()]);
        }
    }
}

/// Whether the grouping of arms has no meaning. BY NAME is left out: the order of columns depends on it.
fn regroups(op: SetOperator, quantifier: SetQuantifier) -> bool {
    match op {
        SetOperator::Union => {
            matches!(quantifier, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None)
        }
        SetOperator::Intersect => matches!(quantifier, SetQuantifier::Distinct | SetQuantifier::None),
        SetOperator::Except | SetOperator::Minus => false,
    }
}

fn left_set(node: &SetExpr, wanted: SetOperator, quantifier: SetQuantifier) -> Option<&SetExpr> {
    match node {
        SetExpr::SetOperation { op, set_quantifier, left, .. } if *op == wanted && *set_quantifier == quantifier => {
            Some(left)
        }
        _ => None,
    }
}

fn split_set(node: SetExpr, wanted: SetOperator, quantifier: SetQuantifier) -> Split<SetExpr> {
    match node {
        SetExpr::SetOperation { op, set_quantifier, left, right } if op == wanted && set_quantifier == quantifier => {
            Split::Parts(*left, *right)
        }
        other => Split::Leaf(other),
    }
}

/// Whether `node` has more than [`CHAIN_LENGTH_MAX`] of its kind along its left side.
fn is_long<'a, T>(node: &'a T, left: impl Fn(&'a T) -> Option<&'a T>) -> bool {
    let mut next = Some(node);
    for _ in 0..=CHAIN_LENGTH_MAX {
        match next.and_then(&left) {
            None => return false,
            deeper => next = deeper,
        }
    }
    true
}

/// The operands of a chain from left to right; `hole` stands in its place until it is built anew.
fn unfold<T>(chain: &mut T, hole: T, split: impl Fn(T) -> Split<T>) -> Vec<T> {
    let mut operands = Vec::new();
    let mut rest = mem::replace(chain, hole);
    loop {
        match split(rest) {
            Split::Parts(left, right) => {
                operands.push(right);
                rest = left;
            }
            Split::Leaf(first) => {
                operands.push(first);
                operands.reverse();
                return operands;
            }
        }
    }
}

/// The balanced tree over `operands`; `None` when there are none.
fn fold<T>(mut operands: Vec<T>, join: &mut impl FnMut(T, T) -> T) -> Option<T> {
    while operands.len() > 1 {
        let mut joined = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        operands = joined;
    }
    operands.pop()
}

fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

fn empty_set() -> SetExpr {
    SetExpr::Values(sqlparser::ast::Values { explicit_row: false, value_keyword: false, rows: Vec::new() })
}

#[cfg(test)]
mod tests {
    use crate::{Statement, parse};

    #[test]
    fn a_long_chain_prints_as_it_was_written() {
        for joint in [" OR ", " AND "] {
            let terms: Vec<String> = (0..500).map(|term| format!("f(a{term}) <> b{term}")).collect();
            let text = format!("SELECT a FROM t WHERE {}", terms.join(joint));
            assert_eq!(printed(&text), text);
        }
        for joint in [" UNION ALL ", " UNION ", " INTERSECT ", " EXCEPT ", " UNION ALL BY NAME "] {
            let arms: Vec<String> = (0..500).map(|arm| format!("SELECT a AS x{arm} FROM t")).collect();
            let text = arms.join(joint);
            assert_eq!(printed(&text), text);
        }
    }

    fn printed(text: &str) -> String {
        let Statement::Query(query) = parse(text).unwrap() else { panic!("not a query: {text}") };
        query.to_string()
    }
}
