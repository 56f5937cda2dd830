//! The two queries of a statement with a search: the rows that are searched, and what becomes of those that are found.

use std::ops::ControlFlow;

use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{
    Expr, GroupByExpr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor,
    TableWithJoins, Visit, Visitor,
};
use velaria_sql::{Span, Statement, position_of};

use crate::context::{Context, Spread};
use crate::plan::files;

/// Cuts `query` in two: `SELECT * FROM relation WHERE condition`, and the rest over a relation called `hidden`.
pub(super) fn split(
    context: &Context,
    text: &str,
    clause: &str,
    hidden: &str,
    mut query: Box<Query>,
) -> Result<(Box<Query>, Box<Query>)> {
    let refused = |what: &str| Error::new(ErrorCode::Unsupported, format!("{clause} does not support {what} queries"));
    let select = match query.body.as_mut() {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { .. } => return Err(refused("UNION").with_hint("search in a view of the query")),
        _ => return Err(refused("nested").with_hint("a search stands after the WHERE of one SELECT")),
    };
    if let Some(place) = aggregated(context, select) {
        let hint = "make a table or view of what is found, and aggregate that";
        return Err(refused("aggregate").with_hint(hint).with_position(position_of(text, place)));
    }
    let relation = match select.from.as_mut_slice() {
        [TableWithJoins { relation, joins }] if joins.is_empty() && !is_joined(relation) => relation,
        [] => return Err(refused("table-less").with_hint("a search needs a table to look at")),
        _ => return Err(refused("JOIN").with_hint("search in a view of the join")),
    };
    let mut inner = all_of(relation.clone())?;
    *relation = table(hidden, alias(relation))?;
    let condition = select.selection.take();
    if let SetExpr::Select(rows) = inner.body.as_mut() {
        rows.selection = condition;
    }
    inner.with = query.with.clone();
    Ok((inner, query))
}

/// `SELECT * FROM table WHERE filter`.
pub(crate) fn of_table(table: &str, filter: Option<&str>) -> Result<Box<Query>> {
    let name = Ident::with_quote('"', table);
    let mut query = parsed("SELECT * FROM t")?;
    set_relation(&mut query, |relation| {
        if let TableFactor::Table { name: own, .. } = relation {
            *own = ObjectName(vec![ObjectNamePart::Identifier(name)]);
        }
    });
    if let (Some(filter), SetExpr::Select(select)) = (filter, query.body.as_mut()) {
        select.selection = Some(condition(filter)?);
    }
    Ok(query)
}

/// The condition that `text` is, and nothing else than a condition.
fn condition(text: &str) -> Result<Expr> {
    let take = |query: &mut Query| match query.body.as_mut() {
        SetExpr::Select(select) => select.selection.take(),
        _ => None,
    };
    let refused = || Error::new(ErrorCode::Syntax, "the filter is not one condition");
    let mut query = parsed(&format!("SELECT * FROM t WHERE ({text}\n)"))?;
    let mut frame = parsed("SELECT * FROM t WHERE (TRUE)")?;
    let condition = take(&mut query).ok_or_else(refused)?;
    take(&mut frame);
    if query == frame { Ok(condition) } else { Err(refused()) }
}

fn parsed(text: &str) -> Result<Box<Query>> {
    match velaria_sql::parse(text)? {
        Statement::Query(query) => Ok(query),
        _ => Err(Error::new(ErrorCode::Syntax, "the filter is not one condition")),
    }
}

fn all_of(relation: TableFactor) -> Result<Box<Query>> {
    let mut query = parsed("SELECT * FROM t")?;
    set_relation(&mut query, |own| *own = relation);
    Ok(query)
}

fn table(name: &str, alias: Ident) -> Result<TableFactor> {
    let mut query = parsed("SELECT * FROM t")?;
    let hidden = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name))]);
    let mut found = None;
    set_relation(&mut query, |relation| {
        if let TableFactor::Table { name: own, alias: shown, .. } = relation {
            *own = hidden;
            *shown = Some(TableAlias { explicit: true, name: alias, columns: Vec::new(), at: None });
            found = Some(relation.clone());
        }
    });
    found.ok_or_else(|| Error::new(ErrorCode::Internal, "a search has no table"))
}

fn set_relation(query: &mut Query, set: impl FnOnce(&mut TableFactor)) {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        set(&mut from.relation);
    }
}

fn is_joined(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::NestedJoin { table_with_joins, .. } => {
            !table_with_joins.joins.is_empty() || is_joined(&table_with_joins.relation)
        }
        _ => false,
    }
}

/// The name by which the columns of `relation` are qualified.
fn alias(relation: &TableFactor) -> Ident {
    let (name, alias) = match relation {
        TableFactor::Table { name, alias, .. } => (name.0.last(), alias.as_ref()),
        TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => (None, alias.as_ref()),
        _ => (None, None),
    };
    match (alias, name) {
        (Some(alias), _) => alias.name.clone(),
        (None, Some(ObjectNamePart::Identifier(path))) if path.quote_style == Some('\'') => {
            Ident::with_quote('"', files::shown_name(&path.value))
        }
        (None, Some(ObjectNamePart::Identifier(name))) => name.clone(),
        (None, _) => Ident::with_quote('"', "search"),
    }
}

/// Where `select` makes groups.
fn aggregated(context: &Context, select: &Select) -> Option<Span> {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, modifiers) => !keys.is_empty() || !modifiers.is_empty(),
    };
    if grouped || select.having.is_some() {
        return Some(Span::empty());
    }
    let is_aggregate = |name: &str| context.state(Spread::Parallel).aggregate_functions().contains_key(name);
    let mut finder = Aggregates { is_aggregate, depth: 0 };
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    items.map(|expr| expr.visit(&mut finder)).find_map(ControlFlow::break_value)
}

/// Finds an aggregate that is no window function and stands in no subquery.
struct Aggregates<F> {
    is_aggregate: F,
    depth: usize,
}

impl<F: Fn(&str) -> bool> Visitor for Aggregates<F> {
    type Break = Span;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Span> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Span> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
        match expr {
            Expr::Function(call) if self.depth == 0 && call.over.is_none() => match call.name.0.as_slice() {
                [ObjectNamePart::Identifier(name)] if (self.is_aggregate)(&name.value.to_lowercase()) => {
                    ControlFlow::Break(name.span)
                }
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}
