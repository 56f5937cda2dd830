//! A stream that the program pushes batches into.
//!
//! Batches that were given out stay until they are acknowledged, so that a query which is started again in the same process gets
//! them again. A new process has none of them: only who pushed them can push them again, which is why the stream does not
//! promise to replay.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use velaria_contract::{Error, ErrorCode, Result};

use super::fault::no_offset;
use super::memory::fitted;
use crate::{Pull, Pulling, Replay, Signal, SourceContext, SourceDescription, SourceOffset, StreamSource, StreamTable};

/// How many batches wait at most unless it is said otherwise.
const BATCHES_MAX: usize = 1024;
/// However long this is, whoever waits is woken before.
const PATIENCE: Duration = Duration::from_secs(60);

/// A handle on the stream; all clones mean the same one, and any number of threads may push.
#[derive(Clone)]
pub struct QueueStream {
    schema: SchemaRef,
    queue: Arc<Queue>,
}

struct Queue {
    state: Mutex<State>,
    room: Condvar,
    capacity: usize,
}

/// The batches from number `first` on: `given` of them were given out to the reader of now.
#[derive(Default)]
struct State {
    batches: VecDeque<RecordBatch>,
    first: u64,
    given: usize,
    /// Whether any batch was ever given out: before that, numbers are free.
    begun: bool,
    closed: bool,
    is_read: bool,
    signal: Option<Arc<Signal>>,
}

impl QueueStream {
    /// A stream without rows yet, with room for 1024 batches.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Self {
        Self::with_capacity(schema, BATCHES_MAX)
    }

    /// A stream without rows yet, with room for `batches_max` batches that no query has taken.
    #[must_use]
    pub fn with_capacity(schema: SchemaRef, batches_max: usize) -> Self {
        let queue = Queue { state: Mutex::default(), room: Condvar::new(), capacity: batches_max.max(1) };
        Self { schema, queue: Arc::new(queue) }
    }

    /// Adds a micro-batch. When there is no room, waits for the query that reads the stream to make some.
    ///
    /// # Errors
    /// `VEL-5006` for other columns than those of the stream; `VEL-7002` when the stream is closed, also while waiting; `VEL-8001` when
    /// there is no room and no query that could make some.
    pub fn push(&self, batch: RecordBatch) -> Result<()> {
        let mut left = Some(batch);
        while let Some(batch) = left {
            left = self.offer(batch, PATIENCE)?;
        }
        Ok(())
    }

    /// Adds a micro-batch like [`QueueStream::push`], but waits no longer than `patience`: then the batch is given back.
    ///
    /// # Errors
    /// Those of [`QueueStream::push`].
    pub fn offer(&self, batch: RecordBatch, patience: Duration) -> Result<Option<RecordBatch>> {
        let batch = fitted(batch, &self.schema).ok_or_else(|| {
            Error::new(ErrorCode::SchemaMismatch, "queue stream source schema mismatch")
                .with_hint("a batch needs the columns of the stream, by name and type, in their order")
        })?;
        let signal = {
            let capacity = self.queue.capacity;
            let has_to_wait = |state: &mut State| !state.closed && state.is_read && state.waiting() >= capacity;
            let waited = self.queue.room.wait_timeout_while(self.queue.lock(), patience, has_to_wait);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.closed {
                return Err(Error::new(ErrorCode::Closed, "the stream source is closed"));
            }
            if state.waiting() >= capacity {
                return if state.is_read { Ok(Some(batch)) } else { Err(full(capacity)) };
            }
            state.batches.push_back(batch);
            state.signal.clone()
        };
        notify(signal);
        Ok(None)
    }

    /// Nothing will be pushed any more: the stream ends behind what is in it.
    pub fn close(&self) {
        let signal = {
            let mut state = self.queue.lock();
            state.closed = true;
            state.signal.clone()
        };
        self.queue.room.notify_all();
        notify(signal);
    }

    /// Whether [`QueueStream::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn full(capacity: usize) -> Error {
    Error::new(ErrorCode::OutOfMemory, "the stream source is full, and no query reads it").with_hint(format!(
        "it has room for {capacity} batches; start the query first, or push fewer and larger batches"
    ))
}

fn notify(signal: Option<Arc<Signal>>) {
    if let Some(signal) = signal {
        signal.notify();
    }
}

