//! The table that a statement changes, and queries over its rows.

use std::sync::Arc;

use velaria_connector::{MemoryTable, ROW_NUMBER};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, TableFactor};
use velaria_sql::{Statement, position_of};

use crate::catalog::{Entry, numbered};
use crate::context::Context;
use crate::plan::kind;
use crate::plan::query::{self, BoundQuery};

/// A table made by `CREATE TABLE`, under the name by which the catalog knows it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) table: Arc<MemoryTable>,
}

/// The table called `ident`. `word` is the statement, for the message; `hint` says which tables it takes.
pub(crate) fn find(context: &Context, text: &str, ident: &Ident, word: &str, hint: &str) -> Result<Target> {
    let name = spelling(context, ident);
    let position = position_of(text, ident.span);
    match context.catalog.entry(&name).map_err(|error| error.with_position(position.clone()))? {
        Entry::Table(table) => {
            kind::check_writable(context.catalog.kind(&name), word, &ident.value)
                .map_err(|error| error.with_position(position))?;
            Ok(Target { name, table })
        }
        Entry::Source(_) => {
            kind::check_writable(context.catalog.kind(&name), word, &ident.value)
                .map_err(|error| error.with_position(position.clone()))?;
            Err(Error::new(
                ErrorCode::TableKind,
                format!("{word} is not allowed on a table over files: {}", ident.value),
            )
            .with_hint("its rows are those of the files; CREATE TABLE … AS SELECT keeps a copy that can change")
            .with_position(position))
        }
        // They begin with the words of the contract: only stream SQL sees them.
        Entry::Sink(_) => {
            Err(Error::new(ErrorCode::TableKind, format!("view not found: {}: it is a stream sink", ident.value))
                .with_hint("it takes the rows of stream queries: start_stream_sql")
                .with_position(position))
        }
        Entry::Stream(_) => Err(Error::new(ErrorCode::TableNotFound, format!("view not found: {}", ident.value))
            .with_hint("it is a stream: read it with stream SQL")
            .with_position(position)),
        Entry::Frame(_) | Entry::View(_) => {
            Err(Error::new(ErrorCode::TableKind, format!("{word} is not allowed on a view: {}", ident.value))
                .with_hint(hint)
                .with_position(position))
        }
    }
}

/// The name that `ident` stands for: itself when it is quoted, else as the catalog spells it.
pub(crate) fn spelling(context: &Context, ident: &Ident) -> String {
    let found = match ident.quote_style {
        Some(_) => None,
        None => context.catalog.spelling(&ident.value),
    };
    found.unwrap_or_else(|| ident.value.clone())
}

/// `SELECT number, value, … FROM target AS alias WHERE selection`: the rows that a statement changes.
///
/// Only a writer of the table may ask: the numbers hold as long as nobody else changes it.
pub(crate) async fn changed_rows(
    context: &Context,
    text: &str,
    target: &Target,
    alias: Option<Ident>,
    values: Vec<Expr>,
    selection: Option<Expr>,
) -> Result<BoundQuery> {
    let number = Expr::Identifier(Ident::with_quote('"', ROW_NUMBER));
    let items = std::iter::once(number).chain(values);
    let (mut query, mut select) = template("SELECT 1 AS x FROM t AS t")?;
    select.projection = items.enumerate().map(|(index, expr)| item(expr, format!("\0{index}"))).collect();
    select.selection = selection;
    if let Some(TableFactor::Table { name, alias: given, .. }) = select.from.first_mut().map(|from| &mut from.relation)
    {
        let source = Ident::with_quote('"', numbered(&target.name));
        *name = ObjectName(vec![ObjectNamePart::Identifier(source)]);
        if let Some(given) = given {
            given.name = alias.unwrap_or_else(|| Ident::with_quote('"', &target.name));
        }
    }
    *query.body = SetExpr::Select(select);
    let bound = query::bind_settled(context, text, query).await?;
    match context.catalog.entry(&target.name) {
        Ok(Entry::Table(table)) if Arc::ptr_eq(&table, &target.table) => Ok(bound),
        _ => Err(Error::new(ErrorCode::TableNotFound, format!("table was dropped meanwhile: {}", target.name))
            .with_hint("another thread dropped or replaced it while the statement began")),
    }
}

/// One item of a list, with a name that no statement can hold.
pub(crate) fn item(expr: Expr, alias: String) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) }
}

/// A query to fill in, and the SELECT that is its body.
pub(crate) fn template(text: &str) -> Result<(Box<Query>, Box<Select>)> {
    let Statement::Query(query) = velaria_sql::parse(text)? else { return Err(no_template()) };
    let SetExpr::Select(select) = query.body.as_ref() else { return Err(no_template()) };
    let select = select.clone();
    Ok((query, select))
}

fn no_template() -> Error {
    Error::new(ErrorCode::Internal, "the template of a query is no query")
}
