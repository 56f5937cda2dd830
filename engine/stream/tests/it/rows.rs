//! Pushing batches through an operator, and reading what comes out.

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use velaria_contract::Result;
use velaria_stream::{MicroBatch, Operator};

pub(crate) fn push(operator: &mut dyn Operator, batch: &RecordBatch) -> Result<Vec<RecordBatch>> {
    let of = MicroBatch { epoch: 1, watermark_ms: None };
    let mut out = Vec::new();
    operator.push(batch, of, &mut out)?;
    operator.finish(of, &mut out)?;
    Ok(out)
}

/// The rows as text, in order.
pub(crate) fn rows(batches: &[RecordBatch]) -> Vec<String> {
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| row_of(batch, row))).collect()
}

fn row_of(batch: &RecordBatch, row: usize) -> String {
    let value = |column: &arrow::array::ArrayRef| {
        if column.is_null(row) { "NULL".to_owned() } else { array_value_to_string(column, row).unwrap() }
    };
    batch.columns().iter().map(value).collect::<Vec<_>>().join("|")
}
