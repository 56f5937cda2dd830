//! Subqueries that upstream cannot run become joins.
//!
//! Upstream turns a subquery into a join when it is a condition of WHERE or an aggregate that is tied to the query around
//! it by equalities; the others it refuses, and it takes `NULL` for false where `IN` is a value (apache/datafusion#16137,
//! #8241 and their kin). Here every other subquery is unnested as in Neumann and Kemper, "Unnesting Arbitrary Queries"
//! (BTW 2015): it is evaluated once for all different values of the outer columns that it uses, and joined back on them.

mod attach;
mod easy;
mod push;
mod single;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, JoinType, Result, not_impl_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Projection, Subquery};
use datafusion::optimizer::AnalyzerRule;

use attach::Attachment;
use easy::Easy;

pub(crate) use single::single_row;

/// Turns subqueries into joins, where upstream would not.
#[derive(Debug)]
pub(crate) struct UnnestSubqueries;

impl AnalyzerRule for UnnestSubqueries {
    fn name(&self) -> &'static str {
        "unnest_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        if !has_subquery(&plan)? {
            return Ok(plan);
        }
        let mut names = Names::default();
        plan.transform_up_with_subqueries(|node| rewrite_node(node, &mut names)).data()
    }
}

/// Gives out names that no other column of the plan has.
#[derive(Debug, Default)]
struct Names {
    given: usize,
}

impl Names {
    fn next(&mut self, purpose: &str) -> String {
        self.given += 1;
        format!("__{purpose}{}", self.given)
    }
}

