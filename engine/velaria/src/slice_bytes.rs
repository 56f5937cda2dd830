//! How much memory rows take.

use arrow::array::{Array, RecordBatch};
use arrow::error::ArrowError;

/// What the rows of `batch` take; of a slice of a larger one its own rows only.
pub(crate) fn slice_bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}