impl Queue {
    // Every change is made in one step, so a panic elsewhere leaves the state whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.batches.len() - self.given
    }

    /// Starts again after the first `number` batches ever.
    fn go_on_after(&mut self, number: u64) -> Result<()> {
        if !self.begun {
            // An earlier process counted up to here; what is in the queue was pushed since.
            self.first = number;
            self.given = 0;
            return Ok(());
        }
        let given = number.checked_sub(self.first).and_then(|given| usize::try_from(given).ok());
        self.given = given.filter(|given| *given <= self.batches.len()).ok_or_else(|| self.gone(number))?;
        Ok(())
    }

    fn gone(&self, number: u64) -> Error {
        Error::new(ErrorCode::InvalidArgument, format!("the stream cannot go on after batch {number}"))
            .with_hint(format!("it has batches {} to {}", self.first, self.first + self.batches.len() as u64))
    }

    fn forget_up_to(&mut self, number: u64) {
        while self.first < number && self.given > 0 {
            self.batches.pop_front();
            self.first += 1;
            self.given -= 1;
        }
    }
}

impl fmt::Debug for QueueStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl StreamTable for QueueStream {
    fn description(&self) -> SourceDescription {
        SourceDescription {
            schema: Arc::clone(&self.schema),
            bounded: false,
            replay: Replay::None,
            pulling: Pulling::Immediate,
        }
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        let mut state = self.queue.lock();
        if state.is_read {
            return Err(Error::new(ErrorCode::InvalidArgument, "the stream source is read by another query")
                .with_hint("each row is given to one query; make a stream for each"));
        }
        state.is_read = true;
        Ok(Box::new(QueueReader { queue: Arc::clone(&self.queue), is_open: true }))
    }
}

struct QueueReader {
    queue: Arc<Queue>,
    /// Whether the stream is still this one's: after closing, another may read it.
    is_open: bool,
}

impl QueueReader {
    fn release(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let mut state = self.queue.lock();
        state.is_read = false;
        state.signal = None;
        // What is not acknowledged waits for the next reader.
        state.given = 0;
        drop(state);
        self.queue.room.notify_all();
    }
}

impl StreamSource for QueueReader {
    fn open(&mut self, context: &SourceContext, resume: Option<&SourceOffset>) -> Result<()> {
        let mut state = self.queue.lock();
        state.signal = Some(Arc::clone(&context.signal));
        match resume {
            Some(offset) => {
                let number = offset.0.parse().map_err(|_| no_offset("a queue", offset))?;
                state.go_on_after(number)
            }
            None => {
                state.given = 0;
                Ok(())
            }
        }
    }

    fn next_batch(&mut self, _: &SourceContext) -> Result<Pull> {
        let mut state = self.queue.lock();
        let Some(batch) = state.batches.get(state.given).cloned() else {
            return Ok(if state.closed { Pull::End } else { Pull::Idle });
        };
        state.begun = true;
        state.given += 1;
        let offset = state.first + state.given as u64;
        drop(state);
        self.queue.room.notify_one();
        Ok(Pull::Batch(batch, SourceOffset(offset.to_string())))
    }

    fn ack(&mut self, offset: &SourceOffset) -> Result<()> {
        let number = offset.0.parse().map_err(|_| no_offset("a queue", offset))?;
        self.queue.lock().forget_up_to(number);
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.release();
        Ok(())
    }
}

impl Drop for QueueReader {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;
    use crate::stream::tests::{context, int_batch, int_schema};

    fn offset(number: u64) -> SourceOffset {
        SourceOffset(number.to_string())
    }

    fn next(reader: &mut dyn StreamSource) -> Option<(usize, String)> {
        match reader.next_batch(&context()).unwrap() {
            Pull::Batch(batch, offset) => Some((batch.num_rows(), offset.0)),
            Pull::Idle | Pull::End => None,
        }
    }

