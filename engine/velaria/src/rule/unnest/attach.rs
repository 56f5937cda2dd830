//! The value of a subquery as a column beside the rows that it is asked for.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ExprSchema, JoinType, Result, not_impl_err};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, binary_expr, lit, when,
};
use datafusion::scalar::ScalarValue;

use super::push::Domain;
use super::single::{is_single_row, single_value};
use super::{Names, outer_columns, subquery_of};

/// Rows with the values of subqueries beside them.
pub(super) struct Attachment<'a> {
    plan: LogicalPlan,
    names: &'a mut Names,
}

/// A subquery that was evaluated for all values of the outer columns that it uses.
struct Evaluated {
    plan: LogicalPlan,
    /// The outer columns, with the columns of `plan` that hold their values.
    keys: Vec<(Column, Column)>,
}

impl<'a> Attachment<'a> {
    pub(super) fn new(plan: LogicalPlan, names: &'a mut Names) -> Self {
        Self { plan, names }
    }

    pub(super) fn into_plan(self) -> LogicalPlan {
        self.plan
    }

    /// Joins the subquery in `expr` to the rows and returns the expression of its value.
    pub(super) fn attach(&mut self, expr: Expr) -> Result<Expr> {
        match expr {
            Expr::ScalarSubquery(subquery) => self.scalar(&subquery),
            Expr::Exists(exists) => self.exists(&exists),
            Expr::InSubquery(within) => self.within(within),
            Expr::SetComparison(comparison) => self.compared(comparison),
            other => not_impl_err!("{other} as a value"),
        }
    }

    fn evaluate(&mut self, subquery: &Subquery) -> Result<Evaluated> {
        if !is_repeatable(&self.plan)? || !is_repeatable(&subquery.subquery)? {
            return not_impl_err!("a correlated subquery beside values that differ each time");
        }
        let mut outer = outer_columns(&subquery.subquery)?;
        outer.retain(|column| self.plan.schema().has_column(column));
        if outer.is_empty() {
            return Ok(Evaluated { plan: subquery.subquery.as_ref().clone(), keys: Vec::new() });
        }
        let mut domain = Domain::new(&self.plan, outer.clone(), self.names)?;
        let (plan, values) = domain.push(&subquery.subquery)?;
        Ok(Evaluated { plan, keys: outer.into_iter().zip(values).collect() })
    }

    fn scalar(&mut self, subquery: &Subquery) -> Result<Expr> {
        let value = first_column(&subquery.subquery)?;
        let single = is_single_row(&subquery.subquery);
        let Evaluated { plan, keys } = self.evaluate(subquery)?;
        let name = self.names.next("value");
        let builder = LogicalPlanBuilder::from(plan);
        let group: Vec<Expr> = key_exprs(&keys);
        let plan = if single && !keys.is_empty() {
            builder.project(group.into_iter().chain([value.alias(&name)]))?
        } else {
            builder.aggregate(group, vec![single_value(value).alias(&name)])?
        };
        let alias = self.join(plan.build()?, &keys, None)?;
        Ok(Expr::Column(Column::new(Some(alias), name)))
    }

