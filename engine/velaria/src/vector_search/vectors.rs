//! The vectors of a table, and the search among them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_vector::{Backend, Found, Part, Queries, SearchOptions, VectorColumn, search};

use super::rows::Rows;
use super::{Acceleration, VectorSearch};
use crate::context::Context;
use crate::error::Translator;
use crate::stop::Stop;
use crate::vector_cache::{Key, VectorCache};

/// What a row takes that is found: in the heap of a thread, in the order of the result, and in its columns.
const HIT_BYTES: u64 = 96;
/// Below this many bytes nothing is asked for.
const UNCOUNTED_BYTES_MAX: u64 = 1 << 20;

/// The vectors of one column, and which rows may be found.
#[derive(Debug)]
pub(super) struct Vectors {
    /// One for each batch of the table.
    parts: Arc<Vec<Part>>,
    /// The length of the vectors; 0 without any.
    pub(super) dimension: usize,
    /// The rows that have a vector and may be found.
    pub(super) candidates: u64,
    key: Key,
}

/// What a search has found.
#[derive(Debug)]
pub(super) struct Searched {
    pub(super) found: Found,
    /// The size of the compressed copy, if it was read.
    pub(super) compressed_bytes: Option<usize>,
}

impl Vectors {
    pub(super) fn new(rows: &Rows, column: &str, selected: Option<&BooleanBuffer>) -> Result<Self> {
        let index = rows.position(column)?;
        let mut first_row = 0;
        let parts = rows.batches.iter().map(|batch| {
            let selected = selected.map(|selected| selected.slice(first_row, batch.num_rows()));
            let part = part(batch, index, selected).map_err(|error| placed(error, first_row));
            first_row += batch.num_rows();
            part
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let dimension = dimension(&parts)?;
        let candidates = parts.iter().map(candidates).sum();
        Ok(Self { parts: Arc::new(parts), dimension, candidates, key: Key::new(&rows.batches, index) })
    }

    /// Whether no row of the table has a vector.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.column.vectors() == 0)
    }

    /// The rows that are nearest. A brief search runs on this thread, which must not wait for anything else.
    pub(super) async fn search(
        &self,
        context: &Context,
        request: &VectorSearch,
        backend: Backend,
        stop: &Arc<Stop>,
        is_brief: bool,
    ) -> Result<Searched> {
        let queries = request.check()?.clone();
        let _memory = self.memory(context, request, &queries)?;
        let copies = (!is_brief && request.acceleration == Acceleration::Auto)
            .then(|| (Arc::clone(&context.vectors), self.key.clone()));
        let (metric, top_k, threads) = (request.metric, request.top_k, context.threads());
        let scan = Scan { queries, metric, top_k, backend, threads, copies };
        if is_brief {
            return scan.run(&self.parts, stop);
        }
        // Who waits looks at the statement from now on; what came before may have shown another one.
        stop.watch();
        let (parts, stop) = (Arc::clone(&self.parts), Arc::clone(stop));
        let searched = tokio::task::spawn_blocking(move || scan.run(&parts, &stop)).await;
        searched.unwrap_or_else(|error| {
            Err(Error::new(ErrorCode::Internal, "the search failed")
                .with_hint("this is a bug in the engine; please report it")
                .with_source(error))
        })
    }

    /// Whether a search would read a compressed copy.
    pub(super) fn is_compressed(&self, context: &Context, request: &VectorSearch) -> bool {
        request.acceleration == Acceleration::Auto && context.vectors.ready(&self.key).is_some()
    }

    /// Room for the rows that are found.
    fn memory(
        &self,
        context: &Context,
        request: &VectorSearch,
        queries: &Queries,
    ) -> Result<Option<MemoryReservation>> {
        let hits = request.top_k.min(self.candidates).saturating_mul(queries.count() as u64);
        let bytes = hits.saturating_mul(HIT_BYTES);
        if bytes <= UNCOUNTED_BYTES_MAX {
            return Ok(None);
        }
        let memory = MemoryConsumer::new("Vector search").register(context.memory_pool());
        let grown = memory.try_grow(usize::try_from(bytes).unwrap_or(usize::MAX));
        grown.map_err(|error| Translator::new("").translate(&error))?;
        Ok(Some(memory))
    }
}

/// A search that can run on any thread.
struct Scan {
    queries: Queries,
    metric: velaria_vector::Metric,
    top_k: u64,
    backend: Backend,
    threads: usize,
    /// Where the compressed copy is, unless none is wanted.
    copies: Option<(Arc<VectorCache>, Key)>,
}

impl Scan {
    fn run(&self, parts: &[Part], stop: &Stop) -> Result<Searched> {
        let check = || stop.check();
        let options = SearchOptions {
            metric: self.metric,
            top_k: usize::try_from(self.top_k).unwrap_or(usize::MAX),
            backend: self.backend,
            threads: self.threads,
            check: &check,
        };
        let copy = match &self.copies {
            Some((copies, key)) => copies.copy(key, parts, self.threads, &check)?,
            None => None,
        };
        let found = match &copy {
            Some(copy) => copy.column.search(parts, &self.queries, &options)?,
            None => search(parts, &self.queries, &options)?,
        };
        Ok(Searched { found, compressed_bytes: copy.map(|copy| copy.column.bytes()) })
    }
}

fn part(batch: &RecordBatch, column: usize, selected: Option<BooleanBuffer>) -> Result<Part> {
    let array = batch.columns().get(column);
    let array = array.ok_or_else(|| Error::new(ErrorCode::Internal, "a batch has fewer columns than its table"))?;
    Ok(Part { column: VectorColumn::try_new(array)?, selected })
}

/// An error that counts rows from the first of its batch.
fn placed(error: Error, first_row: usize) -> Error {
    if error.code() != ErrorCode::InvalidArrow || first_row == 0 {
        return error;
    }
    let message = format!("{}, after the first {first_row} rows", error.message());
    Error::new(error.code(), message).with_hint(error.hint().unwrap_or_default())
}

/// The length that the vectors of all parts have.
fn dimension(parts: &[Part]) -> Result<usize> {
    let mut dimensions = parts.iter().filter(|part| part.column.vectors() > 0).map(|part| part.column.dimension());
    let Some(first) = dimensions.next() else { return Ok(0) };
    match dimensions.find(|dimension| *dimension != first) {
        None => Ok(first),
        Some(other) => {
            let message =
                format!("fixed vector length mismatch in vector column cache: {first} and {other} dimensions");
            Err(Error::new(ErrorCode::SchemaMismatch, message).with_hint("all vectors of a column have one length"))
        }
    }
}

fn candidates(part: &Part) -> u64 {
    let there = part.column.nulls().map(|nulls| nulls.inner());
    let count = match (there, &part.selected) {
        (None, None) => part.column.rows(),
        (Some(there), None) => there.count_set_bits(),
        (None, Some(selected)) => selected.count_set_bits(),
        (Some(there), Some(selected)) => (there & selected).count_set_bits(),
    };
    count as u64
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array};
    use arrow::datatypes::{DataType, Field, Schema};
    use velaria_vector::column::Components;

    use super::*;

    #[test]
    fn the_vectors_of_a_table_are_not_copied() {
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let values = Arc::new(Float32Array::from((0..60).map(|value| value as f32).collect::<Vec<_>>()));
        let list: ArrayRef = Arc::new(FixedSizeListArray::new(Arc::clone(&item), 3, values.clone(), None));
        let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::FixedSizeList(item, 3), true)]));
        let whole = RecordBatch::try_new(Arc::clone(&schema), vec![list]).unwrap();
        let batches = Arc::new(vec![whole.slice(0, 4), whole.slice(4, 16)]);
        let vectors = Vectors::new(&Rows { schema, batches }, "v", None).unwrap();
        let starts = vectors.parts.iter().map(|part| match part.column.components() {
            Components::F32(components) => components.as_ptr(),
            other => panic!("{other:?}"),
        });
        assert_eq!(starts.collect::<Vec<_>>(), [values.values().as_ptr(), values.slice(12, 48).values().as_ptr()]);
        assert_eq!((vectors.dimension, vectors.candidates), (3, 20));
    }
}
