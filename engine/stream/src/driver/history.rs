//! What the sources have said that they are done with: it goes into the commits, and back to the sources after a restart.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use velaria_contract::Result;

use crate::error::from_arrow;
use crate::operator::StateFrame;

const KIND: &str = "history";

/// The rows of one input.
#[derive(Debug, Default)]
struct Rows {
    all: Vec<RecordBatch>,
    /// So many of `all` are in a commit.
    committed: usize,
}

/// The rows of all inputs.
#[derive(Debug, Default)]
pub(crate) struct History {
    inputs: Vec<Rows>,
}

impl History {
    pub(crate) fn new(inputs: usize) -> Self {
        Self { inputs: (0..inputs).map(|_| Rows::default()).collect() }
    }

    /// Adds what the source of `input` has said with a micro-batch.
    pub(crate) fn add(&mut self, input: usize, batch: RecordBatch) {
        if let Some(rows) = self.inputs.get_mut(input) {
            rows.all.push(batch);
        }
    }

    /// Takes back `frame`, which is part of a commit; gives it back when it is not of a source.
    pub(crate) fn restore(&mut self, frame: StateFrame) -> Option<StateFrame> {
        let input = usize::try_from(u32::MAX - frame.operator).unwrap_or(usize::MAX);
        match self.inputs.get_mut(input).filter(|_| frame.kind == KIND) {
            Some(rows) => {
                rows.all.push(frame.batch);
                rows.committed = rows.all.len();
                None
            }
            None => Some(frame),
        }
    }

    /// What each source has to know that goes on.
    pub(crate) fn rows(&self) -> Vec<Vec<RecordBatch>> {
        self.inputs.iter().map(|rows| rows.all.clone()).collect()
    }

    /// What has come since the last commit.
    pub(crate) fn take_delta(&mut self) -> Vec<StateFrame> {
        let mut delta = Vec::new();
        for (operator, rows) in operators().zip(&mut self.inputs) {
            let new = rows.all.iter().skip(rows.committed).cloned();
            delta.extend(new.map(|batch| StateFrame { operator, kind: KIND.to_owned(), batch }));
            rows.committed = rows.all.len();
        }
        delta
    }

    /// Everything, each input as one batch.
    pub(crate) fn snapshot(&mut self) -> Result<Vec<StateFrame>> {
        let mut snapshot = Vec::new();
        for (operator, rows) in operators().zip(&mut self.inputs) {
            let Some(first) = rows.all.first() else { continue };
            let batch = concat_batches(&first.schema(), &rows.all).map_err(from_arrow)?;
            rows.all = vec![batch.clone()];
            rows.committed = 1;
            snapshot.push(StateFrame { operator, kind: KIND.to_owned(), batch });
        }
        Ok(snapshot)
    }
}

/// Nodes of a plan are counted from 0 on, inputs from the other end.
fn operators() -> impl Iterator<Item = u32> {
    (0..=u32::MAX).rev()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("v", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]).unwrap()
    }

    #[test]
    fn what_is_restored_from_a_snapshot_and_the_changes_after_it_is_everything() {
        let mut history = History::new(2);
        (0..3).for_each(|value| history.add(1, batch(value)));
        assert_eq!(history.take_delta().len(), 3);
        let mut frames = history.snapshot().unwrap();
        assert_eq!(frames.len(), 1, "the first input has said nothing");
        history.add(1, batch(3));
        history.add(0, batch(9));
        frames.extend(history.take_delta());
        assert!(history.take_delta().is_empty());
        let mut restored = History::new(2);
        assert!(frames.into_iter().all(|frame| restored.restore(frame).is_none()));
        let rows = |history: &History, input: usize| {
            let batches = &history.rows()[input];
            concat_batches(&batch(0).schema(), batches).unwrap()
        };
        assert_eq!(rows(&restored, 0), rows(&history, 0));
        assert_eq!(rows(&restored, 1), rows(&history, 1));
        assert!(restored.take_delta().is_empty(), "it is committed");
    }

    #[test]
    fn state_of_operators_is_left_alone() {
        let mut history = History::new(1);
        for (operator, kind) in [(0, KIND), (u32::MAX, "groups"), (u32::MAX - 1, KIND)] {
            let frame = StateFrame { operator, kind: kind.to_owned(), batch: batch(1) };
            assert!(history.restore(frame).is_some(), "{operator} {kind}");
        }
    }
}
