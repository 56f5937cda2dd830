//! Which rows may be found: a condition of SQL over the columns of the table.
//!
//! The condition is the `WHERE` of a query over the rows with their numbers, so that it means what it means in a statement,
//! subqueries included. The query gives numbers, not rows: no vector moves.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::UInt64Type;
use arrow::util::bit_util;
use futures::TryStreamExt;
use velaria_connector::{NumberedTable, ROW_NUMBER};
use velaria_contract::{Error, ErrorCode, Position, Result};
use velaria_sql::Statement;
use velaria_sql::ast::{Expr, Ident, ObjectName, ObjectNamePart, Query, SetExpr, TableFactor, visit_expressions};

use super::rows::Rows;
use crate::catalog::Catalog;
use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::plan::{query, target};
use crate::stack::Roomy;

/// What stands before the condition. The condition has lines of its own, for the places in errors.
const BEFORE: &str = "SELECT 1 AS x FROM t WHERE\n";
/// The same without a condition.
const WITHOUT: &str = "SELECT 1 AS x FROM t";

/// A condition that is well formed.
#[derive(Debug)]
pub(super) struct Condition {
    /// With what stands before it.
    text: String,
    expr: Expr,
    /// Every name in it, in lower case.
    names: BTreeSet<String>,
}

impl Condition {
    /// Reads `filter`, which is one expression.
    pub(super) fn read(filter: &str) -> Result<Self> {
        let text = format!("{BEFORE}{filter}");
        if filter.trim().is_empty() {
            return Err(no_condition(filter));
        }
        let statement = velaria_sql::parse(&text).map_err(|error| placed(&text, error))?;
        let expr = condition(statement)?.ok_or_else(|| no_condition(filter))?;
        Ok(Self { names: names(&expr), text, expr })
    }

    /// Whether it may read `column`.
    pub(super) fn names(&self, column: &str) -> bool {
        self.names.contains(&column.to_lowercase())
    }

    /// The rows of the table called `table` for which it is true.
    pub(super) async fn selected(self, context: &Arc<Context>, table: &str, rows: &Rows) -> Result<BooleanBuffer> {
        let Self { text, expr, .. } = self;
        let table = context.catalog.spelling(table).unwrap_or_else(|| table.to_owned());
        let numbers = Roomy::new(&text, numbers(context, &text, &table, rows, expr)).await;
        numbers.map_err(|error| placed(&text, error))
    }
}

/// The condition of a statement that has nothing but a condition.
fn condition(statement: Statement) -> Result<Option<Expr>> {
    let Statement::Query(mut query) = statement else { return Ok(None) };
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(None) };
    let condition = select.selection.take();
    let (without, _) = target::template(WITHOUT)?;
    Ok(condition.filter(|_| *query == *without))
}

fn names(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions(expr, |expr| {
        match expr {
            Expr::Identifier(name) => drop(names.insert(name.value.to_lowercase())),
            Expr::CompoundIdentifier(parts) => names.extend(parts.iter().map(|part| part.value.to_lowercase())),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    names
}

async fn numbers(context: &Arc<Context>, text: &str, table: &str, rows: &Rows, expr: Expr) -> Result<BooleanBuffer> {
    let source = NamedRows::new(&context.catalog, rows);
    // Settled, as a query that begins again when a type changes would end the search that it belongs to.
    let bound = query::bind_settled(context, text, numbered_query(&source.name, table, expr)?).await?;
    let mut batches = DataFrame::from_query(context, text, bound).execute().await?;
    let mut selected = Selected::new(rows.count());
    while let Some(batch) = batches.try_next().await? {
        selected.add(&batch);
    }
    Ok(selected.finish())
}

/// `SELECT number FROM source AS table WHERE expr`.
fn numbered_query(source: &str, table: &str, expr: Expr) -> Result<Box<Query>> {
    let (mut query, mut select) = target::template("SELECT 1 AS x FROM t AS t")?;
    let number = Expr::Identifier(Ident::with_quote('"', ROW_NUMBER));
    select.projection = vec![target::item(number, "\0number".to_owned())];
    select.selection = Some(expr);
    if let Some(TableFactor::Table { name, alias, .. }) = select.from.first_mut().map(|from| &mut from.relation) {
        *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', source))]);
        if let Some(alias) = alias {
            alias.name = Ident::with_quote('"', table);
        }
    }
    *query.body = SetExpr::Select(select);
    Ok(query)
}

/// Rows that the catalog knows, until this is dropped, under a name that no statement can hold.
struct NamedRows<'a> {
    catalog: &'a Catalog,
    name: String,
}

impl<'a> NamedRows<'a> {
    fn new(catalog: &'a Catalog, rows: &Rows) -> Self {
        let table = Arc::new(NumberedTable::new(&rows.schema, Arc::clone(&rows.batches)));
        // The place in memory is one of this search alone as long as the table is known.
        let name = format!("\0searched {:p}", Arc::as_ptr(&table));
        catalog.name_file(&name, table);
        Self { catalog, name }
    }
}

impl Drop for NamedRows<'_> {
    fn drop(&mut self) {
        self.catalog.forget_file(&self.name);
    }
}

/// One bit for each row.
struct Selected {
    bits: Vec<u8>,
    rows: usize,
}

impl Selected {
    fn new(rows: usize) -> Self {
        Self { bits: vec![0; rows.div_ceil(8)], rows }
    }

    fn add(&mut self, numbers: &RecordBatch) {
        let numbers = numbers.columns().first().and_then(|column| column.as_primitive_opt::<UInt64Type>());
        for number in numbers.into_iter().flat_map(|numbers| numbers.values()) {
            let row = usize::try_from(*number).unwrap_or(usize::MAX);
            if row < self.rows {
                bit_util::set_bit(&mut self.bits, row);
            }
        }
    }

    fn finish(self) -> BooleanBuffer {
        BooleanBuffer::new(self.bits.into(), 0, self.rows)
    }
}

fn no_condition(filter: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, "filter must be one condition, as after WHERE")
        .with_hint(format!("got: {filter}"))
}

/// The place of `error` in the condition alone.
fn placed(text: &str, error: Error) -> Error {
    let Some(Position { line, column, length, .. }) = error.position().cloned() else { return error };
    let filter = text.strip_prefix(BEFORE).unwrap_or(text);
    match Position::in_text(filter, line.saturating_sub(1), column, length) {
        Some(position) => error.with_position(Some(position)),
        None => error,
    }
}
