//! Columns of state: one row per group, read and written at any groups.
//!
//! Accumulators take and give whole arrays. A micro-batch that touches most groups hands such arrays over as they are; one that
//! touches few gathers and scatters their rows. Each column changes between the two forms as it is asked.

mod chunked;
mod fixed;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, downcast_primitive};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use velaria_contract::{Error, ErrorCode};

use chunked::ChunkedColumn;
use fixed::FixedColumn;

/// One column of state.
pub(crate) trait StateColumn: Send {
    /// Writes the rows of an array to `groups`, of which each stands there once; the column then has `count` rows.
    fn scatter(&mut self, groups: &[u32], rows: &ArrayRef, count: usize) -> Result<()>;

    /// The rows of `groups`, which were all written.
    fn gather(&mut self, groups: &[u32]) -> Result<ArrayRef>;

    /// All rows.
    fn whole(&mut self) -> Result<ArrayRef>;

    /// Puts an array in the place of all rows.
    fn replace(&mut self, rows: ArrayRef);

    /// Bytes in memory.
    fn bytes(&self) -> usize;
}

/// An empty column of values of a type.
pub(crate) fn column(data_type: &DataType) -> Box<dyn StateColumn> {
    macro_rules! fixed {
        ($primitive:ty, $data_type:ident) => {
            Box::new(FixedColumn::<$primitive>::new($data_type.clone()))
        };
    }
    downcast_primitive! {
        data_type => (fixed, data_type),
        _ => Box::new(ChunkedColumn::new(data_type.clone())),
    }
}

/// The bytes of an array that are its own, when it shares none.
pub(crate) fn array_bytes(array: &dyn Array) -> usize {
    array.get_buffer_memory_size()
}

/// Views of text keep the whole memory of the array that they were taken from: they get memory of their own.
pub(crate) fn compact(rows: ArrayRef) -> ArrayRef {
    match rows.data_type() {
        DataType::Utf8View => Arc::new(rows.as_string_view().gc()),
        DataType::BinaryView => Arc::new(rows.as_binary_view().gc()),
        _ => rows,
    }
}

/// Refuses state that takes more than a query allows; `instead` says how to keep less.
pub(crate) fn check_size(bytes: u64, limit: Option<u64>, instead: &str) -> velaria_contract::Result<()> {
    match limit {
        Some(limit) if bytes > limit => Err(Error::new(
            ErrorCode::StateTooLarge,
            format!("the state of the query takes {bytes} bytes, more than max_state_bytes = {limit}"),
        )
        .with_hint(format!("raise max_state_bytes, or keep less: {instead}"))),
        _ => Ok(()),
    }
}
