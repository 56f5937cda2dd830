//! `UPDATE`, `DELETE` and `TRUNCATE`: a query finds the rows and their new values, then the table changes at once.
//!
//! The writer of the table is held over both steps, so that no other statement changes it in between. Conditions,
//! expressions and subqueries see the table as it was before the statement.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{SchemaRef, UInt64Type};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use velaria_connector::Change;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::{Delete, Truncate, Update, position_of};

use crate::context::{Context, Spread};
use crate::dataframe::DataFrame;
use crate::error::Translator;
use crate::plan::columns::{check_assignable, positions};
use crate::plan::query::{BoundQuery, analyze};
use crate::plan::target;
use crate::result_frame::Done;

const HINT: &str = "only tables made by CREATE TABLE can be changed";

/// Runs `UPDATE`.
pub(crate) async fn update(context: &Arc<Context>, text: &str, update: Update) -> Result<Done> {
    let target = target::find(context, text, &update.table, "UPDATE", HINT)?;
    let schema = datafusion::catalog::TableProvider::schema(target.table.as_ref());
    let named = update.assignments.iter().map(|assignment| &assignment.column);
    let columns = positions(text, &schema, named, "update")?;
    let mut writer = target.table.write().await;
    let place = update.table.span;
    let values = update.assignments.into_iter().map(|assignment| assignment.value).collect();
    let bound = target::changed_rows(context, text, &target, update.alias, values, update.selection).await;
    let bound = bound.map_err(|error| match error.code() {
        // The number of the row is what is neither grouped nor aggregated.
        ErrorCode::NotGrouped => Error::new(ErrorCode::InvalidStatement, "SET takes no aggregate functions")
            .with_hint("aggregate in a subquery: SET column = (SELECT …)")
            .with_position(position_of(text, place)),
        _ => error,
    })?;
    let plan = conform(context, text, &schema, &columns, bound.plan)?;
    let batch = collect(context, text, BoundQuery { plan, open: None, clock: bound.clock }).await?;
    let rows = row_numbers(&batch)?;
    let affected = rows.len();
    let values = batch.columns().iter().skip(1).map(Arc::clone);
    writer.update(&Change { rows, columns: columns.into_iter().zip(values).collect() })?;
    Ok(Done::new("update done", affected))
}

/// Runs `DELETE`.
pub(crate) async fn delete(context: &Arc<Context>, text: &str, delete: Delete) -> Result<Done> {
    let target = target::find(context, text, &delete.table, "DELETE", HINT)?;
    let mut writer = target.table.write().await;
    if delete.selection.is_none() {
        return Ok(Done::new("delete done", writer.clear()));
    }
    let bound = target::changed_rows(context, text, &target, delete.alias, Vec::new(), delete.selection).await?;
    let rows = row_numbers(&collect(context, text, bound).await?)?;
    let affected = rows.len();
    writer.delete(rows)?;
    Ok(Done::new("delete done", affected))
}

/// Runs `TRUNCATE`.
pub(crate) async fn truncate(context: &Context, text: &str, truncate: &Truncate) -> Result<Done> {
    let target = target::find(context, text, &truncate.table, "TRUNCATE", HINT)?;
    let rows = target.table.write().await.clear();
    Ok(Done::new("truncate done", rows))
}

/// `plan` with each value as its column takes it.
fn conform(
    context: &Context,
    text: &str,
    schema: &SchemaRef,
    columns: &[usize],
    plan: LogicalPlan,
) -> Result<LogicalPlan> {
    let sources = plan.schema().columns();
    let mut items: Vec<Expr> = sources.first().cloned().map(Expr::Column).into_iter().collect();
    for ((index, source), from) in columns.iter().zip(sources.iter().skip(1)).zip(plan.schema().fields().iter().skip(1))
    {
        if let Some(field) = schema.fields().get(*index) {
            check_assignable("put", from.data_type(), field)?;
            let value = cast(Expr::Column(source.clone()), field.data_type().clone());
            items.push(value.alias(source.name.clone()));
        }
    }
    LogicalPlanBuilder::from(plan)
        .project(items)
        .and_then(LogicalPlanBuilder::build)
        .and_then(|plan| analyze(context.state(Spread::Parallel), plan))
        .map_err(|error| Translator::new(text).translate(&error))
}

async fn collect(context: &Arc<Context>, text: &str, bound: BoundQuery) -> Result<RecordBatch> {
    let frame = DataFrame::from_query(context, text, bound);
    let batches = frame.collect().await?;
    concat_batches(&frame.schema(), &batches).map_err(|error| {
        Error::new(ErrorCode::OutOfMemory, "the new values of the statement do not fit into one batch")
            .with_hint("change fewer rows at once")
            .with_source(error)
    })
}

/// The numbers of the rows, which have to be different ones.
fn row_numbers(batch: &RecordBatch) -> Result<Vec<u64>> {
    let numbers = batch.columns().first().and_then(|column| column.as_primitive_opt::<UInt64Type>());
    let rows = numbers.map(|numbers| numbers.values().to_vec()).unwrap_or_default();
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == rows.len() && rows.len() == batch.num_rows() {
        return Ok(rows);
    }
    Err(Error::new(ErrorCode::InvalidStatement, "a subquery gives more than one value for a row")
        .with_hint("aggregate in the subquery, or add LIMIT 1"))
}