fn has_subquery(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_subqueries(|_| {
        found = true;
        Ok(TreeNodeRecursion::Stop)
    })?;
    if found {
        return Ok(true);
    }
    plan.apply_children(|child| {
        found = has_subquery(child)?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn rewrite_node(node: LogicalPlan, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    let node = match node {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => filter_of_join(join)?,
        LogicalPlan::Join(join) if holds_subquery(join.filter.as_ref())? => return rewrite_outer_join(join, names),
        other => other,
    };
    let (LogicalPlan::Filter(_)
    | LogicalPlan::Projection(_)
    | LogicalPlan::Aggregate(_)
    | LogicalPlan::Window(_)
    | LogicalPlan::Sort(_)) = &node
    else {
        return Ok(Transformed::no(node));
    };
    let easy = Easy::of(&node)?;
    if !easy.leaves_any(&node)? {
        return Ok(Transformed::no(node));
    }
    match unnest(&node, &easy, names) {
        Ok(plan) => Ok(Transformed::yes(plan)),
        // Upstream has the last word, and the words for what cannot be run.
        Err(DataFusionError::NotImplemented(_)) => Ok(Transformed::no(node)),
        Err(error) => Err(error),
    }
}

fn holds_subquery(expr: Option<&Expr>) -> Result<bool> {
    expr.map_or(Ok(false), |expr| expr.exists(|expr| Ok(subquery_of(expr).is_some())))
}

/// The subqueries in the condition of an outer join as columns of the side that they speak of.
fn rewrite_outer_join(join: Join, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    match outer_join(&join, names) {
        Ok(plan) => Ok(Transformed::yes(plan)),
        Err(DataFusionError::NotImplemented(_)) => Ok(Transformed::no(LogicalPlan::Join(join))),
        Err(error) => Err(error),
    }
}

fn outer_join(join: &Join, names: &mut Names) -> Result<LogicalPlan> {
    if !matches!(join.join_type, JoinType::Left | JoinType::Right | JoinType::Full) {
        return not_impl_err!("a subquery in the condition of this join");
    }
    let Some(filter) = join.filter.clone() else { return not_impl_err!("a join without a condition") };
    let columns: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    let (right, filter) = attach_to_side(&join.right, filter, names)?;
    let (left, filter) = attach_to_side(&join.left, filter, names)?;
    if holds_subquery(Some(&filter))? {
        return not_impl_err!("a subquery about both sides of an outer join");
    }
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        join.on.clone(),
        Some(filter),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let joined = Arc::new(LogicalPlan::Join(joined));
    Ok(LogicalPlan::Projection(Projection::try_new(columns, joined)?))
}

/// `side` with the subqueries of `filter` that use no columns but its own, and the filter with their values.
fn attach_to_side(side: &LogicalPlan, filter: Expr, names: &mut Names) -> Result<(LogicalPlan, Expr)> {
    let mut attachment = Attachment::new(side.clone(), names);
    let filter = filter.transform_down(|expr| {
        let Some(subquery) = subquery_of(&expr) else { return Ok(Transformed::no(expr)) };
        let mut used = outer_columns(&subquery.subquery)?;
        used.extend(expr.column_refs().into_iter().cloned());
        if used.iter().any(|column| !side.schema().has_column(column)) {
            return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
        }
        Ok(Transformed::new(attachment.attach(expr)?, true, TreeNodeRecursion::Jump))
    })?;
    Ok((attachment.into_plan(), filter.data))
}

/// A subquery in the condition of an inner join, as one in WHERE.
fn filter_of_join(mut join: Join) -> Result<LogicalPlan> {
    match join.filter.take() {
        Some(filter) if holds_subquery(Some(&filter))? => {
            Ok(LogicalPlan::Filter(Filter::try_new(filter, Arc::new(LogicalPlan::Join(join)))?))
        }
        filter => {
            join.filter = filter;
            Ok(LogicalPlan::Join(join))
        }
    }
}

fn unnest(node: &LogicalPlan, easy: &Easy, names: &mut Names) -> Result<LogicalPlan> {
    let inputs = node.inputs();
    let Some(input) = inputs.first() else {
        return not_impl_err!("a subquery without an input");
    };
    let columns: Vec<Expr> = node.schema().columns().into_iter().map(Expr::Column).collect();
    let input = if matches!(node, LogicalPlan::Sort(_)) { with_hidden_columns(node, input)? } else { (*input).clone() };
    let mut attachment = Attachment::new(input, names);
    let preserver = NamePreserver::new(node);
    let mut exprs = Vec::new();
    for expr in node.expressions() {
        let name = preserver.save(&expr);
        let replaced = expr.transform_down(|expr| {
            if subquery_of(&expr).is_none() {
                return Ok(Transformed::no(expr));
            }
            if easy.contains(&expr) {
                return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
            }
            Ok(Transformed::new(attachment.attach(expr)?, true, TreeNodeRecursion::Jump))
        })?;
        exprs.push(if replaced.transformed { name.restore(replaced.data) } else { replaced.data });
    }
    let plan = node.with_new_exprs(exprs, vec![attachment.into_plan()])?;
    // Only these two name their output themselves; the others would show the attached columns.
    if matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
        return Ok(plan);
    }
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// The input of a sort with the columns that only subqueries in ORDER BY use, which the select list leaves out.
fn with_hidden_columns(sort: &LogicalPlan, input: &LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = input else { return Ok(input.clone()) };
    let mut hidden = Vec::new();
    sort.apply_expressions(|expr| {
        expr.apply(|expr| {
            if let Some(subquery) = subquery_of(expr) {
                hidden.extend(outer_columns(&subquery.subquery)?);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    let mut exprs = projection.expr.clone();
    for column in hidden {
        let expr = Expr::Column(column.clone());
        if !projection.schema.has_column(&column)
            && projection.input.schema().has_column(&column)
            && !exprs.contains(&expr)
        {
            exprs.push(expr);
        }
    }
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(&projection.input))?))
}

/// The plan inside an expression that holds one.
fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(within) => Some(&within.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        _ => None,
    }
}

/// The columns of queries further out that `plan` uses, each once. A subquery inside of `plan` may use columns of `plan`:
/// those are not meant.
fn outer_columns(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                for column in outer_columns_of(expr, node)? {
                    if !columns.contains(&column) {
                        columns.push(column);
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(columns)
}

/// Those of one part of an expression of `node`.
fn outer_columns_of(expr: &Expr, node: &LogicalPlan) -> Result<Vec<Column>> {
    match (expr, subquery_of(expr)) {
        (Expr::OuterReferenceColumn(_, column), _) => Ok(vec![column.clone()]),
        (_, Some(subquery)) => {
            let own = merge_schema(&node.inputs());
            let used = outer_columns(&subquery.subquery)?;
            Ok(used.into_iter().filter(|column| !own.has_column(column)).collect())
        }
        _ => Ok(Vec::new()),
    }
}
