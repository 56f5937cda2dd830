//! Which subqueries upstream runs, and runs right.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType, Result};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::{merge_schema, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Subquery};

use super::{holds_subquery, outer_columns, subquery_of};

/// The subquery expressions of one node that are left to upstream.
pub(super) struct Easy {
    exprs: Vec<Expr>,
    /// Whether upstream ties scalar subqueries to the rows of this node.
    ties: bool,
}

/// Where in a condition an expression stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// One of the conditions that are joined by AND.
    Conjunct,
    /// Below AND and OR only: there `NULL` and false have the same effect.
    Positive,
    /// Anywhere else.
    Value,
}

impl Easy {
    /// The subqueries of `node` that are left to upstream.
    pub(super) fn of(node: &LogicalPlan) -> Result<Self> {
        let ties = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Projection(_));
        let mut easy = Self { exprs: Vec::new(), ties };
        let schema = merge_schema(&node.inputs());
        let is_filter = matches!(node, LogicalPlan::Filter(_));
        let inputs = node.inputs();
        let input = inputs.first().copied();
        for expr in node.expressions() {
            let place = if is_filter { Place::Conjunct } else { Place::Value };
            easy.visit(&expr, place, is_filter, input, &schema)?;
        }
        Ok(easy)
    }

    pub(super) fn contains(&self, expr: &Expr) -> bool {
        self.exprs.contains(expr)
    }

    /// Whether `node` has a subquery that is not left to upstream.
    pub(super) fn leaves_any(&self, node: &LogicalPlan) -> Result<bool> {
        let mut left = false;
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                left |= subquery_of(expr).is_some() && !self.contains(expr);
                Ok(if left { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })?;
        Ok(left)
    }

    fn is_easy_scalar(&self, subquery: &Subquery, schema: &DFSchema) -> Result<bool> {
        let outer = outer_columns(&subquery.subquery)?;
        if outer.is_empty() {
            return Ok(true);
        }
        if !self.ties || !outer.iter().all(|column| schema.has_column(column)) {
            return Ok(false);
        }
        aggregate_by_equality(&subquery.subquery)
    }

    fn visit(
        &mut self,
        expr: &Expr,
        place: Place,
        is_filter: bool,
        input: Option<&LogicalPlan>,
        schema: &DFSchema,
    ) -> Result<()> {
        let is_easy = match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.visit(left, place, is_filter, input, schema)?;
                return self.visit(right, place, is_filter, input, schema);
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let below = if place == Place::Value { place } else { Place::Positive };
                self.visit(left, below, is_filter, input, schema)?;
                return self.visit(right, below, is_filter, input, schema);
            }
            Expr::Exists(exists) => is_filter && is_plain(&exists.subquery, schema)?,
            Expr::InSubquery(within) => is_filter && is_easy_in(within, place, input, schema)?,
            Expr::SetComparison(comparison) => {
                is_filter && is_plain(&comparison.subquery, schema)? && !holds_subquery(Some(&comparison.expr))?
            }
            Expr::ScalarSubquery(subquery) => self.is_easy_scalar(subquery, schema)?,
            _ => false,
        };
        if is_easy {
            self.exprs.push(expr.clone());
        }
        expr.apply_children(|child| {
            self.visit(child, Place::Value, is_filter, input, schema)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }
}

fn is_easy_in(within: &InSubquery, place: Place, input: Option<&LogicalPlan>, schema: &DFSchema) -> Result<bool> {
    if !is_plain(&within.subquery, schema)? || holds_subquery(Some(&within.expr))? {
        return Ok(false);
    }
    Ok(match place {
        Place::Value => false,
        // The join that knows what NULL means in NOT IN takes one key, which must be a column.
        Place::Conjunct if within.negated => {
            is_stored(&within.expr, input) && outer_columns(&within.subquery.subquery)?.is_empty()
        }
        Place::Conjunct | Place::Positive => !within.negated,
    })
}

/// Whether `expr` is a column of a table, which no simplification makes a constant.
fn is_stored(expr: &Expr, input: Option<&LogicalPlan>) -> bool {
    let (Expr::Column(column), Some(input)) = (expr, input) else { return false };
    match input {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Filter(filter) => is_stored(expr, Some(&filter.input)),
        LogicalPlan::SubqueryAlias(alias) => {
            let index = alias.schema.maybe_index_of_column(column);
            let inner = index.and_then(|index| alias.input.schema().columns().into_iter().nth(index));
            inner.is_some_and(|inner| is_stored(&Expr::Column(inner), Some(&alias.input)))
        }
        LogicalPlan::Join(join) => {
            let side = [&join.left, &join.right].into_iter().find(|side| side.schema().has_column(column));
            side.is_some_and(|side| is_stored(expr, Some(side)))
        }
        _ => false,
    }
}

/// An aggregate over rows that are tied to the outer query by equalities.
fn aggregate_by_equality(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Projection(projection) => Ok(!uses_outer(plan)? && aggregate_by_equality(&projection.input)?),
        LogicalPlan::SubqueryAlias(alias) => aggregate_by_equality(&alias.input),
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            Ok(!uses_outer(plan)? && tied_in_filters(&aggregate.input, &is_tie)?)
        }
        _ => Ok(false),
    }
}

/// Rows of plain operators whose filters alone use outer columns, of the query directly around.
fn is_plain(subquery: &Subquery, schema: &DFSchema) -> Result<bool> {
    let outer = outer_columns(&subquery.subquery)?;
    Ok(outer.is_empty() && !is_limited(&subquery.subquery)
        || outer.iter().all(|column| schema.has_column(column)) && tied_in_filters(&subquery.subquery, &|_| Ok(true))?)
}

/// `LIMIT 0` would be lost.
fn is_limited(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Limit(_))
}

fn tied_in_filters(plan: &LogicalPlan, is_tie: &impl Fn(&Expr) -> Result<bool>) -> Result<bool> {
    if outer_columns(plan)?.is_empty() {
        return Ok(!is_limited(plan));
    }
    match plan {
        LogicalPlan::Filter(filter) => {
            for condition in split_conjunction(&filter.predicate) {
                if holds_outer(condition)? && !is_tie(condition)? {
                    return Ok(false);
                }
            }
            tied_in_filters(&filter.input, is_tie)
        }
        LogicalPlan::Projection(projection) => Ok(!uses_outer(plan)? && tied_in_filters(&projection.input, is_tie)?),
        LogicalPlan::SubqueryAlias(alias) => tied_in_filters(&alias.input, is_tie),
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner && !uses_outer(plan)? => {
            Ok(tied_in_filters(&join.left, is_tie)? && tied_in_filters(&join.right, is_tie)?)
        }
        _ => Ok(false),
    }
}

/// `inner = outer`.
fn is_tie(condition: &Expr) -> Result<bool> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return Ok(false) };
    let outer = |expr: &Expr| matches!(expr, Expr::OuterReferenceColumn(..));
    Ok((outer(left) && !holds_outer(right)? && right.any_column_refs())
        || (outer(right) && !holds_outer(left)? && left.any_column_refs()))
}

/// Whether an expression of this node itself uses an outer column.
fn uses_outer(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= holds_outer(expr)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn holds_outer(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| {
        Ok(match subquery_of(expr) {
            Some(subquery) => !outer_columns(&subquery.subquery)?.is_empty(),
            None => matches!(expr, Expr::OuterReferenceColumn(..)),
        })
    })
}
