//! A sink that the program takes batches out of.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use velaria_contract::{Error, ErrorCode, Result};

use crate::{Epoch, Prepared, SinkContext, SinkDescription, SinkGuarantee, SinkTable, StreamSink};

/// How many batches wait at most unless it is said otherwise.
const BATCHES_MAX: usize = 1024;

/// A handle on the sink; all clones mean the same one.
#[derive(Clone)]
pub struct QueueSinkTable {
    queue: Arc<Queue>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct State {
    batches: VecDeque<RecordBatch>,
    closed: bool,
    interrupted: bool,
    is_written: bool,
}

impl Default for QueueSinkTable {
    fn default() -> Self {
        Self::new()
    }
}

impl QueueSinkTable {
    /// A sink with room for 1024 batches.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(BATCHES_MAX)
    }

    /// A sink with room for `batches_max` batches. When it is full the query waits.
    #[must_use]
    pub fn with_capacity(batches_max: usize) -> Self {
        let queue = Queue { state: Mutex::default(), changed: Condvar::new(), capacity: batches_max.max(1) };
        Self { queue: Arc::new(queue) }
    }

    /// The next batch, if there is one.
    #[must_use]
    pub fn poll(&self) -> Option<RecordBatch> {
        let batch = self.queue.lock().batches.pop_front();
        self.queue.changed.notify_all();
        batch
    }

    /// The next batch; waits for it until `timeout` has passed or the query has ended.
    #[must_use]
    pub fn poll_wait(&self, timeout: Duration) -> Option<RecordBatch> {
        let is_empty = |state: &mut State| state.batches.is_empty() && !state.closed;
        let waited = self.queue.changed.wait_timeout_while(self.queue.lock(), timeout, is_empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let batch = state.batches.pop_front();
        drop(state);
        self.queue.changed.notify_all();
        batch
    }

    /// Whether the query has ended; there may still be batches to poll.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.queue.lock().closed
    }
}

impl Queue {
    // Every change is made in one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for QueueSinkTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSinkTable").field("capacity", &self.queue.capacity).finish_non_exhaustive()
    }
}

impl SinkTable for QueueSinkTable {
    fn description(&self) -> SinkDescription {
        let guarantee = SinkGuarantee::AtLeastOnce;
        SinkDescription { name: "queue".to_owned(), blocking: true, guarantee, schema: None }
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        let mut state = self.queue.lock();
        if state.is_written {
            return Err(Error::new(ErrorCode::InvalidArgument, "the stream sink is written by another query")
                .with_hint("give each query a sink of its own"));
        }
        state.is_written = true;
        Ok(Box::new(QueueSink { queue: Arc::clone(&self.queue), is_open: true }))
    }

    fn interrupt(&self) {
        self.queue.lock().interrupted = true;
        self.queue.changed.notify_all();
    }
}

struct QueueSink {
    queue: Arc<Queue>,
    /// Whether the sink is still this one's: after closing, another may write it.
    is_open: bool,
}

impl QueueSink {
    fn release(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let mut state = self.queue.lock();
        state.is_written = false;
        state.closed = true;
        drop(state);
        self.queue.changed.notify_all();
    }
}

impl StreamSink for QueueSink {
    fn open(&mut self, _: &SinkContext) -> Result<()> {
        let mut state = self.queue.lock();
        state.closed = false;
        state.interrupted = false;
        Ok(())
    }

    fn write(&mut self, _: Epoch, batch: &RecordBatch) -> Result<()> {
        let is_full = |state: &mut State| !state.interrupted && state.batches.len() >= self.queue.capacity;
        let waited = self.queue.changed.wait_while(self.queue.lock(), is_full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.batches.len() >= self.queue.capacity {
            return Err(Error::new(ErrorCode::Cancelled, "the query was stopped while its sink was full")
                .with_hint("the rows were not committed; poll the sink, then start the query again"));
        }
        state.batches.push_back(batch.clone());
        drop(state);
        self.queue.changed.notify_all();
        Ok(())
    }

    fn prepare(&mut self, _: Epoch) -> Result<Prepared> {
        Ok(Prepared::default())
    }

    fn close(&mut self) -> Result<()> {
        self.release();
        Ok(())
    }
}

impl Drop for QueueSink {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability;
    use crate::stream::tests::{int_batch, sink_context};

    fn opened(sink: &QueueSinkTable) -> Box<dyn StreamSink> {
        let mut writer = sink.writer().unwrap();
        writer.open(&sink_context(Durability::Never)).unwrap();
        writer
    }

    #[test]
    fn batches_are_polled_in_order_until_the_end() {
        let sink = QueueSinkTable::new();
        let mut writer = opened(&sink);
        assert_eq!(sink.writer().err().unwrap().code(), ErrorCode::InvalidArgument);
        (1..=3).for_each(|rows| writer.write(1, &int_batch(0..rows)).unwrap());
        assert_eq!(sink.poll().unwrap().num_rows(), 1);
        assert!(!sink.closed());
        writer.close().unwrap();
        assert_eq!(sink.poll_wait(Duration::from_secs(9)).unwrap().num_rows(), 2);
        assert_eq!(sink.poll().unwrap().num_rows(), 3);
        assert!(sink.poll_wait(Duration::from_secs(9)).is_none());
        assert!(sink.closed());
    }

    #[test]
    fn a_full_sink_makes_the_query_wait_until_it_is_polled_or_stopped() {
        let sink = QueueSinkTable::with_capacity(1);
        let mut writer = opened(&sink);
        let query = std::thread::spawn(move || (1..=20).try_for_each(|rows| writer.write(1, &int_batch(0..rows))));
        for rows in 1..=10 {
            assert_eq!(sink.poll_wait(Duration::from_secs(10)).unwrap().num_rows(), rows);
        }
        sink.interrupt();
        assert_eq!(query.join().unwrap().unwrap_err().code(), ErrorCode::Cancelled);
        assert!(sink.closed());
    }
}
