//! Where the micro-batches of a stream come from.
//!
//! A [`StreamTable`] is what a name stands for; each query that reads it opens a [`StreamSource`] of its own. The order of
//! calls is: `open` once, `next_batch` again and again, and for each micro-batch that was written `checkpoint` before the
//! commit is made and `ack` after it is durable, in order; `close` once.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use velaria_contract::Result;

/// A place in a source, in its own words. Only the source compares offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceOffset(pub String);

impl fmt::Display for SourceOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a source can promise to a query that goes on from a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Rows that were given out are gone.
    None,
    /// It gives the rows after any offset that it gave out, again and in the same order.
    FromOffset,
}

/// Whether asking for the next micro-batch may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulling {
    /// The rows are in memory: the query asks on its own thread.
    Immediate,
    /// It may read files or wait: the query asks on a thread for this source alone.
    Blocking,
}

/// What is known of a source before it is opened.
#[derive(Debug, Clone)]
pub struct SourceDescription {
    /// The columns of every micro-batch.
    pub schema: SchemaRef,
    /// Whether the source ends.
    pub bounded: bool,
    /// What it can promise after a restart.
    pub replay: Replay,
    /// Where it is asked.
    pub pulling: Pulling,
}

/// What became of asking a source.
#[derive(Debug)]
pub enum Pull {
    /// The next micro-batch, and the offset after it.
    Batch(RecordBatch, SourceOffset),
    /// Nothing is there yet.
    Idle,
    /// Nothing will come any more.
    End,
}

/// What a source is told about the query that reads it.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// The query's id.
    pub query_id: String,
    /// The pause between two micro-batches.
    pub trigger_interval_ms: u64,
    /// Micro-batches in the queue when the call was made.
    pub backlog_batches: u64,
    /// Micro-batches in the queue or in operators when the call was made.
    pub inflight_batches: u64,
    /// The room of the queue.
    pub max_inflight_batches: u64,
    /// Where checkpoints are kept; empty without one.
    pub checkpoint_path: String,
    /// To be notified when a source that was idle has more.
    pub signal: Arc<Signal>,
    /// What [`StreamSource::take_history`] gave up to the offset to go on after, in order. Given to [`StreamSource::open`] only.
    pub history: Vec<RecordBatch>,
}

/// One micro-batch that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointMarker {
    /// The query's id.
    pub query_id: String,
    /// The offset after the micro-batch.
    pub source_offset: SourceOffset,
    /// Micro-batches that are written, with this one.
    pub batches_processed: u64,
}

/// What a source passed over, in total since it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceNotes {
    /// Malformed rows that were set aside.
    pub bad_rows: u64,
    /// Files that were passed over because they had changed.
    pub skipped_files: u64,
    /// What users should know: the first malformed row with its place, the last file passed over.
    pub warning: Option<String>,
}

/// Tells a source, from another thread, that nobody waits for its rows any more.
pub type Interrupter = Box<dyn Fn() + Send>;

/// The reader of one query.
pub trait StreamSource: Send {
    /// Begins, after `resume` if that is given and otherwise at the start.
    ///
    /// # Errors
    /// `VEL-7001` when `resume` is no offset of this source; those of reading.
    fn open(&mut self, context: &SourceContext, resume: Option<&SourceOffset>) -> Result<()>;

    /// The next micro-batch. A source that waits comes back within 100 ms with [`Pull::Idle`].
    ///
    /// # Errors
    /// Those of reading; the query fails with them.
    fn next_batch(&mut self, context: &SourceContext) -> Result<Pull>;

    /// What the source is done with since this was asked before, when an offset alone cannot tell it: it goes into the commit of the
    /// micro-batch that was just given out, and comes back with [`SourceContext::history`]. All batches have the same columns.
    fn take_history(&mut self) -> Option<RecordBatch> {
        None
    }

    /// Whether it is known already that nothing more will come: such a source does not wait for room to say so.
    fn at_end(&self) -> bool {
        false
    }

    /// A micro-batch is written and about to be committed.
    ///
    /// # Errors
    /// The query fails with them and the micro-batch is not committed.
    fn checkpoint(&mut self, marker: &CheckpointMarker) -> Result<()> {
        let _ = marker;
        Ok(())
    }

    /// Everything up to `offset` is committed and durable. May be said again after a restart.
    ///
    /// # Errors
    /// The query fails with them.
    fn ack(&mut self, offset: &SourceOffset) -> Result<()> {
        let _ = offset;
        Ok(())
    }

    /// What was passed over.
    fn notes(&self) -> SourceNotes {
        SourceNotes::default()
    }

    /// The means to end a wait inside of [`StreamSource::next_batch`] when the query stops. Asked once, after `open`.
    fn interrupter(&self) -> Option<Interrupter> {
        None
    }

    /// Lets go of what is held. Called once, also after an error.
    ///
    /// # Errors
    /// They are told, but do not undo what is committed.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A stream that queries can read.
pub trait StreamTable: fmt::Debug + Send + Sync {
    /// What is known before it is read.
    fn description(&self) -> SourceDescription;

    /// A reader for one query.
    ///
    /// # Errors
    /// `VEL-7001` when the stream can be read only once and is read already.
    fn reader(&self) -> Result<Box<dyn StreamSource>>;
}

/// Wakes whoever waits: sources that have more, and queries that are told to stop.
#[derive(Debug, Default)]
pub struct Signal {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Signal {
    /// Wakes all who wait.
    pub fn notify(&self) {
        *self.lock() += 1;
        self.changed.notify_all();
    }

    /// A number that grows with each [`Signal::notify`]: take it before looking whether there is something to do.
    #[must_use]
    pub fn count(&self) -> u64 {
        *self.lock()
    }

    /// Waits until the count is no longer `seen`, or until `timeout` has passed.
    pub fn wait(&self, seen: u64, timeout: Duration) {
        let count = self.lock();
        // Both outcomes mean the same: look again.
        drop(self.changed.wait_timeout_while(count, timeout, |count| *count == seen));
    }

    // A number cannot be left half-written.
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