    fn exists(&mut self, exists: &Exists) -> Result<Expr> {
        let Evaluated { plan, keys } = self.evaluate(&exists.subquery)?;
        let name = self.names.next("exists");
        let builder = LogicalPlanBuilder::from(plan);
        let plan = if keys.is_empty() {
            let rows = self.names.next("rows");
            let found = Expr::Column(Column::new_unqualified(&rows)).gt(lit(0_i64)).alias(&name);
            builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64)).alias(&rows)])?.project([found])?.build()?
        } else {
            // Not a constant: upstream takes one for constant beyond the outer join, and sorts by it are lost.
            builder.aggregate(key_exprs(&keys), vec![count(lit(1_i64)).alias(&name)])?.build()?
        };
        let alias = self.join(plan, &keys, None)?;
        let column = Expr::Column(Column::new(Some(alias), name));
        let found = if keys.is_empty() { column.is_true() } else { column.is_not_null() };
        Ok(if exists.negated { Expr::Not(Box::new(found)) } else { found })
    }

    /// `IN` by its definition: true for an equal value; else unknown if a NULL takes part; else false.
    fn within(&mut self, within: InSubquery) -> Result<Expr> {
        let value = first_column(&within.subquery.subquery)?;
        let Evaluated { plan, keys } = self.evaluate(&within.subquery)?;
        let (rows, filled, found, match_value) =
            (self.names.next("rows"), self.names.next("filled"), self.names.next("found"), self.names.next("match"));
        let counts = LogicalPlanBuilder::from(plan.clone())
            .aggregate(key_exprs(&keys), vec![count(lit(1_i64)).alias(&rows), count(value.clone()).alias(&filled)])?
            .build()?;
        let matches = LogicalPlanBuilder::from(plan)
            .filter(value.clone().is_not_null())?
            .project(key_exprs(&keys).into_iter().chain([value.alias(&match_value)]))?
            .build()?;
        let columns = matches.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
        let marked =
            LogicalPlanBuilder::from(matches).aggregate(columns, vec![count(lit(1_i64)).alias(&found)])?.build()?;
        let needle = self.computed(*within.expr)?;
        let counts = self.join(counts, &keys, None)?;
        let marked = self.join(marked, &keys, Some((needle.clone(), match_value)))?;
        let column = |alias: &str, name: &str| Expr::Column(Column::new(Some(alias.to_owned()), name));
        let (rows, filled) = (column(&counts, &rows), column(&counts, &filled));
        let unknown = needle.is_null().or(filled.lt(rows.clone()));
        let nothing = rows.clone().is_null().or(rows.eq(lit(0_i64)));
        let answer = when(column(&marked, &found).is_not_null(), lit(true))
            .when(nothing, lit(false))
            .when(unknown, lit(ScalarValue::Boolean(None)))
            .otherwise(lit(false))?;
        Ok(if within.negated { Expr::Not(Box::new(answer)) } else { answer })
    }

    /// `ANY` and `ALL` by their definition: decided by one row, else unknown if a NULL takes part.
    fn compared(&mut self, comparison: SetComparison) -> Result<Expr> {
        let SetComparison { expr, subquery, op, quantifier } = comparison;
        let (value, any) = (first_column(&subquery.subquery)?, quantifier == SetQuantifier::Any);
        let Expr::Column(needle) = self.computed(*expr)? else { return not_impl_err!("a needle that is no column") };
        let field = Arc::clone(self.plan.schema().field_from_column(&needle)?);
        let test = binary_expr(Expr::OuterReferenceColumn(field, needle), op, value);
        let rows = |condition: Expr| count(lit(1_i64)).filter(condition).build();
        let decisive = rows(if any { test.clone().is_true() } else { test.clone().is_false() })?;
        let (found, unknown) = (self.names.next("found"), self.names.next("unknown"));
        let some = |name: &str| Expr::Column(Column::new_unqualified(name)).gt(lit(0_i64));
        let answer =
            when(some(&found), lit(any)).when(some(&unknown), lit(ScalarValue::Boolean(None))).otherwise(lit(!any))?;
        let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
            .aggregate(Vec::<Expr>::new(), vec![decisive.alias(&found), rows(test.is_null())?.alias(&unknown)])?
            .project([answer.alias(self.names.next("answer"))])?
            .build()?;
        self.scalar(&Subquery { subquery: Arc::new(plan), ..subquery })
    }

    /// `expr` as a column of the rows, so that it is computed once and stands on the left of a join.
    fn computed(&mut self, expr: Expr) -> Result<Expr> {
        if matches!(expr, Expr::Column(_)) {
            return Ok(expr);
        }
        let expr = expr
            .transform_down(|part| {
                if subquery_of(&part).is_none() {
                    return Ok(Transformed::no(part));
                }
                Ok(Transformed::new(self.attach(part)?, true, TreeNodeRecursion::Jump))
            })
            .data()?;
        let name = self.names.next("needle");
        let columns = self.plan.schema().columns().into_iter().map(Expr::Column).chain([expr.alias(&name)]);
        let projection = Projection::try_new(columns.collect(), Arc::new(self.plan.clone()))?;
        self.plan = LogicalPlan::Projection(projection);
        Ok(Expr::Column(Column::new_unqualified(name)))
    }

    /// Joins `right` to the rows on the outer columns, and on equality of a value if one is given. Every row stays.
    fn join(&mut self, right: LogicalPlan, keys: &[(Column, Column)], equal: Option<(Expr, String)>) -> Result<String> {
        let alias = self.names.next("subquery");
        let right = LogicalPlanBuilder::from(right).alias(alias.as_str())?.build()?;
        let named = |name: &str| Expr::Column(Column::new(Some(alias.clone()), name));
        let mut conditions: Vec<Expr> =
            keys.iter().map(|(outer, key)| same(Expr::Column(outer.clone()), named(&key.name))).collect();
        conditions.extend(equal.map(|(left, name)| left.eq(named(&name))));
        let left = LogicalPlanBuilder::from(self.plan.clone());
        self.plan = if conditions.is_empty() {
            // An aggregate without keys: exactly one row.
            left.cross_join(right)?.build()?
        } else {
            left.join_on(right, JoinType::Left, conditions)?.build()?
        };
        Ok(alias)
    }
}

fn key_exprs(keys: &[(Column, Column)]) -> Vec<Expr> {
    keys.iter().map(|(_, key)| Expr::Column(key.clone())).collect()
}

/// Equal, or both NULL.
pub(super) fn same(left: Expr, right: Expr) -> Expr {
    binary_expr(left, Operator::IsNotDistinctFrom, right)
}

fn first_column(plan: &LogicalPlan) -> Result<Expr> {
    match plan.schema().columns().as_slice() {
        [column] => Ok(Expr::Column(column.clone())),
        columns => not_impl_err!("a subquery of {} columns as a value", columns.len()),
    }
}

/// Whether the plan gives the same rows when it runs twice, as it does when the subquery is evaluated beside it.
fn is_repeatable(plan: &LogicalPlan) -> Result<bool> {
    let mut repeatable = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            repeatable &= matches!(limit.input.as_ref(), LogicalPlan::Sort(_) | LogicalPlan::Projection(_));
        }
        node.apply_expressions(|expr| {
            repeatable &= !expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(repeatable)
}
