//! What the text of a statement over streams may not say: the words of the contract, each with its place.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::logical_expr::Volatility;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{
    Expr, Function, GroupByExpr, Ident, ObjectName, ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr,
    Spanned, TableFactor, Visit, Visitor,
};
use velaria_sql::{TableKind, position_of};

use crate::catalog::Catalog;

/// Functions whose value is the time at which a query starts: a query over streams has no such moment.
const CLOCK_FUNCTIONS: [&str; 5] = ["now", "current_timestamp", "current_date", "current_time", "today"];

/// Checks `query` before its names are looked up.
pub(super) fn check(text: &str, query: &Query, catalog: &Catalog, state: &SessionState) -> Result<()> {
    check_from(text, &query.body)?;
    match query.visit(&mut Checker { text, catalog, state, function: false }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => check_order(text, query),
    }
}

struct Checker<'a> {
    text: &'a str,
    catalog: &'a Catalog,
    state: &'a SessionState,
    /// Whether the next name is that of a function.
    function: bool,
}

impl Visitor for Checker<'_> {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
        match &select.having {
            Some(having) if !grouped => ControlFlow::Break(
                Error::new(ErrorCode::InvalidStatement, "GROUP BY required for HAVING")
                    .with_position(position_of(self.text, having.span())),
            ),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        self.function = matches!(factor, TableFactor::Table { args: Some(_), .. });
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Error> {
        let function = std::mem::take(&mut self.function);
        let [ObjectNamePart::Identifier(ident)] = relation.0.as_slice() else { return ControlFlow::Continue(()) };
        let name = self.catalog.spelling(&ident.value).unwrap_or_else(|| ident.value.clone());
        if function || self.catalog.kind(&name) != TableKind::Sink {
            return ControlFlow::Continue(());
        }
        let message =
            format!("table-kind constraint violation: stream SQL source table cannot be SINK TABLE: {}", ident.value);
        ControlFlow::Break(Error::new(ErrorCode::TableKind, message).with_position(position_of(self.text, ident.span)))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let Expr::Function(Function { name, .. }) = expr else { return ControlFlow::Continue(()) };
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return ControlFlow::Continue(()) };
        match self.changes(ident) {
            false => ControlFlow::Continue(()),
            true => ControlFlow::Break(
                Error::new(ErrorCode::Unsupported, format!("stream SQL does not support {}", ident.value))
                    .with_hint("its value would be another one when rows are read again after a restart; let the source give it")
                    .with_position(position_of(self.text, ident.span)),
            ),
        }
    }
}

impl Checker<'_> {
    /// Whether a function gives another value each time it is called.
    fn changes(&self, ident: &Ident) -> bool {
        let name = ident.value.to_lowercase();
        let volatile = |function: &std::sync::Arc<datafusion::logical_expr::ScalarUDF>| {
            function.signature().volatility != Volatility::Immutable
        };
        CLOCK_FUNCTIONS.contains(&name.as_str()) || self.state.scalar_functions().get(&name).is_some_and(volatile)
    }
}

/// Every SELECT at the top reads something.
fn check_from(text: &str, body: &SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(select) if select.from.is_empty() => {
            Err(Error::new(ErrorCode::Unsupported, "stream SQL requires FROM")
                .with_position(position_of(text, select.select_token.0.span)))
        }
        SetExpr::Values(_) => Err(Error::new(ErrorCode::Unsupported, "stream SQL requires FROM")),
        SetExpr::SetOperation { left, right, op, .. } => {
            if *op != velaria_sql::ast::SetOperator::Union {
                return Err(Error::new(ErrorCode::Unsupported, format!("stream SQL does not support {op}"))
                    .with_hint("IN and NOT IN compare a stream with a table")
                    .with_position(position_of(text, body.span())));
            }
            check_from(text, left)?;
            check_from(text, right)
        }
        SetExpr::Query(query) => check_from(text, &query.body),
        _ => Ok(()),
    }
}

/// A name after ORDER BY is one of the output.
fn check_order(text: &str, query: &Query) -> Result<()> {
    let (Some(order), SetExpr::Select(select)) = (&query.order_by, query.body.as_ref()) else { return Ok(()) };
    let OrderByKind::Expressions(items) = &order.kind else { return Ok(()) };
    let listed: Option<Vec<&str>> = select.projection.iter().map(output_name).collect();
    // What a star stands for is not known yet; it hides nothing.
    let Some(listed) = listed else { return Ok(()) };
    let hidden = items.iter().find_map(|item| {
        let ident = column_name(&item.expr)?;
        let known = listed.iter().any(|name| name.to_lowercase() == ident.value.to_lowercase());
        (!known).then_some(ident)
    });
    match hidden {
        None => Ok(()),
        Some(ident) => Err(Error::new(
            ErrorCode::Unsupported,
            format!("ORDER BY column must appear in SELECT output in SQL v1: {}", ident.value),
        )
        .with_position(position_of(text, ident.span))),
    }
}

fn output_name(item: &SelectItem) -> Option<&str> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(&alias.value),
        SelectItem::UnnamedExpr(expr) => column_name(expr).map(|ident| ident.value.as_str()),
        _ => None,
    }
}

fn column_name(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    }
}

/// Whether the outermost SELECT names its columns.
pub(super) fn lists_columns(query: &Query) -> bool {
    match query.body.as_ref() {
        SetExpr::Select(select) => !select
            .projection
            .iter()
            .all(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))),
        SetExpr::Query(query) => lists_columns(query),
        _ => false,
    }
}
