//! What every operator does: it takes the rows of a micro-batch and gives rows.
//!
//! Operators know nothing of checkpoints: one with state tells what changed since it was last asked, all that it keeps, and takes it
//! back. The driver decides when.

pub(crate) mod aggregate;
pub(crate) mod filter;
pub(crate) mod join;
pub(crate) mod limit;
pub(crate) mod pass;
pub(crate) mod project;
pub(crate) mod sort;
pub(crate) mod window;

use arrow::array::RecordBatch;
use velaria_contract::Result;

/// What holds for one micro-batch while it passes the operators.
#[derive(Debug, Clone, Copy)]
pub struct MicroBatch {
    /// The number of its commit.
    pub epoch: u64,
    /// The watermark before it, in milliseconds.
    pub watermark_ms: Option<i64>,
}

/// A step of a running query.
pub trait Operator: Send {
    /// Takes rows and adds the rows that follow from them to `out`, in order.
    ///
    /// # Errors
    /// Those of the values; the query fails with them.
    fn push(&mut self, batch: &RecordBatch, of: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()>;

    /// All rows of the micro-batch were pushed: adds what is emitted once for a micro-batch.
    ///
    /// # Errors
    /// Those of the values.
    fn finish(&mut self, of: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let _ = (of, out);
        Ok(())
    }

    /// The watermark has reached `watermark_ms`: adds the rows of windows that are closed by that and forgets them. Called
    /// after `finish`, in the same micro-batch.
    ///
    /// # Errors
    /// Those of the values.
    fn advance(&mut self, watermark_ms: i64, of: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let _ = (watermark_ms, of, out);
        Ok(())
    }

    /// All sources have ended, and nothing will be pushed any more: adds what was held back until then.
    ///
    /// # Errors
    /// Those of the values.
    fn end(&mut self, of: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let _ = (of, out);
        Ok(())
    }

    /// Whether no more rows can follow, whatever is pushed.
    fn is_done(&self) -> bool {
        false
    }

    /// The state, for an operator that has some.
    fn state(&mut self) -> Option<&mut dyn OperatorState> {
        None
    }

    /// The rows that a limit has counted; `None` for other operators.
    fn limit_seen(&self) -> Option<u64> {
        None
    }

    /// Makes a limit go on after the rows that it had counted.
    fn restore_limit(&mut self, seen: u64) {
        let _ = seen;
    }

    /// What it has counted.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// What an operator has counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that came after all of their windows were closed.
    pub late_rows: u64,
    /// The time that local workers worked, added up.
    pub worker_nanos: u64,
    /// The time that passed while they did.
    pub worker_wall_nanos: u64,
    /// The number of partitions of the last micro-batch.
    pub partitions: u64,
}

/// State that goes into checkpoints.
pub trait OperatorState {
    /// What changed since the last call, or since the start.
    ///
    /// # Errors
    /// `VEL-9001` when it cannot be told.
    fn delta(&mut self) -> Result<Vec<StateFrame>>;

    /// All of it; what `delta` would tell stays as it is.
    ///
    /// # Errors
    /// `VEL-9001` when it cannot be told.
    fn snapshot(&mut self) -> Result<Vec<StateFrame>>;

    /// Takes back a frame: first those of a snapshot into empty state, then those of each commit after it, in order.
    ///
    /// # Errors
    /// `VEL-6102` for a frame that it cannot have given.
    fn restore(&mut self, frame: &StateFrame) -> Result<()>;

    /// Keys that are kept.
    fn rows(&self) -> u64;

    /// Bytes in memory.
    fn bytes(&self) -> u64;
}

/// A part of an operator's state.
#[derive(Debug, Clone, PartialEq)]
pub struct StateFrame {
    /// The node of the plan.
    pub operator: u32,
    /// What the rows are: a word of the operator.
    pub kind: String,
    /// The rows.
    pub batch: RecordBatch,
}
