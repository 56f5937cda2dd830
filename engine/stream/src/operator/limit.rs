//! Passes the first rows of the whole query.

use arrow::array::RecordBatch;
use velaria_contract::Result;

use crate::operator::{MicroBatch, Operator};

/// `LIMIT` and `OFFSET` over everything that a query ever gives.
pub(crate) struct Limit {
    skip: u64,
    /// The end of what is passed, counted with the rows that are skipped.
    end: Option<u64>,
    /// Rows that came so far, up to the end.
    seen: u64,
}

impl Limit {
    pub(crate) fn new(skip: u64, fetch: Option<u64>) -> Self {
        Self { skip, end: fetch.map(|fetch| skip.saturating_add(fetch)), seen: 0 }
    }
}

impl Operator for Limit {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows() as u64;
        let until = self.end.unwrap_or(u64::MAX).min(self.seen.saturating_add(rows));
        let from = self.skip.clamp(self.seen, until);
        if from < until {
            // Both are within the batch, whose rows are counted in usize.
            let (offset, length) = ((from - self.seen) as usize, (until - from) as usize);
            out.push(batch.slice(offset, length));
        }
        self.seen = until;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.seen >= end)
    }

    fn limit_seen(&self) -> Option<u64> {
        Some(self.seen)
    }

    fn restore_limit(&mut self, seen: u64) {
        self.seen = seen;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};

    use super::*;

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let column: arrow::array::ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_from_iter([("v", column)]).unwrap()
    }

    #[test]
    fn it_counts_over_all_batches_and_says_when_it_is_done() {
        let of = MicroBatch { epoch: 1, watermark_ms: None };
        let mut limit = Limit::new(3, Some(4));
        let mut out = Vec::new();
        for start in [0, 2, 4, 6, 8] {
            limit.push(&batch(start..start + 2), of, &mut out).unwrap();
        }
        let values: Vec<i64> = out
            .iter()
            .flat_map(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec())
            .collect();
        assert_eq!(values, [3, 4, 5, 6]);
        assert!(limit.is_done());
        assert_eq!(limit.limit_seen(), Some(7));
        assert!(Limit::new(0, Some(0)).is_done());
        assert!(!Limit::new(5, None).is_done());
    }
}
