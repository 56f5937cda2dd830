//! Evaluates a subquery for all values of its outer columns at once.
//!
//! The different values, the *domain*, are joined to the subquery below the lowest operators that use them, and every
//! operator above keeps their columns apart: as further keys of groups, windows and limits.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result, not_impl_err};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprFunctionExt, FetchType, Filter, Join, JoinConstraint, Limit,
    LogicalPlan, LogicalPlanBuilder, Projection, SkipType, SortExpr, SubqueryAlias, Union, Values, Window, lit,
};

use super::attach::same;
use super::{Names, outer_columns};

/// The different values of the outer columns of a subquery.
pub(super) struct Domain<'a> {
    columns: Vec<Column>,
    rows: LogicalPlan,
    names: &'a mut Names,
}

/// A plan with the columns in it that hold the values of the domain.
type Pushed = (LogicalPlan, Vec<Column>);

impl<'a> Domain<'a> {
    /// The different values that `columns` have in `outer`.
    pub(super) fn new(outer: &LogicalPlan, columns: Vec<Column>, names: &'a mut Names) -> Result<Self> {
        let rows = LogicalPlanBuilder::from(outer.clone())
            .project(columns.iter().cloned().map(Expr::Column))?
            .distinct()?
            .build()?;
        Ok(Self { columns, rows, names })
    }

    /// `plan` for every value of the domain.
    pub(super) fn push(&mut self, plan: &LogicalPlan) -> Result<Pushed> {
        if !self.is_used_in(plan)? {
            let (rows, keys) = self.fresh()?;
            return Ok((LogicalPlanBuilder::from(rows).cross_join(plan.clone())?.build()?, keys));
        }
        match plan {
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::SubqueryAlias(alias) => self.alias(alias),
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => self.total(aggregate),
            LogicalPlan::Aggregate(aggregate) => self.groups(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, keys) = self.push(input)?;
                Ok((LogicalPlan::Distinct(Distinct::All(Arc::new(input))), keys))
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.distinct_on(distinct),
            LogicalPlan::Sort(sort) => match sort.fetch {
                // The order of rows has no effect above: a limit takes it into account itself.
                None => self.push(&sort.input),
                Some(fetch) => self.limited(&sort.input, &sort.expr, 0, Some(fetch)),
            },
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Values(values) => self.values(values),
            other => not_impl_err!("outer columns below {}", other.display()),
        }
    }

    fn is_used_in(&self, plan: &LogicalPlan) -> Result<bool> {
        Ok(outer_columns(plan)?.iter().any(|column| self.columns.contains(column)))
    }

    /// The rows of the domain under names of their own.
    fn fresh(&mut self) -> Result<Pushed> {
        let named = |column| {
            let name = self.names.next("outer");
            (Expr::Column(column).alias(&name), Column::new_unqualified(name))
        };
        let (exprs, keys): (Vec<Expr>, Vec<Column>) = self.rows.schema().columns().into_iter().map(named).unzip();
        Ok((LogicalPlanBuilder::from(self.rows.clone()).project(exprs)?.build()?, keys))
    }

    /// `expr` with the columns of the domain in the place of the outer ones.
    fn bind(&self, expr: Expr, keys: &[Column]) -> Result<Expr> {
        expr.transform_up(|expr| {
            let Expr::OuterReferenceColumn(_, column) = &expr else { return Ok(Transformed::no(expr)) };
            let key = self.columns.iter().position(|known| known == column).and_then(|index| keys.get(index));
            Ok(match key {
                Some(key) => Transformed::yes(Expr::Column(key.clone())),
                None => Transformed::no(expr),
            })
        })
        .data()
    }

    /// [`Self::bind`] for expressions whose names are seen above.
    fn bind_named(&self, exprs: &[Expr], keys: &[Column]) -> Result<Vec<Expr>> {
        let preserver = NamePreserver::new_for_projection();
        exprs.iter().map(|expr| Ok(preserver.save(expr).restore(self.bind(expr.clone(), keys)?))).collect()
    }

    fn bind_sorts(&self, sorts: &[SortExpr], keys: &[Column]) -> Result<Vec<SortExpr>> {
        sorts.iter().map(|sort| Ok(sort.with_expr(self.bind(sort.expr.clone(), keys)?))).collect()
    }

