//! `INSERT`: rows are cast to the types of the table, checked, and added all at once.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use velaria_connector::MemoryTable;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{SetExpr, Spanned};
use velaria_sql::{Insert, OnConflict, position_of};

use crate::clock::ClockUse;
use crate::context::{Context, Spread};
use crate::dataframe::DataFrame;
use crate::error::Translator;
use crate::plan::columns::{check_assignable, positions};
use crate::plan::query::{self, BoundQuery, analyze};
use crate::plan::target;
use crate::result_frame::Done;
use crate::variables;

/// Runs `INSERT INTO` and `REPLACE INTO`.
pub(crate) async fn insert(context: &Arc<Context>, text: &str, insert: Insert) -> Result<Done> {
    let target =
        target::find(context, text, &insert.table, "INSERT INTO", "only tables made by CREATE TABLE take rows")?;
    let schema = target.table.schema();
    let targets = match insert.columns.as_slice() {
        [] => (0..schema.fields().len()).collect(),
        columns => positions(text, &schema, columns, "insert")?,
    };
    check_widths(text, &insert, targets.len())?;
    let bound = query::bind_settled(context, text, insert.source).await?;
    let (plan, clock) = conform(context, text, &target.table, &targets, bound)?;
    let frame = DataFrame::from_query(context, text, BoundQuery { plan, open: None, clock });
    let batches = variables::owned(context, frame.collect().await?)?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut writer = target.table.write().await;
    match insert.on_conflict {
        OnConflict::Fail => writer.append(batches)?,
        OnConflict::Replace => writer.replace(batches)?,
    }
    Ok(match rows {
        0 => Done::new("insert ignored: empty input", 0),
        rows => Done::new("insert done", rows),
    })
}

fn check_widths(text: &str, insert: &Insert, expected: usize) -> Result<()> {
    let SetExpr::Values(values) = insert.source.body.as_ref() else { return Ok(()) };
    match values.rows.iter().find(|row| row.content.len() != expected) {
        None => Ok(()),
        Some(row) => {
            let span = row.content.first().map(Spanned::span);
            Err(width_mismatch("VALUES", row.content.len(), expected)
                .with_position(span.and_then(|span| position_of(text, span))))
        }
    }
}

fn width_mismatch(source: &str, found: usize, expected: usize) -> Error {
    Error::new(ErrorCode::InsertColumnCount, format!("INSERT {source} column count mismatch"))
        .with_hint(format!("expected {expected} values, found {found}"))
}

/// The query with the columns of the table: cast where values are given, the default or NULL where not.
fn conform(
    context: &Context,
    text: &str,
    table: &MemoryTable,
    targets: &[usize],
    bound: BoundQuery,
) -> Result<(LogicalPlan, ClockUse)> {
    let BoundQuery { plan, mut clock, .. } = bound;
    let sources = plan.schema().columns();
    if sources.len() != targets.len() {
        return Err(width_mismatch("SELECT", sources.len(), targets.len()));
    }
    let mut columns = Vec::new();
    for (index, field) in table.schema().fields().iter().enumerate() {
        let source = targets.iter().position(|target| *target == index);
        let source = source.and_then(|source| Some((sources.get(source)?, plan.schema().fields().get(source)?)));
        let value = match (source, table.get_column_default(field.name())) {
            (Some((source, from)), _) => {
                check_assignable("insert", from.data_type(), field)?;
                cast(Expr::Column(source.clone()), field.data_type().clone())
            }
            (None, Some(default)) => {
                // A default may be the time at which the statement runs.
                clock = ClockUse::AtStart;
                default.clone()
            }
            (None, None) => typed_null(field.data_type())?,
        };
        columns.push(value.alias(field.name()));
    }
    let plan = LogicalPlanBuilder::from(plan)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .and_then(|plan| analyze(context.state(Spread::Parallel), plan))
        .map_err(|error| Translator::new(text).translate(&error))?;
    Ok((plan, clock))
}

fn typed_null(data_type: &DataType) -> Result<Expr> {
    let null = ScalarValue::try_from(data_type).map_err(|error| Translator::new("").translate(&error))?;
    Ok(lit(null))
}
