//! Joins a stream with a table, which is read once.
//!
//! The rows of a micro-batch are looked up in the table; pairs that the keys allow are then put to the rest of the condition. All of
//! it goes in pieces: a row that meets many others never makes more than a bounded number of pairs at a time. Rows keep the order of the
//! stream, and for one row that of the table.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::PhysicalExpr;
use velaria_contract::{Error, ErrorCode, Result};

use crate::error::from_datafusion;
use crate::operator::{MicroBatch, Operator};
use crate::plan::TableJoin;

mod condition;
mod emission;
mod index;
mod pairs;
mod picked;
mod table;

use condition::Condition;
use emission::Emission;
use pairs::{Pairs, Progress};
use table::Table;

/// Pairs that are looked at together, and rows of one emission.
const BATCH_ROWS: usize = 8_192;

/// The operator that joins the rows of a stream with those of a table.
///
/// # Errors
/// `VEL-3001` for a join that keeps rows of the table which meet none of the stream; those of reading the table.
pub fn join(spec: &TableJoin, input: &SchemaRef, output: &SchemaRef) -> Result<Box<dyn Operator>> {
    let kept = Kept::of(spec.join_type)?;
    let emission = Emission::new(&spec.output, kept, input, &spec.table_schema, output)?;
    let condition = spec.filter.as_ref().map(|filter| Condition::new(filter, input, &spec.table_schema)).transpose()?;
    let table = Table::read(spec)?;
    Ok(Box::new(Join {
        kept,
        stream_keys: spec.stream_keys.clone(),
        table,
        condition,
        emission,
        pairs: Pairs::default(),
    }))
}

/// Which rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The pairs.
    Inner,
    /// The pairs, and rows of the stream that are in none.
    Left,
    /// Rows of the stream that are in a pair.
    Semi,
    /// Rows of the stream that are in none.
    Anti,
    /// Rows of the stream, with whether they are in a pair.
    Mark,
}

impl Kept {
    fn of(join_type: JoinType) -> Result<Self> {
        match join_type {
            JoinType::Inner => Ok(Self::Inner),
            JoinType::Left => Ok(Self::Left),
            JoinType::LeftSemi => Ok(Self::Semi),
            JoinType::LeftAnti => Ok(Self::Anti),
            JoinType::LeftMark => Ok(Self::Mark),
            JoinType::Right | JoinType::Full | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                let message = format!("a {join_type} join of a stream with a table is not supported");
                Err(Error::new(ErrorCode::Unsupported, message).with_hint(
                    "a stream never says that a row of the table meets none of its rows: use INNER or LEFT JOIN",
                ))
            }
        }
    }

    /// Whether one pair of a row says as much as all of them.
    fn asks_only_whether(self) -> bool {
        match self {
            Self::Inner | Self::Left => false,
            Self::Semi | Self::Anti | Self::Mark => true,
        }
    }
}

struct Join {
    kept: Kept,
    stream_keys: Vec<Arc<dyn PhysicalExpr>>,
    table: Table,
    condition: Option<Condition>,
    emission: Emission,
    /// Kept for its memory.
    pairs: Pairs,
}

impl Operator for Join {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.kept.asks_only_whether() { self.push_rows(batch, out) } else { self.push_pairs(batch, out) }
    }
}

impl Join {
    /// Inner and left: the pairs of each piece follow those before.
    fn push_pairs(&mut self, batch: &RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let keys = keys_of(&self.stream_keys, batch)?;
        let probe = self.table.probe(&keys, batch.num_rows())?;
        let mut progress = Progress::new(batch.num_rows());
        let mut pairs = std::mem::take(&mut self.pairs);
        while !progress.is_done() {
            let first_row = progress.row();
            pairs.clear();
            probe.fill(&mut progress, &mut pairs, BATCH_ROWS);
            if let Some(condition) = &self.condition {
                condition.retain(batch, &self.table.batch, &mut pairs)?;
            }
            progress.mark(&pairs);
            if self.kept == Kept::Left {
                pairs.add_unmatched(first_row, &progress);
            }
            self.emission.pairs(batch, &self.table.batch, &pairs, out)?;
        }
        self.pairs = pairs;
        Ok(())
    }

    /// Semi, anti and mark: one look at each row once it is known whether it is in a pair.
    fn push_rows(&mut self, batch: &RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let keys = keys_of(&self.stream_keys, batch)?;
        let probe = self.table.probe(&keys, batch.num_rows())?;
        let mut progress = Progress::new(batch.num_rows());
        let mut pairs = std::mem::take(&mut self.pairs);
        while !progress.is_done() {
            pairs.clear();
            match &self.condition {
                None => probe.fill_first(&mut progress, &mut pairs, BATCH_ROWS),
                Some(condition) => {
                    probe.fill_unmatched(&mut progress, &mut pairs, BATCH_ROWS);
                    condition.retain(batch, &self.table.batch, &mut pairs)?;
                }
            }
            progress.mark(&pairs);
        }
        self.pairs = pairs;
        self.emission.rows(batch, progress.matched(), out)
    }
}

/// The values of the keys, all of one length.
fn keys_of(keys: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let value = |key: &Arc<dyn PhysicalExpr>| key.evaluate(batch)?.into_array(batch.num_rows());
    keys.iter().map(|key| value(key).map(|array| table::with_one_zero(&array)).map_err(from_datafusion)).collect()
}

fn internal(message: &str) -> Error {
    Error::new(ErrorCode::Internal, message)
}