    fn projection(&mut self, projection: &Projection) -> Result<Pushed> {
        let (input, keys) = self.push(&projection.input)?;
        let mut exprs = self.bind_named(&projection.expr, &keys)?;
        exprs.extend(columns(&keys));
        Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), keys))
    }

    fn filter(&mut self, filter: &Filter) -> Result<Pushed> {
        let (input, keys) = self.push(&filter.input)?;
        let predicate = self.bind(filter.predicate.clone(), &keys)?;
        Ok((LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?), keys))
    }

    fn alias(&mut self, alias: &SubqueryAlias) -> Result<Pushed> {
        let (input, keys) = self.push(&alias.input)?;
        let keys = keys.into_iter().map(|key| Column::new(Some(alias.alias.clone()), key.name)).collect();
        Ok((LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?), keys))
    }

    /// An aggregate without groups gives a row for every value of the domain, also where no row has it.
    fn total(&mut self, aggregate: &Aggregate) -> Result<Pushed> {
        let (input, found) = self.push(&aggregate.input)?;
        let mark = self.names.next("row");
        let marked = input.schema().columns().into_iter().map(Expr::Column).chain([lit(true).alias(&mark)]);
        let marked = LogicalPlanBuilder::from(input.clone()).project(marked)?.build()?;
        let (rows, keys) = self.fresh()?;
        let conditions: Vec<Expr> = columns(&keys).zip(columns(&found)).map(|(key, found)| same(key, found)).collect();
        let input = LogicalPlanBuilder::from(rows).join_on(marked, JoinType::Left, conditions)?.build()?;
        let exists = Expr::Column(Column::new_unqualified(mark)).is_true();
        let preserver = NamePreserver::new_for_projection();
        let mut totals = Vec::new();
        for expr in &aggregate.aggr_expr {
            let bound = self.bind(expr.clone(), &found)?;
            totals.push(preserver.save(expr).restore(only_where(bound, &exists)?));
        }
        let aggregate = Aggregate::try_new(Arc::new(input), columns(&keys).collect(), totals)?;
        Ok((LogicalPlan::Aggregate(aggregate), keys))
    }

    fn groups(&mut self, aggregate: &Aggregate) -> Result<Pushed> {
        if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
            return not_impl_err!("outer columns below GROUPING SETS");
        }
        let (input, keys) = self.push(&aggregate.input)?;
        let mut groups = self.bind_named(&aggregate.group_expr, &keys)?;
        groups.extend(columns(&keys));
        let totals = self.bind_named(&aggregate.aggr_expr, &keys)?;
        Ok((LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, totals)?), keys))
    }

    fn window(&mut self, window: &Window) -> Result<Pushed> {
        let (input, keys) = self.push(&window.input)?;
        let preserver = NamePreserver::new_for_projection();
        let mut exprs = Vec::new();
        for expr in &window.window_expr {
            let bound = self.bind(expr.clone(), &keys)?;
            exprs.push(preserver.save(expr).restore(partitioned(bound, &keys)?));
        }
        Ok((LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?), keys))
    }

    fn distinct_on(&mut self, distinct: &DistinctOn) -> Result<Pushed> {
        let (input, keys) = self.push(&distinct.input)?;
        let on = columns(&keys).chain(self.bind_named(&distinct.on_expr, &keys)?).collect();
        let mut select = self.bind_named(&distinct.select_expr, &keys)?;
        select.extend(columns(&keys));
        let sort = match &distinct.sort_expr {
            Some(sorts) => {
                Some(columns(&keys).map(|key| key.sort(true, true)).chain(self.bind_sorts(sorts, &keys)?).collect())
            }
            None => None,
        };
        let distinct = DistinctOn::try_new(on, select, sort, Arc::new(input))?;
        Ok((LogicalPlan::Distinct(Distinct::On(distinct)), keys))
    }

    fn limit(&mut self, limit: &Limit) -> Result<Pushed> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return not_impl_err!("outer columns below a computed LIMIT");
        };
        match limit.input.as_ref() {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.limited(&sort.input, &sort.expr, skip, fetch),
            LogicalPlan::Projection(projection) => match projection.input.as_ref() {
                LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                    let (input, keys) = self.limited(&sort.input, &sort.expr, skip, fetch)?;
                    let mut exprs = self.bind_named(&projection.expr, &keys)?;
                    exprs.extend(columns(&keys));
                    Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), keys))
                }
                _ => self.limited(&limit.input, &[], skip, fetch),
            },
            input => self.limited(input, &[], skip, fetch),
        }
    }

    /// The rows of `input` from `skip` on, at most `fetch`, for each value of the domain.
    fn limited(
        &mut self,
        input: &LogicalPlan,
        sorts: &[SortExpr],
        skip: usize,
        fetch: Option<usize>,
    ) -> Result<Pushed> {
        let (input, keys) = self.push(input)?;
        let number = self.names.next("number");
        let sorts = self.bind_sorts(sorts, &keys)?;
        let numbered = row_number().partition_by(columns(&keys).collect()).order_by(sorts).build()?.alias(&number);
        let number = Expr::Column(Column::new_unqualified(number));
        let count = |rows: usize| lit(u64::try_from(rows).unwrap_or(u64::MAX));
        let kept = conjunction(
            std::iter::once(number.clone().gt(count(skip)))
                .chain(fetch.map(|fetch| number.lt_eq(count(skip.saturating_add(fetch))))),
        );
        let shown: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let plan = LogicalPlanBuilder::from(input)
            .window(vec![numbered])?
            .filter(kept.unwrap_or_else(|| lit(true)))?
            .project(shown)?
            .build()?;
        Ok((plan, keys))
    }

    fn join(&mut self, join: &Join) -> Result<Pushed> {
        let below_left = self.is_used_in(&join.left)?;
        let below_right = self.is_used_in(&join.right)?;
        let (to_left, to_right) = match join.join_type {
            JoinType::Inner => (below_left || !below_right, below_right),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, below_right),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (below_left, true),
            JoinType::Full => return not_impl_err!("outer columns below a FULL JOIN"),
        };
        let unchanged = |plan: &Arc<LogicalPlan>| (plan.as_ref().clone(), Vec::new());
        let (left, left_keys) = if to_left { self.push(&join.left)? } else { unchanged(&join.left) };
        let (right, right_keys) = if to_right { self.push(&join.right)? } else { unchanged(&join.right) };
        // The side whose rows all stay has the keys; the other is tied to it by them.
        let from_right =
            matches!(join.join_type, JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark);
        let keys = if from_right || left_keys.is_empty() { right_keys.clone() } else { left_keys.clone() };
        let mut on = Vec::new();
        for (left, right) in &join.on {
            on.push((self.bind(left.clone(), &keys)?, self.bind(right.clone(), &keys)?));
        }
        let filter = join.filter.clone().map(|filter| self.bind(filter, &keys)).transpose()?;
        let ties = columns(&left_keys).zip(columns(&right_keys)).map(|(left, right)| same(left, right));
        let filter = conjunction(filter.into_iter().chain(ties));
        let join = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            filter,
            join.join_type,
            JoinConstraint::On,
            join.null_equality,
            join.null_aware,
        )?;
        Ok((LogicalPlan::Join(join), keys))
    }

    fn union(&mut self, union: &Union) -> Result<Pushed> {
        let names: Vec<String> = self.columns.iter().map(|_| self.names.next("outer")).collect();
        let mut inputs = Vec::new();
        for input in &union.inputs {
            let shown = input.schema().columns();
            let (input, keys) = self.push(input)?;
            inputs.push(Arc::new(under_names(input, shown.into_iter().map(Expr::Column), &keys, &names)?));
        }
        let union = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
        Ok((union, names.into_iter().map(Column::new_unqualified).collect()))
    }

    fn values(&mut self, values: &Values) -> Result<Pushed> {
        let names: Vec<String> = self.columns.iter().map(|_| self.names.next("outer")).collect();
        let mut inputs = Vec::new();
        for row in &values.values {
            let (rows, keys) = self.fresh()?;
            let mut cells = Vec::new();
            for (cell, field) in row.iter().zip(values.schema.fields()) {
                cells.push(self.bind(cell.clone(), &keys)?.alias(field.name()));
            }
            inputs.push(Arc::new(under_names(rows, cells.into_iter(), &keys, &names)?));
        }
        let keys = names.into_iter().map(Column::new_unqualified).collect();
        match inputs.as_slice() {
            [input] => Ok((input.as_ref().clone(), keys)),
            _ => Ok((LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?), keys)),
        }
    }
}

