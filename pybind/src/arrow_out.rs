//! Results through the Arrow PyCapsule interface.
//!
//! A stream pulls batches from the running query one at a time; nothing is collected. Each export runs the query again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::{
    Array, ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchOptions, RecordBatchReader, StructArray,
};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use futures::StreamExt;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use velaria::{BatchStream, DataFrame, Error, ErrorCode, Result};

use crate::error::{say, to_py};
use crate::interrupts;
use crate::runtime::{plan, wait_from_c};

/// The rows of `frame` as an `arrow_array_stream` capsule.
pub(crate) fn stream<'py>(
    py: Python<'py>,
    frame: &DataFrame,
    requested: Option<&Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    interrupts::listen(py);
    let query = frame.clone();
    let stream = plan(py, async move { query.execute().await })?;
    say(py, &frame.take_notices())?;
    let schema = wanted_schema(py, stream.schema(), requested)?;
    let reader = Reader {
        stream: Arc::new(tokio::sync::Mutex::new(stream)),
        schema,
        pulled: VecDeque::new(),
        pull_next: 1,
        done: false,
    };
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
}

/// Rows that are there already as an `arrow_array_stream` capsule.
pub(crate) fn batches<'py>(
    py: Python<'py>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    requested: Option<&Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = wanted_schema(py, schema, requested)?;
    let wanted = Arc::clone(&schema);
    let batches = batches.into_iter().map(move |batch| cast_batch(&batch, &wanted));
    let reader = Box::new(RecordBatchIterator::new(batches, schema));
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
}

/// All rows as one struct array: an `arrow_schema` and an `arrow_array` capsule.
pub(crate) fn array<'py>(
    py: Python<'py>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    requested: Option<&Bound<'py, PyCapsule>>,
) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
    let wanted = wanted_schema(py, Arc::clone(&schema), requested)?;
    let exported = concat_batches(&schema, &batches).and_then(|batch| cast_batch(&batch, &wanted)).and_then(|batch| {
        let data = StructArray::from(batch).into_data();
        Ok((FFI_ArrowSchema::try_from(data.data_type())?, FFI_ArrowArray::new(&data)))
    });
    let (schema, array) = exported.map_err(|error| to_py(py, &cast_error(&error)))?;
    Ok((PyCapsule::new_with_value(py, schema, c"arrow_schema")?, PyCapsule::new_with_value(py, array, c"arrow_array")?))
}

/// The schema that the consumer asked for, if its columns can stand for ours.
fn wanted_schema(py: Python<'_>, own: SchemaRef, requested: Option<&Bound<'_, PyCapsule>>) -> PyResult<SchemaRef> {
    let Some(capsule) = requested else { return Ok(own) };
    let wanted = crate::arrow_in::schema_of(capsule)?;
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    if names(&wanted) == names(&own) {
        return Ok(Arc::new(wanted));
    }
    let message = format!("requested schema has columns {:?}, the frame has {:?}", names(&wanted), names(&own));
    Err(to_py(py, &Error::new(ErrorCode::SchemaMismatch, message)))
}

/// `batch` with the types of `schema`. Values that do not fit are an error and never NULL.
fn cast_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast_with_options(column, field.data_type(), &options),
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
}

fn cast_error(error: &ArrowError) -> Error {
    Error::new(ErrorCode::Cast, format!("cannot export with the requested types: {error}"))
}

/// The most batches that are taken at once from a query that has them ready.
pub(crate) const PULLED_MAX: usize = 32;

/// Batches of a running query for a consumer that speaks C.
///
/// The first batch is handed out alone and at once; then more and more are taken at a time, because each wait for the
/// engine's threads costs as much as computing a small batch.
struct Reader {
    stream: Arc<tokio::sync::Mutex<BatchStream>>,
    schema: SchemaRef,
    pulled: VecDeque<Result<RecordBatch>>,
    pull_next: usize,
    done: bool,
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.pulled.is_empty() && !self.done {
            self.pull();
        }
        let next = self.pulled.pop_front()?;
        self.done |= next.is_err();
        let batch =
            next.map_err(|error| ArrowError::ExternalError(error.report().to_string().replace('\0', "\\0").into()));
        Some(batch.and_then(|batch| cast_batch(&batch, &self.schema)))
    }
}

impl Reader {
    fn pull(&mut self) {
        let (stream, wanted) = (Arc::clone(&self.stream), self.pull_next);
        match wait_from_c(async move { Ok(pull(&mut *stream.lock().await, wanted).await) }) {
            Ok(batches) => self.pulled = batches,
            Err(error) => self.pulled.push_back(Err(error)),
        }
        self.done = self.pulled.is_empty();
        self.pull_next = (2 * wanted).min(PULLED_MAX);
    }
}

/// The next batch, and up to `wanted` in all as long as they are ready; none at the end.
pub(crate) async fn pull(stream: &mut BatchStream, wanted: usize) -> VecDeque<Result<RecordBatch>> {
    if !stream.is_brief() {
        // Not on the thread of the caller, which has to notice an interrupt.
        tokio::task::yield_now().await;
    }
    let mut batches: VecDeque<_> = stream.next().await.into_iter().collect();
    while batches.len() < wanted && batches.back().is_some_and(Result::is_ok) {
        match futures::poll!(stream.next()) {
            Poll::Ready(Some(batch)) => batches.push_back(batch),
            Poll::Ready(None) | Poll::Pending => break,
        }
    }
    batches
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
