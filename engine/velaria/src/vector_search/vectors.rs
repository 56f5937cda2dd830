//! The vectors of a table, and the search among them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_vector::{Backend, Found, Part, Queries, SearchOptions, VectorColumn, search};

use super::VectorSearch;
use super::rows::Rows;
use crate::context::Context;
use crate::error::Translator;
use crate::stop::Stop;

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
}

impl Vectors {
    pub(super) fn new(rows: &Rows, column: &str, selected: Option<&BooleanBuffer>) -> Result<Self> {
        let index = rows.position(column)?;
        let mut first_row = 0;
        let parts = rows.batches.iter().map(|batch| {
            let selected = selected.map(|selected| selected.slice(first_row, batch.num_rows()));
            first_row += batch.num_rows();
            part(batch, index, selected)
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let dimension = dimension(&parts)?;
        let candidates = parts.iter().map(candidates).sum();
        Ok(Self { parts: Arc::new(parts), dimension, candidates })
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
    ) -> Result<Found> {
        let queries = request.check()?.clone();
        let _memory = self.memory(context, request, &queries)?;
        let scan = Scan { queries, metric: request.metric, top_k: request.top_k, backend, threads: context.threads() };
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
}

impl Scan {
    fn run(&self, parts: &[Part], stop: &Stop) -> Result<Found> {
        let check = || stop.check();
        let options = SearchOptions {
            metric: self.metric,
            top_k: usize::try_from(self.top_k).unwrap_or(usize::MAX),
            backend: self.backend,
            threads: self.threads,
            check: &check,
        };
        search(parts, &self.queries, &options)
    }
}

fn part(batch: &RecordBatch, column: usize, selected: Option<BooleanBuffer>) -> Result<Part> {
    let array = batch.columns().get(column);
    let array = array.ok_or_else(|| Error::new(ErrorCode::Internal, "a batch has fewer columns than its table"))?;
    Ok(Part { column: VectorColumn::try_new(array)?, selected })
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