fn columns(keys: &[Column]) -> impl Iterator<Item = Expr> + '_ {
    keys.iter().cloned().map(Expr::Column)
}

/// `shown` of `input`, and the keys under `names`.
fn under_names(
    input: LogicalPlan,
    shown: impl Iterator<Item = Expr>,
    keys: &[Column],
    names: &[String],
) -> Result<LogicalPlan> {
    let keys = columns(keys).zip(names).map(|(key, name)| key.alias(name));
    LogicalPlanBuilder::from(input).project(shown.chain(keys))?.build()
}

/// The aggregates of `expr` over the rows for which `condition` is true.
fn only_where(expr: Expr, condition: &Expr) -> Result<Expr> {
    expr.transform_down(|expr| {
        let Expr::AggregateFunction(AggregateFunction { func, mut params }) = expr else {
            return Ok(Transformed::no(expr));
        };
        let filter = conjunction(params.filter.take().map(|filter| *filter).into_iter().chain([condition.clone()]));
        params.filter = filter.map(Box::new);
        let filtered = Expr::AggregateFunction(AggregateFunction { func, params });
        Ok(Transformed::new(filtered, true, TreeNodeRecursion::Jump))
    })
    .data()
}

/// The window functions of `expr` with `keys` as further partitions.
fn partitioned(expr: Expr, keys: &[Column]) -> Result<Expr> {
    expr.transform_down(|expr| {
        let Expr::WindowFunction(mut function) = expr else { return Ok(Transformed::no(expr)) };
        let function: &mut WindowFunction = &mut function;
        function.params.partition_by.extend(columns(keys));
        let split = Expr::WindowFunction(Box::new(function.clone()));
        Ok(Transformed::new(split, true, TreeNodeRecursion::Jump))
    })
    .data()
}
