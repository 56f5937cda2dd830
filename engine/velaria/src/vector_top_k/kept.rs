//! The batches that hold the nearest rows so far.
//!
//! Batches are kept as they come, for copying rows costs more than holding on to a few batches. When they take much memory,
//! or more than there is, the rows that are still among the nearest are copied together and all others let go.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

use crate::slice_bytes::slice_bytes;

/// Up to this size batches are kept whole.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// See the module.
pub(super) struct Kept {
    schema: SchemaRef,
    held: Vec<Held>,
    bytes: usize,
    bytes_max: usize,
    memory: MemoryReservation,
}

struct Held {
    rows: Rows,
    batch: RecordBatch,
}

/// The rows of a batch, ascending.
enum Rows {
    /// One after the other, from this one on.
    From(u64),
    Listed(Vec<u64>),
}

impl Held {
    fn first(&self) -> u64 {
        match &self.rows {
            Rows::From(first) => *first,
            Rows::Listed(ids) => ids.first().copied().unwrap_or_default(),
        }
    }

    /// The place of a row.
    fn place(&self, id: u64) -> Option<usize> {
        match &self.rows {
            Rows::From(first) => {
                let place = usize::try_from(id.checked_sub(*first)?).ok()?;
                (place < self.batch.num_rows()).then_some(place)
            }
            Rows::Listed(ids) => ids.binary_search(&id).ok(),
        }
    }
}

impl Kept {
    pub(super) fn new(schema: &SchemaRef, pool: &Arc<dyn MemoryPool>) -> Self {
        Self {
            schema: Arc::clone(schema),
            held: Vec::new(),
            bytes: 0,
            bytes_max: KEPT_BYTES_MAX,
            memory: MemoryConsumer::new("VectorTopK").register(pool),
        }
    }

    /// Keeps `batch`, whose first row is `first`. `needed` says which rows are needed still.
    pub(super) fn push(&mut self, first: u64, batch: RecordBatch, needed: impl FnOnce() -> Vec<u64>) -> Result<()> {
        self.bytes += bytes_of(&batch);
        self.held.push(Held { rows: Rows::From(first), batch });
        if self.bytes > self.bytes_max || self.memory.try_resize(self.bytes).is_err() {
            self.compact(needed())?;
            self.memory.try_resize(self.bytes)?;
        }
        Ok(())
    }

    fn compact(&mut self, mut needed: Vec<u64>) -> Result<()> {
        needed.sort_unstable();
        let batch = gather(std::slice::from_ref(self), &needed)?;
        self.bytes = bytes_of(&batch);
        // Rows that are needed for long would be copied again and again.
        self.bytes_max = KEPT_BYTES_MAX.max(2 * self.bytes);
        self.held = vec![Held { rows: Rows::Listed(needed), batch }];
        Ok(())
    }
}

/// The rows `ids`, in their order, out of those that were kept for each partition.
pub(super) fn gather(kept: &[Kept], ids: &[u64]) -> Result<RecordBatch> {
    let held: Vec<&Held> = kept.iter().flat_map(|kept| &kept.held).filter(|held| held.batch.num_rows() > 0).collect();
    let mut places = Vec::with_capacity(ids.len());
    for id in ids {
        let at = held.partition_point(|held| held.first() <= *id).checked_sub(1);
        let place = at.and_then(|at| Some((at, held.get(at)?.place(*id)?)));
        places.push(place.ok_or_else(|| DataFusionError::Internal("a row that was found was let go".to_owned()))?);
    }
    let batches: Vec<&RecordBatch> = held.iter().map(|held| &held.batch).collect();
    match kept.first() {
        Some(kept) if places.is_empty() => Ok(RecordBatch::new_empty(Arc::clone(&kept.schema))),
        _ => Ok(interleave_record_batch(&batches, &places)?),
    }
}

/// What the rows of `batch` take, which may be a slice of a larger one.
fn bytes_of(batch: &RecordBatch) -> usize {
    slice_bytes(batch).unwrap_or_else(|_| batch.get_array_memory_size())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};

    use super::*;

    fn numbers(from: i64, to: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    fn taken(kept: &[Kept], ids: &[u64]) -> Vec<i64> {
        gather(kept, ids).unwrap().column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_are_found_again_in_any_order_and_after_others_were_let_go() {
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let mut kept = Kept::new(&numbers(0, 0).schema(), &pool);
        kept.push(0, numbers(0, 10), Vec::new).unwrap();
        kept.push(10, numbers(10, 20), Vec::new).unwrap();
        let mut other = Kept::new(&numbers(0, 0).schema(), &pool);
        other.push(1 << 44, numbers(100, 103), Vec::new).unwrap();
        kept.compact(vec![13, 4]).unwrap();
        kept.push(20, numbers(20, 25), Vec::new).unwrap();
        let kept = [kept, other];
        assert_eq!(taken(&kept, &[24, (1 << 44) + 2, 4, 13]), [24, 102, 4, 13]);
        assert_eq!(taken(&kept, &[]), Vec::<i64>::new());
        assert!(gather(&kept, &[5]).is_err());
    }

    #[test]
    fn memory_that_is_not_there_is_taken_from_rows_that_are_not_needed() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1000));
        let mut kept = Kept::new(&numbers(0, 0).schema(), &pool);
        kept.push(0, numbers(0, 100), Vec::new).unwrap();
        kept.push(100, numbers(100, 200), || vec![7, 150]).unwrap();
        assert_eq!(taken(&[kept], &[150, 7]), [150, 7]);
    }
}
