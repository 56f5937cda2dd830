//! `SUMMARIZE`: statistics of each column, computed in one pass over the rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::Column;
use datafusion::functions_aggregate::expr_fn::{avg, count, count_distinct, max, min, stddev};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Sort};
use datafusion::logical_expr::{Expr, cast, lit};
use velaria_contract::Result;
use velaria_sql::Subject;

use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::plan::describe::{result_frame, subject_frame};
use crate::words::type_word;

/// The aggregates of one column, in order.
const PER_COLUMN: usize = 9;

/// Runs `SUMMARIZE`.
pub(crate) async fn summarize(context: &Arc<Context>, text: &str, subject: Subject) -> Result<DataFrame> {
    let frame = subject_frame(context, text, subject).await?;
    let schema = frame.schema();
    let rows = [count(lit(1_i64)).alias("rows")];
    let of_column = |(index, (column, field)): (usize, (Column, &Arc<Field>))| aggregates(index, column, field);
    let columns = frame.columns()?.into_iter().zip(schema.fields()).enumerate().flat_map(of_column);
    let batches = frame.aggregate(rows.into_iter().chain(columns).collect())?.collect().await?;
    let Some(totals) = batches.first() else { return Err(empty()) };
    summary(context, schema.fields(), totals)
}

/// The aggregates of one column; NULL where its type has none.
fn aggregates(index: usize, column: Column, field: &Field) -> [Expr; PER_COLUMN] {
    let data_type = field.data_type();
    let value = || Expr::Column(column.clone());
    let number = || cast(value(), DataType::Float64);
    let text = |expr: Expr| cast(expr, DataType::Utf8);
    let no_text = || min(lit(datafusion::common::ScalarValue::Utf8(None)));
    let no_number = || min(lit(datafusion::common::ScalarValue::Float64(None)));
    let ordered = !data_type.is_nested() && !matches!(data_type, DataType::Interval(_));
    let quantile = |part: f64| if data_type.is_numeric() { percentile(number(), part) } else { no_number() };
    let name = |expr: Expr, part: usize| expr.alias(format!("{index}.{part}"));
    [
        name(if ordered { text(min(value())) } else { no_text() }, 0),
        name(if ordered { text(max(value())) } else { no_text() }, 1),
        name(
            match data_type.is_nested() {
                false => count_distinct(value()),
                true if has_text(data_type) => count_distinct(text(value())),
                true => no_number(),
            },
            2,
        ),
        name(if data_type.is_numeric() { avg(number()) } else { no_number() }, 3),
        name(if data_type.is_numeric() { stddev(number()) } else { no_number() }, 4),
        name(quantile(0.25), 5),
        name(quantile(0.5), 6),
        name(quantile(0.75), 7),
        name(count(value()), 8),
    ]
}

/// Whether values of a type can be told apart by their text.
fn has_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => has_text(item.data_type()),
        other => !other.is_nested(),
    }
}

fn percentile(value: Expr, part: f64) -> Expr {
    let order = vec![Sort::new(value.clone(), true, false)];
    let arguments = vec![value, lit(part)];
    Expr::AggregateFunction(AggregateFunction::new_udf(percentile_cont_udaf(), arguments, false, None, order, None))
}

fn summary(context: &Arc<Context>, fields: &[Arc<Field>], totals: &RecordBatch) -> Result<DataFrame> {
    let cell = |index: usize, part: usize| totals.columns().get(1 + index * PER_COLUMN + part);
    let indices = || 0..fields.len();
    let texts = |part: usize| -> ArrayRef {
        let text = |index| cell(index, part).and_then(first_text);
        Arc::new(indices().map(text).collect::<StringArray>())
    };
    let floats = |part: usize| -> ArrayRef {
        let float = |index| cell(index, part).and_then(first_float);
        Arc::new(indices().map(float).collect::<Float64Array>())
    };
    let integer = |index, part| cell(index, part).and_then(first_integer);
    let rows = totals.columns().first().and_then(first_integer).unwrap_or(0);
    let counts = || Arc::new(indices().map(|_| Some(rows)).collect::<Int64Array>()) as ArrayRef;
    let nulls = |index| integer(index, 8).map(|filled| percentage(rows - filled, rows));
    let names = fields.iter().map(|field| Some(field.name().clone())).collect::<StringArray>();
    let types = fields.iter().map(|field| Some(type_word(field.data_type()))).collect::<StringArray>();
    result_frame(
        context,
        [
            ("column_name", Arc::new(names) as ArrayRef, true),
            ("column_type", Arc::new(types), true),
            ("min", texts(0), true),
            ("max", texts(1), true),
            ("approx_unique", Arc::new(indices().map(|index| integer(index, 2)).collect::<Int64Array>()), true),
            ("avg", floats(3), true),
            ("std", floats(4), true),
            ("q25", floats(5), true),
            ("q50", floats(6), true),
            ("q75", floats(7), true),
            ("count", counts(), true),
            ("null_percentage", Arc::new(indices().map(nulls).collect::<Float64Array>()), true),
        ],
    )
}

/// Rounded to two digits; zero of nothing is zero.
#[expect(clippy::cast_precision_loss, reason = "a percentage with two digits needs no more than 53 bits")]
fn percentage(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 * 10_000.0 / whole as f64).round() / 100.0 }
}

fn first_text(cells: &ArrayRef) -> Option<String> {
    cells
        .as_string_opt::<i32>()
        .filter(|cells| cells.len() == 1 && !cells.is_null(0))
        .map(|cells| cells.value(0).to_owned())
}

fn first_float(cells: &ArrayRef) -> Option<f64> {
    cells
        .as_primitive_opt::<Float64Type>()
        .filter(|cells| cells.len() == 1 && !cells.is_null(0))
        .map(|cells| cells.value(0))
}

fn first_integer(cells: &ArrayRef) -> Option<i64> {
    cells
        .as_primitive_opt::<Int64Type>()
        .filter(|cells| cells.len() == 1 && !cells.is_null(0))
        .map(|cells| cells.value(0))
}

fn empty() -> velaria_contract::Error {
    velaria_contract::Error::new(velaria_contract::ErrorCode::Internal, "an aggregate gave no row")
}
