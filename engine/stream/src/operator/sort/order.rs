//! By what rows are sorted, and how many of them are wanted.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{SortColumn, concat, interleave_record_batch, lexsort_to_indices};
use datafusion::physical_expr::PhysicalSortExpr;
use velaria_contract::Result;

use crate::error::{from_arrow, from_datafusion};

pub(crate) struct Order {
    by: Vec<PhysicalSortExpr>,
    /// The number of first rows that are wanted; `None` for all.
    pub(super) fetch: Option<usize>,
}

/// A batch and a row of it.
pub(super) type Place = (usize, usize);

impl Order {
    pub(crate) fn new(by: Vec<PhysicalSortExpr>, fetch: Option<usize>) -> Self {
        Self { by, fetch }
    }

    /// The rows that are wanted of `batches`, of which there is one at least.
    pub(super) fn sorted(&self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        picked(batches, &self.places(batches)?)
    }

    /// Where the rows that are wanted stand, in order.
    pub(super) fn places(&self, batches: &[RecordBatch]) -> Result<Vec<Place>> {
        let all =
            batches.iter().enumerate().flat_map(|(number, batch)| (0..batch.num_rows()).map(move |row| (number, row)));
        if self.by.is_empty() {
            return Ok(all.take(self.fetch.unwrap_or(usize::MAX)).collect());
        }
        let all: Vec<Place> = all.collect();
        let mut columns = self.by.iter().map(|by| sort_column(by, batches)).collect::<Result<Vec<_>>>()?;
        // The kernel does not keep the order of equal rows: their numbers decide.
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..all.len() as u64));
        columns.push(SortColumn { values: numbers, options: None });
        let indices: UInt32Array = lexsort_to_indices(&columns, self.fetch).map_err(from_arrow)?;
        Ok(indices.values().iter().filter_map(|&index| all.get(index as usize)).copied().collect())
    }
}

/// The rows at `places`.
pub(super) fn picked(batches: &[RecordBatch], places: &[Place]) -> Result<RecordBatch> {
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    interleave_record_batch(&batches, places).map_err(from_arrow)
}

fn sort_column(by: &PhysicalSortExpr, batches: &[RecordBatch]) -> Result<SortColumn> {
    let of_batch = |batch: &RecordBatch| {
        by.expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows())).map_err(from_datafusion)
    };
    let values = batches.iter().map(of_batch).collect::<Result<Vec<ArrayRef>>>()?;
    let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    let values = concat(&values).map_err(from_arrow)?;
    Ok(SortColumn { values, options: Some(by.options) })
}
