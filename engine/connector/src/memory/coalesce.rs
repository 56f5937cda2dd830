//! Small batches become large ones as a table grows.
//!
//! Each batch is at least twice as long as the one after it, up to a limit. So a table that is filled row by row has few
//! batches, and each of its rows is copied a number of times that grows with the logarithm of the limit only.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

/// Batches of more rows are not merged.
const ROWS_MAX: usize = 8192;
/// Batches of more bytes are not merged: the offsets of text columns end at 2 GiB.
const BYTES_MAX: usize = 64 << 20;

/// Appends `batch`, and merges it with those before it that are not much longer.
pub(super) fn push(batches: &mut Vec<RecordBatch>, batch: RecordBatch) {
    if batch.num_rows() == 0 {
        return;
    }
    let mut start = batches.len();
    let mut rows = batch.num_rows();
    let mut bytes = batch.get_array_memory_size();
    while let Some(before) = start.checked_sub(1).and_then(|index| batches.get(index)) {
        bytes += before.get_array_memory_size();
        if before.num_rows() >= 2 * rows || rows + before.num_rows() > ROWS_MAX || bytes > BYTES_MAX {
            break;
        }
        rows += before.num_rows();
        start -= 1;
    }
    batches.push(batch);
    if batches.len() - start < 2 {
        return;
    }
    let tail = batches.split_off(start);
    match tail.first().map(|first| concat_batches(&first.schema(), &tail)) {
        Some(Ok(merged)) => batches.push(merged),
        // What cannot be merged stands as well in parts.
        Some(Err(_)) | None => batches.extend(tail),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn single_rows_become_few_batches_in_order() {
        let mut batches = Vec::new();
        for number in 0..20_000_i64 {
            let column = Arc::new(Int64Array::from(vec![number])) as ArrayRef;
            push(&mut batches, RecordBatch::try_from_iter([("n", column)]).unwrap());
        }
        assert!(batches.len() < 20, "{}", batches.len());
        let seen: Vec<i64> =
            batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        assert_eq!(seen, (0..20_000).collect::<Vec<_>>());
    }
}
