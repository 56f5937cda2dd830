//! The rows that may be found, kept until it is known which ones are.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::memory_pool::MemoryReservation;

/// How many rows a batch of the result has at most.
const BATCH_ROWS_MAX: usize = 8192;

/// Rows with their numbers, in ascending order.
#[derive(Debug)]
pub(super) struct Kept {
    parts: Vec<Part>,
    rows: usize,
    /// For the copies of the rows.
    memory: MemoryReservation,
}

#[derive(Debug)]
struct Part {
    ids: Vec<u64>,
    batch: RecordBatch,
}

impl Kept {
    pub(super) fn new(memory: MemoryReservation) -> Self {
        Self { parts: Vec::new(), rows: 0, memory }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Keeps the rows of `batch` at `places`, which ascend; its first row has the number `first_row`. The numbers are larger
    /// than all that are kept.
    pub(super) fn add(&mut self, batch: &RecordBatch, places: Vec<u32>, first_row: u64) -> DataFusionResult<()> {
        if places.is_empty() {
            return Ok(());
        }
        let ids = places.iter().map(|place| first_row + u64::from(*place)).collect();
        // A copy also when all rows are taken: a slice would keep the whole of a large table.
        let batch = take_record_batch(batch, &UInt32Array::from(places))?;
        self.insert(Part { ids, batch })
    }

    fn insert(&mut self, part: Part) -> DataFusionResult<()> {
        self.memory.try_grow(part.bytes())?;
        self.rows += part.ids.len();
        self.parts.push(part);
        Ok(())
    }

    /// Forgets all rows but `ids`, which ascend.
    pub(super) fn retain(&mut self, ids: &[u64]) -> DataFusionResult<()> {
        let before = std::mem::take(&mut self.parts);
        let bytes = before.iter().map(Part::bytes).sum();
        self.rows = 0;
        for ids in ids.chunks(BATCH_ROWS_MAX) {
            let batch = gathered(&before, ids)?;
            self.insert(Part { ids: ids.to_vec(), batch })?;
        }
        drop(before);
        self.memory.shrink(bytes);
        Ok(())
    }

    /// The rows `ids`, in this order, with `scores` as further columns.
    pub(super) fn ranked(
        &self,
        schema: &SchemaRef,
        ids: &[u64],
        scores: &[ArrayRef],
    ) -> DataFusionResult<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for (place, ids) in ids.chunks(BATCH_ROWS_MAX).enumerate() {
            let rows = gathered(&self.parts, ids)?;
            let first = place * BATCH_ROWS_MAX;
            let scores = scores.iter().map(|scores| scores.slice(first, ids.len()));
            let columns = rows.columns().iter().cloned().chain(scores).collect();
            batches.push(RecordBatch::try_new(Arc::clone(schema), columns)?);
        }
        Ok(batches)
    }
}

impl Part {
    fn bytes(&self) -> usize {
        self.batch.get_array_memory_size() + self.ids.capacity() * size_of::<u64>()
    }
}

fn gathered(parts: &[Part], ids: &[u64]) -> DataFusionResult<RecordBatch> {
    let places = ids.iter().map(|id| place(parts, *id)).collect::<Option<Vec<_>>>();
    let places = places.ok_or_else(|| DataFusionError::Internal("a row that was found is not kept".to_owned()))?;
    let batches: Vec<&RecordBatch> = parts.iter().map(|part| &part.batch).collect();
    Ok(interleave_record_batch(&batches, &places)?)
}

fn place(parts: &[Part], id: u64) -> Option<(usize, usize)> {
    let index = parts.partition_point(|part| part.ids.last().is_none_or(|last| *last < id));
    let row = parts.get(index)?.ids.binary_search(&id).ok()?;
    Some((index, row))
}
