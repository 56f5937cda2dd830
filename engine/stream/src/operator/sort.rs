//! Sorts: the rows of each emission, or those of the whole query once all sources have ended.
//!
//! Equal rows keep the order in which they came. What is kept until the end is state: it goes into checkpoints, and a query that
//! wants the first rows only keeps not many more than these.

mod kept;
mod order;

use arrow::array::RecordBatch;
use velaria_contract::Result;

pub(crate) use self::kept::{KeepSettings, SortAtEnd};
pub(crate) use self::order::Order;
use crate::operator::{MicroBatch, Operator};

/// `ORDER BY` of each emission.
pub(crate) struct Sort {
    order: Order,
    rows: Vec<RecordBatch>,
}

impl Sort {
    pub(crate) fn new(order: Order) -> Self {
        Self { order, rows: Vec::new() }
    }
}

impl Operator for Sort {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, _: &mut Vec<RecordBatch>) -> Result<()> {
        self.rows.push(batch.clone());
        Ok(())
    }

    fn finish(&mut self, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if !rows.is_empty() {
            out.push(self.order.sorted(&rows)?);
        }
        Ok(())
    }
}
