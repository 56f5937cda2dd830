//! The rows that a join gives.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use velaria_contract::Result;

use super::pairs::Pairs;
use super::picked::{Picked, Side};
use super::{BATCH_ROWS, Kept, internal};
use crate::error::from_arrow;

/// Which columns of which rows are given.
pub(super) struct Emission {
    kept: Kept,
    columns: Vec<Side>,
    schema: SchemaRef,
}

impl Emission {
    /// `output` are columns of the stream and then, as far as a row has them, those of the table or the mark.
    pub(super) fn new(
        output: &[usize],
        kept: Kept,
        stream: &SchemaRef,
        table: &SchemaRef,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let (width, table_width) = (stream.fields().len(), table.fields().len());
        let side = |index: usize| match kept {
            _ if index < width => Ok(Side::Stream(index)),
            Kept::Inner | Kept::Left if index - width < table_width => Ok(Side::Table(index - width)),
            Kept::Mark if index == width => Ok(Side::Mark),
            Kept::Inner | Kept::Left | Kept::Mark | Kept::Semi | Kept::Anti => {
                Err(internal("a join gives a column that it does not have"))
            }
        };
        let columns = output.iter().map(|index| side(*index)).collect::<Result<Vec<_>>>()?;
        if columns.len() != schema.fields().len() {
            return Err(internal("a join gives another number of columns than the plan says"));
        }
        Ok(Self { kept, columns, schema: Arc::clone(schema) })
    }

    /// The rows of pairs.
    pub(super) fn pairs(
        &self,
        batch: &RecordBatch,
        table: &RecordBatch,
        pairs: &Pairs,
        out: &mut Vec<RecordBatch>,
    ) -> Result<()> {
        for (stream_rows, table_rows) in pairs.stream.chunks(BATCH_ROWS).zip(pairs.table.chunks(BATCH_ROWS)) {
            let picked = Picked::new(batch, table, stream_rows, table_rows);
            out.push(self.batch(stream_rows.len(), |side| picked.column(side))?);
        }
        Ok(())
    }

    /// Rows of the stream, of which `matched` says whether they are in a pair.
    pub(super) fn rows(&self, batch: &RecordBatch, matched: &[bool], out: &mut Vec<RecordBatch>) -> Result<()> {
        let is_kept = |matched: bool| match self.kept {
            Kept::Anti => !matched,
            Kept::Semi | Kept::Inner => matched,
            Kept::Mark | Kept::Left => true,
        };
        let rows: Vec<u32> = (0..).zip(matched).filter(|(_, matched)| is_kept(**matched)).map(|(row, _)| row).collect();
        for rows in rows.chunks(BATCH_ROWS) {
            let picked = Picked::new(batch, batch, rows, &[]);
            let mark = |row: &u32| matched.get(*row as usize).copied().unwrap_or_default();
            out.push(self.batch(rows.len(), |side| match side {
                Side::Mark => Ok(Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(mark(row)))))),
                Side::Stream(_) | Side::Table(_) => picked.column(side),
            })?);
        }
        Ok(())
    }

    fn batch(&self, rows: usize, column: impl Fn(Side) -> Result<ArrayRef>) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(|side| column(*side)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(from_arrow)
    }
}