    #[test]
    fn what_is_not_acknowledged_comes_again() {
        let stream = QueueStream::new(int_schema());
        (1..=3).for_each(|rows| stream.push(int_batch(0..rows)).unwrap());
        let mut reader = stream.reader().unwrap();
        assert_eq!(stream.reader().err().unwrap().code(), ErrorCode::InvalidArgument);
        reader.open(&context(), None).unwrap();
        assert_eq!(next(reader.as_mut()), Some((1, "1".to_owned())));
        assert_eq!(next(reader.as_mut()), Some((2, "2".to_owned())));
        reader.ack(&offset(1)).unwrap();
        reader.close().unwrap();
        let closed = reader;
        let mut reader = stream.reader().unwrap();
        drop(closed);
        assert!(stream.reader().is_err());
        reader.open(&context(), Some(&offset(1))).unwrap();
        assert_eq!(next(reader.as_mut()), Some((2, "2".to_owned())));
        assert_eq!(next(reader.as_mut()), Some((3, "3".to_owned())));
        assert!(matches!(reader.next_batch(&context()).unwrap(), Pull::Idle));
        stream.close();
        assert!(matches!(reader.next_batch(&context()).unwrap(), Pull::End));
        assert_eq!(reader.open(&context(), Some(&offset(0))).unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn a_new_process_goes_on_counting_and_loses_nothing_that_was_pushed_to_it() {
        let stream = QueueStream::new(int_schema());
        stream.push(int_batch(0..4)).unwrap();
        let mut reader = stream.reader().unwrap();
        reader.open(&context(), Some(&offset(7))).unwrap();
        assert_eq!(next(reader.as_mut()), Some((4, "8".to_owned())));
    }

    #[test]
    fn refusals_are_typed() {
        let stream = QueueStream::new(int_schema());
        let other = RecordBatch::try_from_iter([("w", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        let error = stream.push(other).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::SchemaMismatch, "queue stream source schema mismatch"));
        stream.close();
        assert_eq!(stream.push(int_batch(0..1)).unwrap_err().code(), ErrorCode::Closed);
    }

    #[test]
    fn a_full_queue_makes_the_producer_wait_and_the_reader_is_woken() {
        let stream = QueueStream::with_capacity(int_schema(), 1);
        let context = context();
        let mut reader = stream.reader().unwrap();
        reader.open(&context, None).unwrap();
        let seen = context.signal.count();
        let producer = {
            let stream = stream.clone();
            std::thread::spawn(move || (1..=50).for_each(|rows| stream.push(int_batch(0..rows)).unwrap()))
        };
        context.signal.wait(seen, Duration::from_secs(10));
        let mut rows = Vec::new();
        while rows.len() < 50 {
            rows.extend(next(reader.as_mut()).map(|(rows, _)| rows));
        }
        producer.join().unwrap();
        assert_eq!(rows, (1..=50).collect::<Vec<_>>());
    }

    #[test]
    fn closing_ends_the_wait_of_a_producer() {
        let stream = QueueStream::with_capacity(int_schema(), 1);
        let reader = stream.reader().unwrap();
        stream.push(int_batch(0..1)).unwrap();
        let producer = {
            let stream = stream.clone();
            std::thread::spawn(move || stream.push(int_batch(0..1)))
        };
        stream.close();
        assert_eq!(producer.join().unwrap().unwrap_err().code(), ErrorCode::Closed);
        drop(reader);
    }

    #[test]
    fn nobody_waits_for_room_that_no_query_makes() {
        let stream = QueueStream::with_capacity(int_schema(), 2);
        let push = |stream: &QueueStream| stream.push(int_batch(0..1));
        push(&stream).unwrap();
        push(&stream).unwrap();
        assert_eq!(push(&stream).unwrap_err().code(), ErrorCode::OutOfMemory);
        let mut reader = stream.reader().unwrap();
        reader.open(&context(), None).unwrap();
        // A query that reads is waited for, as long as one likes,
        let back = stream.offer(int_batch(0..3), Duration::from_millis(1)).unwrap();
        assert_eq!(back.unwrap().num_rows(), 3);
        next(reader.as_mut()).unwrap();
        push(&stream).unwrap();
        // and when it stops, so does the wait: what it did not acknowledge takes room again.
        let producer = {
            let stream = stream.clone();
            std::thread::spawn(move || push(&stream))
        };
        reader.close().unwrap();
        assert_eq!(producer.join().unwrap().unwrap_err().code(), ErrorCode::OutOfMemory);
    }

    #[test]
    fn the_default_has_a_bound() {
        let stream = QueueStream::new(int_schema());
        (0..1024).for_each(|_| stream.push(int_batch(0..0)).unwrap());
        assert!(stream.push(int_batch(0..0)).is_err());
    }
}
