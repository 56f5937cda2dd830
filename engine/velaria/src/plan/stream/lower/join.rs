//! Joins of a stream with a table: the table is read when the query starts.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::{DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Operator, binary_expr};
use velaria_contract::Result;
use velaria_stream::{NodeKind, TableJoin, TableReader};

use super::{Lowering, Rows, arrow_schema, unsupported};
use crate::clock::ClockUse;
use crate::dataframe::DataFrame;
use crate::plan::query::BoundQuery;
use crate::plan::stream::leaf::reads_stream;
use crate::plan::stream::lines::{self, Shown};
use crate::runtime::wait;

/// A join as seen with the stream on the left.
struct Sides<'a> {
    stream: &'a LogicalPlan,
    table: &'a LogicalPlan,
    join_type: JoinType,
    /// Pairs of keys, that of the stream first.
    on: Vec<(Expr, Expr)>,
    /// Whether the columns of the table come first.
    swapped: bool,
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join, shown: &Shown) -> Result<Rows> {
        let sides = sides(join)?;
        let rows = self.node(sides.stream, shown)?;
        let (on, filter) = conditions(join, &sides);
        let table = sides.table.schema();
        let keys = |side: fn(&(Expr, Expr)) -> &Expr, schema: &DFSchema| {
            on.iter().map(|pair| self.bound(side(pair), schema)).collect::<Result<Vec<_>>>()
        };
        let (stream_keys, table_keys) = (keys(|pair| &pair.0, &rows.schema)?, keys(|pair| &pair.1, table)?);
        let both = rows.schema.join(table).map_err(|error| self.translate(&error))?;
        let bound_filter = filter.as_ref().map(|filter| self.bound(filter, &both)).transpose()?;
        let output = output(&sides, rows.schema.fields().len(), table.fields().len());
        let line = line(&sides, &on, filter.as_ref(), shown);
        let spec = TableJoin {
            join_type: sides.join_type,
            stream_keys,
            table_keys,
            null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
            filter: bound_filter,
            table_schema: arrow_schema(table),
            output: output.clone(),
            table: self.reader(sides.table),
        };
        let made = self.push(NodeKind::Join(spec), vec![rows.node], &join.schema, vec![line]);
        let window =
            rows.window.and_then(|(column, window)| Some((output.iter().position(|index| *index == column)?, window)));
        Ok(Rows { window, grouped: rows.grouped, ..made })
    }

    /// The table is a query of its own, which the session runs like any other.
    fn reader(&self, table: &LogicalPlan) -> TableReader {
        let query = BoundQuery { plan: table.clone(), open: None, clock: ClockUse::Never };
        let frame = DataFrame::from_query(self.context, self.text, query);
        let schema = arrow_schema(table.schema());
        Arc::new(move || {
            let frame = frame.clone();
            let batches = wait(async move { frame.collect().await }, || Ok(()))?;
            batches.iter().map(|batch| typed(batch, &schema)).collect()
        })
    }
}

/// Rows leave the engine with the types that every consumer knows; inside they have those of the plan.
fn typed(batch: &RecordBatch, schema: &arrow::datatypes::SchemaRef) -> Result<RecordBatch> {
    crate::output::plain_batch(batch, schema).map_err(|error| {
        velaria_contract::Error::new(velaria_contract::ErrorCode::Internal, "the rows of a table have other types")
            .with_source(error)
    })
}

fn sides(join: &Join) -> Result<Sides<'_>> {
    let (left, right) = (join.left.as_ref(), join.right.as_ref());
    match (reads_stream(left), reads_stream(right)) {
        (true, true) => Err(unsupported("stream SQL does not support JOIN of two streams")
            .with_hint("UNION ALL takes rows of several streams; a table can be joined with a stream")),
        (_, false) => {
            let join_type = match join.join_type {
                kept @ (JoinType::Inner
                | JoinType::Left
                | JoinType::LeftSemi
                | JoinType::LeftAnti
                | JoinType::LeftMark) => kept,
                other => return Err(table_first(other)),
            };
            let on = join.on.clone();
            Ok(Sides { stream: left, table: right, join_type, on, swapped: false })
        }
        (false, true) => {
            let join_type = match join.join_type {
                JoinType::Inner => JoinType::Inner,
                JoinType::Right => JoinType::Left,
                JoinType::RightSemi => JoinType::LeftSemi,
                JoinType::RightAnti => JoinType::LeftAnti,
                JoinType::RightMark => JoinType::LeftMark,
                other => return Err(table_first(other)),
            };
            let on = join.on.iter().map(|(left, right)| (right.clone(), left.clone())).collect();
            Ok(Sides { stream: right, table: left, join_type, on, swapped: true })
        }
    }
}

fn table_first(join_type: JoinType) -> velaria_contract::Error {
    let word = join_type.to_string().to_uppercase();
    unsupported(format!("stream SQL does not support JOIN that keeps the rows of a table: {word}"))
        .with_hint("whether a row of the table has no partner is known only when the stream ends")
}

/// The keys, and what else has to hold. `NOT IN` takes a comparison with NULL for a match that is not known.
fn conditions(join: &Join, sides: &Sides<'_>) -> (Vec<(Expr, Expr)>, Option<Expr>) {
    let filter = join.filter.clone().filter(|filter| !lines::is_true(filter));
    if !join.null_aware {
        return (sides.on.clone(), filter);
    }
    let unknown =
        |(stream, table): &(Expr, Expr)| binary_expr(stream.clone(), Operator::Eq, table.clone()).is_not_false();
    let all = sides.on.iter().map(unknown).chain(filter);
    (Vec::new(), datafusion::logical_expr::utils::conjunction(all))
}

/// The columns of stream and table in the order of the rows.
fn output(sides: &Sides<'_>, stream: usize, table: usize) -> Vec<usize> {
    match sides.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => (0..stream).collect(),
        JoinType::LeftMark => (0..=stream).collect(),
        _ if sides.swapped => (stream..stream + table).chain(0..stream).collect(),
        _ => (0..stream + table).collect(),
    }
}

fn line(sides: &Sides<'_>, on: &[(Expr, Expr)], filter: Option<&Expr>, shown: &Shown) -> String {
    let keys: Vec<String> =
        on.iter().map(|(stream, table)| format!("{} = {}", shown.sql(stream), shown.sql(table))).collect();
    let filter = filter.map(|filter| format!(" filter={}", shown.sql(filter))).unwrap_or_default();
    let word = sides.join_type.to_string().to_lowercase();
    let word = word.strip_prefix("left").filter(|rest| !rest.is_empty()).unwrap_or(&word);
    format!("Join type={word} table={} on=[{}]{filter}", table_name(sides.table), keys.join(", "))
}

/// The first name that the statement has for the table.
fn table_name(plan: &LogicalPlan) -> String {
    let name = match plan {
        LogicalPlan::TableScan(scan) => Some(scan.table_name.table()),
        // Subqueries get names that no statement has.
        LogicalPlan::SubqueryAlias(alias) => Some(alias.alias.table()).filter(|name| !name.starts_with("__")),
        _ => None,
    };
    match (name, plan.inputs().first()) {
        (Some(name), _) => name.to_owned(),
        (None, Some(input)) => table_name(input),
        (None, None) => "values".to_owned(),
    }
}
