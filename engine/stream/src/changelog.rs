//! Turns the old and new rows of keys into changes.
//!
//! An aggregate in changelog mode gives for each key that it touched the row before and the row after, next to each other, with
//! two hidden columns: the number of the key, and whether the row is the new one. A condition behind it may take away either.
//! What is left says what happened: only the new one is an insert, only the old one a delete, both an update.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use velaria_contract::{Error, ErrorCode, Result};

use crate::error::from_arrow;

/// The name of the column that says what happened.
pub(crate) const OP: &str = "__op";

const INSERT: &str = "+I";
const UPDATE: &str = "+U";
const DELETE: &str = "-D";

/// The columns of a changelog over `schema`.
pub(crate) fn schema(schema: &SchemaRef) -> SchemaRef {
    let op = Arc::new(Field::new(OP, DataType::Utf8, false));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain([op]).collect::<Vec<_>>()))
}

/// The changes that `batch` says; `output` is [`schema`] of the plan's columns.
pub(crate) fn fold(batch: &RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
    let width = output.fields().len() - 1;
    if batch.num_columns() == width {
        let ops: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(INSERT, batch.num_rows())));
        return with_op(batch.columns().to_vec(), ops, output);
    }
    let (keys, news) = hidden(batch, width)?;
    let columns = batch.columns().iter().take(width).cloned().collect::<Vec<_>>();
    let (rows, ops) = changes(keys, news, &columns)?;
    let taken = columns.iter().map(|column| take(column, &rows, None)).collect::<Result<Vec<_>, _>>();
    with_op(taken.map_err(from_arrow)?, Arc::new(StringArray::from(ops)), output)
}

fn with_op(mut columns: Vec<ArrayRef>, ops: ArrayRef, output: &SchemaRef) -> Result<RecordBatch> {
    columns.push(ops);
    RecordBatch::try_new(Arc::clone(output), columns).map_err(from_arrow)
}

fn hidden(batch: &RecordBatch, width: usize) -> Result<(&Int64Array, &BooleanArray)> {
    let column = |index: usize| batch.columns().get(index).map(|column| column.as_any());
    let keys = column(width).and_then(|column| column.downcast_ref());
    let news = column(width + 1).and_then(|column| column.downcast_ref());
    keys.zip(news).ok_or_else(|| Error::new(ErrorCode::Internal, "a changelog without its hidden columns"))
}

fn changes(keys: &Int64Array, news: &BooleanArray, columns: &[ArrayRef]) -> Result<(UInt64Array, Vec<&'static str>)> {
    let values = comparable(columns)?;
    let (mut rows, mut ops) = (Vec::new(), Vec::new());
    let mut row = 0;
    while row < keys.len() {
        let pair =
            !news.value(row) && row + 1 < keys.len() && news.value(row + 1) && keys.value(row) == keys.value(row + 1);
        let (kept, op) = match (pair, news.value(row)) {
            (true, _) => (row + 1, UPDATE),
            (false, true) => (row, INSERT),
            (false, false) => (row, DELETE),
        };
        if !(pair && values.row(row) == values.row(row + 1)) {
            rows.push(kept as u64);
            ops.push(op);
        }
        row = if pair { row + 2 } else { row + 1 };
    }
    Ok((rows.into(), ops))
}

fn comparable(columns: &[ArrayRef]) -> Result<Rows> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(from_arrow)?;
    converter.convert_columns(columns).map_err(from_arrow)
}
