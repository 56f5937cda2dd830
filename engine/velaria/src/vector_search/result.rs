//! The frames that searches make.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, new_empty_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_vector::Hit;

use super::rows::Rows;
use super::{HybridSearch, Outcome, VectorSearch};
use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::error::Translator;

/// The rows of a batch: no column of a batch outgrows its offsets.
const BATCH_ROWS: usize = 8192;
/// The column that a hybrid search adds.
const VECTOR_SCORE: &str = "vector_score";

/// `query_id` with several queries, `row_id`, `score`, and the payload.
pub(super) fn ranked(context: &Arc<Context>, search: &VectorSearch, outcome: &Outcome) -> Result<DataFrame> {
    let Outcome { job, found, .. } = outcome;
    let has_ids = search.queries.as_ref().is_some_and(|queries| queries.count() > 1);
    let int = |name| Arc::new(Field::new(name, DataType::Int64, true));
    let score = Arc::new(Field::new("score", DataType::Float64, true));
    let ids = has_ids.then(|| int("query_id"));
    let fields = ids.into_iter().chain([int("row_id"), score]).chain(fields(&job.rows, &job.payload));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let hits = found.hits.iter().enumerate().flat_map(|(query, hits)| hits.iter().map(move |hit| (query, *hit)));
    let hits: Vec<(usize, Hit)> = hits.collect();
    let batch = |hits: &[(usize, Hit)]| {
        let rows: Vec<Hit> = hits.iter().map(|(_, hit)| *hit).collect();
        let ids = has_ids.then(|| integers(hits.iter().map(|(query, _)| *query as u64)));
        let own = [integers(rows.iter().map(|hit| hit.row_id)), scores(&rows)];
        let payload = gathered(&job.rows, &job.payload, &rows)?;
        Ok(ids.into_iter().chain(own).chain(payload).collect())
    };
    frame(context, schema, &hits, batch)
}

/// The payload, and the score under the name that a hybrid search gives it.
pub(super) fn with_columns(context: &Arc<Context>, search: &HybridSearch, outcome: &Outcome) -> Result<DataFrame> {
    let Outcome { job, .. } = outcome;
    let payload: Vec<FieldRef> = fields(&job.rows, &job.payload).collect();
    if payload.iter().any(|field| field.name() == VECTOR_SCORE) {
        let message = format!("hybridSearch output column already exists: {VECTOR_SCORE}");
        return Err(Error::new(ErrorCode::DuplicateColumn, message)
            .with_hint("search a view that gives the column another name"));
    }
    let score = Arc::new(Field::new(VECTOR_SCORE, DataType::Float64, true));
    let schema = Arc::new(Schema::new(payload.into_iter().chain([score]).collect::<Vec<_>>()));
    let hits = kept(search, outcome);
    let batch = |hits: &[Hit]| {
        let payload = gathered(&job.rows, &job.payload, hits)?;
        Ok(payload.into_iter().chain([scores(hits)]).collect())
    };
    frame(context, schema, &hits, batch)
}

/// The rows that reach the threshold.
pub(super) fn kept(search: &HybridSearch, outcome: &Outcome) -> Vec<Hit> {
    outcome.found.hits.iter().flatten().filter(|hit| search.keeps(hit.score)).copied().collect()
}

/// A frame in memory whose batches `columns` makes of some of `hits` each.
fn frame<T>(
    context: &Arc<Context>,
    schema: SchemaRef,
    hits: &[T],
    columns: impl Fn(&[T]) -> Result<Vec<ArrayRef>, ArrowError>,
) -> Result<DataFrame> {
    let batch = |hits| RecordBatch::try_new(Arc::clone(&schema), columns(hits)?);
    let batches = hits.chunks(BATCH_ROWS).map(batch).collect::<Result<Vec<_>, ArrowError>>();
    let batches = batches.map_err(|error| Translator::new("").translate(&error.into()))?;
    // Nearest first is part of the answer, however many rows it has.
    Ok(DataFrame::from_batches(context, "result", schema, batches)?.in_order())
}

fn fields(rows: &Rows, payload: &[usize]) -> impl Iterator<Item = FieldRef> {
    payload.iter().filter_map(|index| rows.schema.fields().get(*index)).cloned()
}

fn integers(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|value| i64::try_from(value).unwrap_or(i64::MAX))))
}

fn scores(hits: &[Hit]) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(hits.iter().map(|hit| hit.score)))
}

/// The values of the payload columns in the rows that were found.
fn gathered(rows: &Rows, payload: &[usize], hits: &[Hit]) -> Result<Vec<ArrayRef>, ArrowError> {
    if payload.is_empty() {
        return Ok(Vec::new());
    }
    let places = places(rows, hits);
    let gather = |index: &usize| {
        let arrays: Vec<&dyn Array> =
            rows.batches.iter().filter_map(|batch| batch.columns().get(*index)).map(AsRef::as_ref).collect();
        match arrays.is_empty() {
            true => Ok(new_empty_array(rows.schema.field(*index).data_type())),
            false => interleave(&arrays, &places),
        }
    };
    payload.iter().map(gather).collect()
}

/// The batch of each row, and its place there.
fn places(rows: &Rows, hits: &[Hit]) -> Vec<(usize, usize)> {
    let mut ends = Vec::with_capacity(rows.batches.len());
    let mut end = 0;
    for batch in rows.batches.iter() {
        end += batch.num_rows();
        ends.push(end);
    }
    let place = |hit: &Hit| {
        let row = usize::try_from(hit.row_id).unwrap_or(usize::MAX);
        let batch = ends.partition_point(|end| *end <= row);
        let first = batch.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        (batch, row - first)
    };
    hits.iter().map(place).collect()
}
