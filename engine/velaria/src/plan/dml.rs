//! `INSERT`: rows are cast to the types of the table, checked, and added all at once.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use velaria_connector::MemoryTable;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{Ident, SetExpr, Spanned};
use velaria_sql::{Insert, closest, position_of};

use crate::context::{Context, Spread};
use crate::dataframe::DataFrame;
use crate::error::Translator;
use crate::plan::kind;
use crate::plan::query::{self, BoundQuery, analyze};
use crate::result_frame::Done;
use crate::words::type_word;

/// Runs `INSERT INTO`.
pub(crate) async fn insert(context: &Arc<Context>, text: &str, insert: Insert) -> Result<Done> {
    let table = find_table(context, text, &insert.table)?;
    let name = context.catalog.spelling(&insert.table.value).unwrap_or_else(|| insert.table.value.clone());
    kind::check_writable(context.catalog.kind(&name), &insert.table.value)
        .map_err(|error| error.with_position(position_of(text, insert.table.span)))?;
    let Some(memory) = (table.as_ref() as &dyn Any).downcast_ref::<MemoryTable>() else {
        return Err(Error::new(
            ErrorCode::TableKind,
            format!("INSERT INTO is not allowed on a view: {}", insert.table.value),
        )
        .with_hint("only tables made by CREATE TABLE take rows")
        .with_position(position_of(text, insert.table.span)));
    };
    let schema = memory.schema();
    let targets = target_columns(text, &schema, &insert.columns)?;
    check_widths(text, &insert, targets.len())?;
    let bound = query::bind(context, text, insert.source).await?;
    let plan = conform(context, text, &schema, &targets, bound.plan)?;
    let frame = DataFrame::from_query(context, text, BoundQuery { plan, clock: bound.clock });
    let batches = frame.collect().await?;
    let batches = batches.into_iter().map(|batch| with_schema(batch, &schema)).collect::<Result<Vec<_>>>()?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    memory.append(batches)?;
    Ok(match rows {
        0 => Done::new("insert ignored: empty input", 0),
        rows => Done::new("insert done", rows),
    })
}

fn find_table(context: &Context, text: &str, name: &Ident) -> Result<Arc<dyn TableProvider>> {
    let spelling = match name.quote_style {
        Some(_) => None,
        None => context.catalog.spelling(&name.value),
    };
    let found = context.catalog.find(spelling.as_deref().unwrap_or(&name.value));
    found.map_err(|error| error.with_position(position_of(text, name.span)))
}

/// The positions in the table of the columns that values are given for.
fn target_columns(text: &str, schema: &SchemaRef, columns: &[Ident]) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let mut seen = BTreeSet::new();
    columns.iter().map(|column| target_column(text, schema, column, &mut seen)).collect()
}

fn target_column(text: &str, schema: &SchemaRef, column: &Ident, seen: &mut BTreeSet<usize>) -> Result<usize> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let exact = names.iter().position(|name| *name == column.value);
    let folded = || match column.quote_style {
        Some(_) => None,
        None => names.iter().position(|name| name.to_lowercase() == column.value.to_lowercase()),
    };
    let position = position_of(text, column.span);
    let Some(index) = exact.or_else(folded) else {
        let error = Error::new(ErrorCode::ColumnNotFound, format!("column not found: {}", column.value))
            .with_position(position);
        return Err(match closest(&column.value, names) {
            Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
            None => error,
        });
    };
    if seen.insert(index) {
        return Ok(index);
    }
    Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate insert column: {}", column.value))
        .with_position(position))
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

/// `plan` with the columns of the table: cast where values are given, NULL where not.
fn conform(
    context: &Context,
    text: &str,
    schema: &SchemaRef,
    targets: &[usize],
    plan: LogicalPlan,
) -> Result<LogicalPlan> {
    let sources = plan.schema().columns();
    if sources.len() != targets.len() {
        return Err(width_mismatch("SELECT", sources.len(), targets.len()));
    }
    let types: Vec<DataType> = plan.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let column = |(index, field): (usize, &Arc<Field>)| -> Result<Expr> {
        let Some(source) = targets.iter().position(|target| *target == index) else {
            return Ok(typed_null(field.data_type())?.alias(field.name()));
        };
        check_assignable(&types[source], field)?;
        Ok(cast(Expr::Column(sources[source].clone()), field.data_type().clone()).alias(field.name()))
    };
    let columns = schema.fields().iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(plan)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .and_then(|plan| analyze(context.state(Spread::Parallel), plan))
        .map_err(|error| Translator::new(text).translate(&error))
}

fn typed_null(data_type: &DataType) -> Result<Expr> {
    let null = ScalarValue::try_from(data_type).map_err(|error| Translator::new("").translate(&error))?;
    Ok(lit(null))
}

/// A value may become another kind of number, text or time, rounded to the precision of the column at most; a fraction
/// is never cut to an integer and a time never to a day in silence.
fn check_assignable(from: &DataType, field: &Field) -> Result<()> {
    let to = field.data_type();
    let numeric = |data_type: &DataType| data_type.is_numeric();
    let exact = |data_type: &DataType| data_type.is_integer();
    let text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let time =
        |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    let day = |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Date64);
    let allowed = from == to
        || from.is_null()
        || (text(from) && !to.is_nested())
        || (text(to) && !from.is_nested())
        || (numeric(from) && numeric(to) && (exact(from) || !exact(to)))
        || (time(from) && time(to) && (day(from) || !day(to)))
        || (from.is_nested() && to.is_nested() && arrow::compute::can_cast_types(from, to));
    if allowed {
        return Ok(());
    }
    let message = format!("cannot insert {} into column {} of type {}", type_word(from), field.name(), type_word(to));
    Err(Error::new(ErrorCode::TypeMismatch, message).with_hint("convert the value on purpose with CAST"))
}

/// The batch under the schema of the table, which also knows which columns may be NULL.
fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let hole = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .find(|(field, column)| !field.is_nullable() && column.null_count() > 0);
    if let Some((field, _)) = hole {
        return Err(Error::new(ErrorCode::InvalidValue, format!("NULL in column {}, which is NOT NULL", field.name())));
    }
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
        .map_err(|error| Error::new(ErrorCode::SchemaMismatch, "inserted rows do not fit the table").with_source(error))
}
