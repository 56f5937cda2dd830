//! Keeps the rows for which a condition is true.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;
use velaria_contract::Result;

use crate::error::{from_arrow, from_datafusion};
use crate::operator::{MicroBatch, Operator};

/// `WHERE` and `HAVING`.
pub(crate) struct Filter {
    predicate: Arc<dyn PhysicalExpr>,
}

impl Filter {
    pub(crate) fn new(predicate: Arc<dyn PhysicalExpr>) -> Self {
        Self { predicate }
    }
}

impl Operator for Filter {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let value = self.predicate.evaluate(batch).map_err(from_datafusion)?;
        let array = value.into_array(batch.num_rows()).map_err(from_datafusion)?;
        let keep = as_boolean_array(&array).map_err(from_datafusion)?;
        match true_rows(keep) {
            0 => {}
            all if all == batch.num_rows() => out.push(batch.clone()),
            _ => out.push(filter_record_batch(batch, keep).map_err(from_arrow)?),
        }
        Ok(())
    }
}

fn true_rows(keep: &BooleanArray) -> usize {
    match keep.nulls() {
        Some(nulls) if nulls.null_count() > 0 => (keep.values() & nulls.inner()).count_set_bits(),
        _ => keep.values().count_set_bits(),
    }
}
