//! A sink that keeps what is written, for programs that look at it and for tests.
//!
//! Within one process it is transactional: the rows of an epoch are seen when it is committed. A new process begins with none.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use velaria_contract::Result;

use crate::{Epoch, Prepared, SinkContext, SinkDescription, SinkGuarantee, SinkPosition, SinkTable, StreamSink};

/// A handle on the sink; all clones mean the same one.
#[derive(Clone)]
pub struct MemorySinkTable {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    committed: VecDeque<(Epoch, RecordBatch)>,
    /// Written, and not yet committed.
    staged: VecDeque<(Epoch, RecordBatch)>,
    batches_max: Option<usize>,
    batches_written: u64,
    rows_written: u64,
}

impl Default for MemorySinkTable {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySinkTable {
    /// A sink that keeps everything.
    #[must_use]
    pub fn new() -> Self {
        Self { kept: Arc::default() }
    }

    /// A sink that keeps the last `batches_max` batches.
    #[must_use]
    pub fn with_bound(batches_max: usize) -> Self {
        let kept = Kept { batches_max: Some(batches_max), ..Kept::default() };
        Self { kept: Arc::new(Mutex::new(kept)) }
    }

    /// The batches that are committed, in order.
    #[must_use]
    pub fn batches(&self) -> Vec<RecordBatch> {
        self.lock().committed.iter().map(|(_, batch)| batch.clone()).collect()
    }

    /// The same, and lets go of them.
    #[must_use]
    pub fn take(&self) -> Vec<RecordBatch> {
        self.lock().committed.drain(..).map(|(_, batch)| batch).collect()
    }

    /// The number of batches that were committed, also those that are no longer kept.
    #[must_use]
    pub fn batches_written(&self) -> u64 {
        self.lock().batches_written
    }

    /// The number of their rows.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        self.lock().rows_written
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

// Counters and batches change together, in one step.
fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    fn publish(&mut self, last: Epoch) {
        while self.staged.front().is_some_and(|(epoch, _)| *epoch <= last) {
            let Some((epoch, batch)) = self.staged.pop_front() else { return };
            self.batches_written += 1;
            self.rows_written += batch.num_rows() as u64;
            self.committed.push_back((epoch, batch));
        }
        let most = self.batches_max.unwrap_or(usize::MAX);
        while self.committed.len() > most {
            self.committed.pop_front();
        }
    }
}

impl fmt::Debug for MemorySinkTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySinkTable").finish_non_exhaustive()
    }
}

impl SinkTable for MemorySinkTable {
    fn description(&self) -> SinkDescription {
        let guarantee = SinkGuarantee::Transactional;
        SinkDescription { name: "memory".to_owned(), blocking: false, guarantee, schema: None }
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        Ok(Box::new(MemorySink { kept: Arc::clone(&self.kept) }))
    }
}

struct MemorySink {
    kept: Arc<Mutex<Kept>>,
}

impl StreamSink for MemorySink {
    fn open(&mut self, _: &SinkContext) -> Result<()> {
        Ok(())
    }

    fn recover(&mut self, last: Option<(Epoch, &SinkPosition)>) -> Result<()> {
        let mut kept = lock(&self.kept);
        if let Some((last, _)) = last {
            kept.publish(last);
            kept.committed.retain(|(epoch, _)| *epoch <= last);
        }
        kept.staged.clear();
        Ok(())
    }

    fn write(&mut self, epoch: Epoch, batch: &RecordBatch) -> Result<()> {
        lock(&self.kept).staged.push_back((epoch, batch.clone()));
        Ok(())
    }

    fn prepare(&mut self, _: Epoch) -> Result<Prepared> {
        Ok(Prepared::default())
    }

    fn commit(&mut self, epoch: Epoch, _: &SinkPosition) -> Result<()> {
        lock(&self.kept).publish(epoch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability;
    use crate::stream::tests::{int_batch, sink_context};

    fn writer(sink: &MemorySinkTable, last: Option<Epoch>) -> Box<dyn StreamSink> {
        let mut writer = sink.writer().unwrap();
        writer.open(&sink_context(Durability::Never)).unwrap();
        let position = SinkPosition::default();
        writer.recover(last.map(|last| (last, &position))).unwrap();
        writer
    }

    #[test]
    fn rows_are_seen_when_they_are_committed() {
        let sink = MemorySinkTable::new();
        let mut first = writer(&sink, None);
        for epoch in 1..=3 {
            first.write(epoch, &int_batch(0..epoch as i64)).unwrap();
            let position = first.prepare(epoch).unwrap().position;
            assert_eq!(sink.batches_written(), epoch - 1);
            if epoch < 3 {
                first.commit(epoch, &position).unwrap();
                first.commit(epoch, &position).unwrap();
            }
        }
        assert_eq!((sink.batches_written(), sink.rows_written()), (2, 3));
        // The third was committed, but not said to be; the fourth was not.
        first.write(4, &int_batch(0..9)).unwrap();
        drop(writer(&sink, Some(3)));
        assert_eq!(sink.take().iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(sink.batches().is_empty());
    }

    #[test]
    fn a_bound_keeps_the_last_batches() {
        let sink = MemorySinkTable::with_bound(2);
        let mut writer = writer(&sink, None);
        for epoch in 1..=5 {
            writer.write(epoch, &int_batch(0..epoch as i64)).unwrap();
            writer.commit(epoch, &SinkPosition::default()).unwrap();
        }
        assert_eq!(sink.batches().iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(sink.batches_written(), 5);
    }
}
