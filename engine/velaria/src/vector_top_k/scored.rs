//! Rows with their numbers and scores.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use velaria_vector::Hit;

/// The column of the place of a row in its table, from zero.
pub(crate) const ROW_ID: &str = "row_id";
/// The column of the score.
pub(crate) const SCORE: &str = "score";

/// The columns of a search over rows of `schema`.
pub(crate) fn scored_schema(schema: &Schema) -> SchemaRef {
    let own = [Field::new(ROW_ID, DataType::Int64, false), Field::new(SCORE, DataType::Float64, false)];
    let fields = own.into_iter().map(Arc::new).chain(schema.fields().iter().cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// `rows` with the number and the score of each of `hits` before it.
pub(super) fn with_scores(
    rows: &RecordBatch,
    schema: &SchemaRef,
    hits: &[Hit],
    number: impl Fn(u64) -> u64,
) -> Result<RecordBatch> {
    let numbers = hits.iter().map(|hit| i64::try_from(number(hit.row_id)).unwrap_or(i64::MAX));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    let scores: ArrayRef = Arc::new(Float64Array::from_iter_values(hits.iter().map(|hit| hit.score)));
    let columns = [numbers, scores].into_iter().chain(rows.columns().iter().cloned()).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
