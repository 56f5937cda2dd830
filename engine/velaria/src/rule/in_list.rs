//! Comparisons and IN lists in the only form that upstream simplifies right: a column on the left, literals on the right.
//!
//! Upstream's simplifier takes `2 = a AND a = 2` for a contradiction and loses matches of outer joins on `2 = a`; it merges
//! two IN lists over one column as if no NULL could take part; and a list whose items depend on the row is computed for no
//! row (apache/datafusion#24258 and its kin).

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;

use super::identity::apart;

/// Writes comparisons and IN lists with the column on the left and literals on the right.
#[derive(Debug)]
pub(crate) struct ColumnsLeft;

impl AnalyzerRule for ColumnsLeft {
    fn name(&self) -> &'static str {
        "columns_left"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_plan).data()
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let mut rewritten = expr.transform_up(|expr| Ok(rewrite(expr)))?;
        if lists(&rewritten.data)?.len() > 1 {
            rewritten.data = keep_apart(rewritten.data)?;
            rewritten.transformed = true;
        }
        Ok(if rewritten.transformed { rewritten.update_data(|expr| name.restore(expr)) } else { rewritten })
    })
}

fn rewrite(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_literal(&left) && !is_literal(&right) => match op.swap()
        {
            Some(swapped) if compares(op) => {
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: right, op: swapped, right: left }))
            }
            _ => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
        },
        Expr::Between(Between { expr, negated, low, high }) if is_literal(&expr) => {
            let within = low.lt_eq(expr.as_ref().clone()).and(high.gt_eq(*expr));
            Transformed::yes(if negated { Expr::Not(Box::new(within)) } else { within })
        }
        Expr::InList(InList { expr, list, negated }) if is_literal(&expr) || !list.iter().all(is_literal) => {
            Transformed::yes(spelled_out(&expr, list, negated))
        }
        other => Transformed::no(other),
    }
}

/// `x IN (1, y)` as `x IN (1) OR x = y`.
fn spelled_out(expr: &Expr, list: Vec<Expr>, negated: bool) -> Expr {
    let (literals, others): (Vec<Expr>, Vec<Expr>) =
        list.into_iter().partition(|item| is_literal(item) && !is_literal(expr));
    let equal = |item: Expr| if is_literal(expr) { item.eq(expr.clone()) } else { expr.clone().eq(item) };
    let constant = (!literals.is_empty()).then(|| expr.clone().in_list(literals, false));
    let found = constant.into_iter().chain(others.into_iter().map(equal)).reduce(Expr::or);
    let found = found.unwrap_or_else(|| lit(false));
    if negated { Expr::Not(Box::new(found)) } else { found }
}

fn compares(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

/// What the IN lists of `expr` look for.
fn lists(expr: &Expr) -> Result<Vec<Expr>> {
    let mut needles = Vec::new();
    expr.apply(|expr| {
        if let Expr::InList(list) = expr {
            needles.push(list.expr.as_ref().clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(needles)
}

/// Gives the second and later lists over one column another needle of the same value, so that they are not merged.
fn keep_apart(expr: Expr) -> Result<Expr> {
    let mut seen: Vec<Expr> = Vec::new();
    expr.transform_down(|expr| {
        let Expr::InList(InList { expr, list, negated }) = expr else { return Ok(Transformed::no(expr)) };
        let mut needle = *expr;
        while seen.contains(&needle) {
            needle = apart(needle);
        }
        seen.push(needle.clone());
        let list = InList { expr: Box::new(needle), list, negated };
        Ok(Transformed::new(Expr::InList(list), true, TreeNodeRecursion::Jump))
    })
    .data()
}
