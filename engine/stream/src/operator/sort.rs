//! Sorts the rows of each emission.

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use datafusion::physical_expr::PhysicalSortExpr;
use velaria_contract::Result;

use crate::error::{from_arrow, from_datafusion};
use crate::operator::{MicroBatch, Operator};

/// `ORDER BY`.
pub(crate) struct Sort {
    by: Vec<PhysicalSortExpr>,
    fetch: Option<usize>,
    rows: Vec<RecordBatch>,
}

impl Sort {
    pub(crate) fn new(by: Vec<PhysicalSortExpr>, fetch: Option<usize>) -> Self {
        Self { by, fetch, rows: Vec::new() }
    }
}

impl Operator for Sort {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, _: &mut Vec<RecordBatch>) -> Result<()> {
        self.rows.push(batch.clone());
        Ok(())
    }

    fn finish(&mut self, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let Some(first) = rows.first() else { return Ok(()) };
        let all = concat_batches(&first.schema(), &rows).map_err(from_arrow)?;
        let mut columns = Vec::with_capacity(self.by.len());
        for by in &self.by {
            let column = by.evaluate_to_sort_column(&all).map_err(from_datafusion)?;
            columns.push(SortColumn { values: column.values, options: column.options });
        }
        // The kernel does not keep the order of equal rows: their numbers decide.
        columns.push(numbers(all.num_rows()));
        let indices = lexsort_to_indices(&columns, self.fetch).map_err(from_arrow)?;
        out.push(take_record_batch(&all, &indices).map_err(from_arrow)?);
        Ok(())
    }
}

fn numbers(rows: usize) -> SortColumn {
    let values = arrow::array::UInt64Array::from_iter_values(0..rows as u64);
    SortColumn { values: std::sync::Arc::new(values), options: None }
}
