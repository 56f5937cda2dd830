//! The columns of pairs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use velaria_contract::Result;

use super::internal;
use super::pairs::NO_ROW;
use crate::error::from_arrow;

/// A column of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Of the stream.
    Stream(usize),
    /// Of the table.
    Table(usize),
    /// Whether a row is in a pair.
    Mark,
}

/// Pairs of rows whose columns can be taken.
pub(super) struct Picked<'a> {
    batch: &'a RecordBatch,
    table: &'a RecordBatch,
    stream_rows: Rows,
    table_rows: UInt32Array,
}

enum Rows {
    /// Rows that follow each other are not copied.
    Slice(usize, usize),
    Indices(UInt32Array),
}

impl<'a> Picked<'a> {
    pub(super) fn new(batch: &'a RecordBatch, table: &'a RecordBatch, stream_rows: &[u32], table_rows: &[u32]) -> Self {
        Self { batch, table, stream_rows: Rows::new(stream_rows), table_rows: nullable(table_rows) }
    }

    pub(super) fn column(&self, side: Side) -> Result<ArrayRef> {
        let column =
            |batch: &'a RecordBatch, index| batch.columns().get(index).ok_or_else(|| internal("a join lacks a column"));
        match side {
            Side::Stream(index) => self.stream_rows.of(column(self.batch, index)?),
            Side::Table(index) => {
                let column = column(self.table, index)?;
                if column.is_empty() {
                    return Ok(new_null_array(column.data_type(), self.table_rows.len()));
                }
                take(column, &self.table_rows, None).map_err(from_arrow)
            }
            Side::Mark => Err(internal("pairs of a join have no mark")),
        }
    }
}

impl Rows {
    fn new(rows: &[u32]) -> Self {
        let first = rows.first().copied().unwrap_or_default();
        if (first..).zip(rows).all(|(expected, row)| expected == *row) {
            Self::Slice(first as usize, rows.len())
        } else {
            Self::Indices(rows.to_vec().into())
        }
    }

    fn of(&self, column: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Slice(0, length) if *length == column.len() => Ok(Arc::clone(column)),
            Self::Slice(offset, length) => Ok(column.slice(*offset, *length)),
            Self::Indices(indices) => take(column, indices, None).map_err(from_arrow),
        }
    }
}

/// Indices that are NULL for [`NO_ROW`].
fn nullable(rows: &[u32]) -> UInt32Array {
    if !rows.contains(&NO_ROW) {
        return rows.to_vec().into();
    }
    let nulls = NullBuffer::from_iter(rows.iter().map(|row| *row != NO_ROW));
    // Kernels may look at what stands below a NULL.
    let values: Vec<u32> = rows.iter().map(|row| if *row == NO_ROW { 0 } else { *row }).collect();
    UInt32Array::new(values.into(), Some(nulls))
}
