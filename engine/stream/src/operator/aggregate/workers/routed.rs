//! Which worker gets which rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{take, take_arrays};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use velaria_contract::Result;

use super::super::shard::{Numbers, Push};
use crate::error::{from_arrow, from_datafusion};

/// The rows of a push for all workers, of which each picks its own.
pub(super) struct Routed {
    push: Push,
    hashes: Vec<u64>,
    /// The columns that the functions read.
    columns: Arc<Vec<usize>>,
    workers: usize,
}

/// The seed of the hash that picks a worker. The tables of keys hash with another one: with the same, the keys of a worker would
/// fill a part of its table only.
const SEED: RandomState = RandomState::with_seed(0x5eed_0057);

impl Routed {
    pub(super) fn new(push: Push, columns: &Arc<Vec<usize>>, workers: usize) -> Result<Self> {
        let hashes = hashes(&push.keys, push.batch.num_rows())?;
        Ok(Self { push, hashes, columns: Arc::clone(columns), workers })
    }

    /// The rows of a worker, when there are any. Columns that no function reads keep their place, with rows that nobody looks at.
    pub(super) fn part(&self, worker: usize) -> Result<Option<Push>> {
        let rows = rows_of(&self.hashes, worker, self.workers);
        if rows.is_empty() {
            return Ok(None);
        }
        let Push { batch, keys, numbers, watermark_ms } = &self.push;
        let numbers = Numbers { first: numbers.first, picked: Some(rows.clone()) };
        let rows = UInt32Array::from(rows);
        let column = |(number, column): (usize, &ArrayRef)| match self.columns.contains(&number) {
            true => take(column, &rows, None).map_err(from_arrow),
            false => Ok(column.slice(0, rows.len())),
        };
        let picked = batch.columns().iter().enumerate().map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(batch.schema(), picked, &options).map_err(from_arrow)?;
        let keys = take_arrays(keys, &rows, None).map_err(from_arrow)?;
        Ok(Some(Push { batch, keys, numbers, watermark_ms: *watermark_ms }))
    }
}

/// The part of a batch that each worker gets; its first columns are the keys.
pub(super) fn parts_of(batch: &RecordBatch, keys: usize, workers: usize) -> Result<Vec<RecordBatch>> {
    let (keys, _) = batch.columns().split_at(keys.min(batch.num_columns()));
    let hashes = hashes(keys, batch.num_rows())?;
    let part = |worker| {
        let rows = UInt32Array::from(rows_of(&hashes, worker, workers));
        let columns = take_arrays(batch.columns(), &rows, None).map_err(from_arrow)?;
        RecordBatch::try_new(batch.schema(), columns).map_err(from_arrow)
    };
    (0..workers).map(part).collect()
}

fn hashes(keys: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0; rows];
    create_hashes(keys, &SEED, &mut hashes).map_err(from_datafusion)?;
    Ok(hashes)
}

/// The rows of a worker, found without a branch for each row: half of them would be guessed wrong.
fn rows_of(hashes: &[u64], worker: usize, workers: usize) -> Vec<u32> {
    let mut rows = vec![0; hashes.len()];
    let mut count = 0;
    for (row, hash) in (0_u32..).zip(hashes) {
        rows[count] = row;
        // The upper half of the hash, scaled: no division.
        let owner = ((hash >> 32) * workers as u64) >> 32;
        count += usize::from(owner == worker as u64);
    }
    rows.truncate(count);
    rows
}
