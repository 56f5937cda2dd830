//! Columns of state: one row per group, read and written at any groups.
//!
//! Accumulators take and give whole arrays. A micro-batch that touches most groups hands such arrays over as they are; one that
//! touches few gathers and scatters their rows. Each column changes between the two forms as it is asked.

mod chunked;
mod fixed;

use arrow::array::{Array, ArrayRef, downcast_primitive};
use arrow::datatypes::DataType;
use datafusion::common::Result;

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
