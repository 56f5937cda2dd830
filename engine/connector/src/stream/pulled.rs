//! A stream of items that the program gives one at a time, on a thread of its own.
//!
//! The thread puts items into an [`Inlet`], which has room for two micro-batches and no more. Items become a micro-batch when
//! there are enough of them, when the first of them has waited long enough, whether or not another one comes, and at the end.
//! The thread is never waited for longer than [`FAREWELL`]: it may be in a call that does not come back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use velaria_contract::{Error, ErrorCode, Result};

use super::fault::no_offset;
use super::memory::fitted;
use crate::{
    Interrupter, Pull, Pulling, Replay, SourceContext, SourceDescription, SourceOffset, StreamSource, StreamTable,
};

/// How long a reader without items waits before it says so.
const WAIT: Duration = Duration::from_millis(100);
/// How long a reader that is closed waits for the thread to let go of what it reads.
const FAREWELL: Duration = Duration::from_millis(100);
/// Micro-batches that wait to be taken, beside the one that is being filled.
const READY_MAX: usize = 1;

/// What gives the items.
pub trait ItemSource: fmt::Debug + Send + Sync + 'static {
    /// One item.
    type Item: Send + 'static;

    /// The micro-batch of these items, of which there is at least one.
    ///
    /// # Errors
    /// The query fails with them.
    fn batch(&self, items: Vec<Self::Item>) -> Result<RecordBatch>;

    /// Starts a thread that puts the items into `inlet`, those after [`Inlet::resume`] if that is given. The inlet is dropped
    /// when the thread has let go of what it reads.
    ///
    /// # Errors
    /// The query does not start then.
    fn start(&self, inlet: Inlet<Self::Item>) -> Result<()>;
}

/// What happens when the items are asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rereading {
    /// They are gone.
    Never,
    /// It begins at the start, with items that need not be the same.
    Anew,
    /// It begins at the start with the same items: an offset is a number of items.
    Same,
    /// It begins after any offset that it has named itself. Only one thread at a time may read it.
    ByOffset,
}

/// When items become a micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// When there are so many, at least 1.
    pub rows: usize,
    /// When the first of them has waited so long.
    pub after: Duration,
}

/// The stream of the items of an [`ItemSource`].
#[derive(Debug)]
pub struct PulledStream<S> {
    source: Arc<S>,
    schema: SchemaRef,
    bounded: bool,
    rereading: Rereading,
    cut: Cut,
    /// Whether it was read, of a source that can be read once; whether it is read, of one that is read by one thread at a time.
    taken: Arc<AtomicBool>,
}

impl<S: ItemSource> PulledStream<S> {
    /// A stream of `source`, whose micro-batches have the columns of `schema`.
    pub fn new(source: S, schema: SchemaRef, bounded: bool, rereading: Rereading, cut: Cut) -> Self {
        Self { source: Arc::new(source), schema, bounded, rereading, cut, taken: Arc::default() }
    }

    fn take(&self) -> Result<()> {
        let exclusive = matches!(self.rereading, Rereading::Never | Rereading::ByOffset);
        if !exclusive || !self.taken.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        Err(match self.rereading {
            Rereading::ByOffset => Error::new(ErrorCode::InvalidArgument, "the stream source is read by another query")
                .with_hint("each row is given to one query; wait until the other one has let go of the source"),
            _ => Error::new(ErrorCode::InvalidArgument, "the stream source can be read once, and was").with_hint(
                "an iterator is used up by its query: make a new stream, or give the source offset() and seek()",
            ),
        })
    }
}

impl<S: ItemSource> StreamTable for PulledStream<S> {
    fn description(&self) -> SourceDescription {
        let replay = match self.rereading {
            Rereading::Never | Rereading::Anew => Replay::None,
            Rereading::Same | Rereading::ByOffset => Replay::FromOffset,
        };
        let schema = Arc::clone(&self.schema);
        SourceDescription { schema, bounded: self.bounded, replay, pulling: Pulling::Blocking }
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        self.take()?;
        Ok(Box::new(PulledReader {
            source: Arc::clone(&self.source),
            schema: Arc::clone(&self.schema),
            rereading: self.rereading,
            shared: Arc::new(Shared::new(self.cut)),
            taken: Arc::clone(&self.taken),
            is_open: false,
        }))
    }
}

/// Items, or a micro-batch that is whole already.
#[derive(Debug)]
pub enum Piece<T> {
    /// One item.
    Item(T),
    /// One micro-batch, which has the columns of the stream.
    Batch(RecordBatch),
}

/// What became of a piece.
#[derive(Debug)]
pub enum Offered<T> {
    /// It is in the stream.
    Taken,
    /// There is no room now: wait for it with [`Inlet::wait_for_room`].
    Full(Piece<T>),
    /// Nobody wants more.
    Stopped,
}

/// Where a thread puts what it pulls. Dropping it says that the thread has let go of what it reads.
pub struct Inlet<T> {
    shared: Arc<Shared<T>>,
    query_id: String,
    resume: Option<SourceOffset>,
    /// What the source is free of when this is dropped.
    taken: Option<Arc<AtomicBool>>,
}

impl<T> Inlet<T> {
    /// The id of the query that reads.
    #[must_use]
    pub fn query_id(&self) -> &str {
        &self.query_id
    }

    /// Where to go on, in the words of a source that reads by offset.
    #[must_use]
    pub fn resume(&self) -> Option<&SourceOffset> {
        self.resume.as_ref()
    }

    /// Puts one piece in, if there is room; `offset` is the place behind it, of a source that reads by offset.
    pub fn offer(&self, piece: Piece<T>, offset: Option<&SourceOffset>) -> Offered<T> {
        self.shared.offer(piece, offset.cloned())
    }

    /// Waits until there is room or nobody wants more, for `patience` at the most; whether the wait is over.
    #[must_use]
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        let has_to_wait = |state: &mut State<T>| !state.stopping && state.is_full();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, has_to_wait);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !has_to_wait(&mut state)
    }

    /// Nothing more will come, for `outcome`. Whether anybody is told.
    pub fn end(&self, outcome: Result<()>) -> bool {
        let mut state = self.shared.lock();
        let told = !state.stopping && state.end.is_none();
        let short = state.skip;
        state.end.get_or_insert(outcome.and_then(|()| if short > 0 { Err(too_short(short)) } else { Ok(()) }));
        drop(state);
        self.shared.changed.notify_all();
        told
    }
}

fn too_short(missing: u64) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("the stream source has {missing} items less than were read before"))
        .with_hint("a query goes on after the items that it has read; give it a source that begins with them")
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        let ended = Error::new(ErrorCode::Internal, "the thread of the stream source has ended before the source");
        self.end(Err(ended));
        if let Some(taken) = &self.taken {
            taken.store(false, Ordering::SeqCst);
        }
        self.shared.lock().gone = true;
        self.shared.changed.notify_all();
    }
}

impl<T> fmt::Debug for Inlet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet").field("query_id", &self.query_id).finish_non_exhaustive()
    }
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    cut: Cut,
}

enum Ready<T> {
    Items(Vec<T>),
    Batch(RecordBatch),
}

struct State<T> {
    /// What will be the next micro-batch, and since when.
    filling: Vec<T>,
    since: Option<Instant>,
    ready: VecDeque<(Ready<T>, SourceOffset)>,
    /// Items that came, and the offset behind the last one when the source names it.
    count: u64,
    named: Option<SourceOffset>,
    /// Items that are passed over, because an earlier run has read them.
    skip: u64,
    end: Option<Result<()>>,
    stopping: bool,
    gone: bool,
}

/// What there is for the reader.
enum Took<T> {
    Ready(Ready<T>, SourceOffset),
    /// Nothing, for so long at least unless something comes.
    Nothing(Duration),
    End(Result<()>),
}

impl<T> State<T> {
    fn is_full(&self) -> bool {
        self.ready.len() >= READY_MAX
    }

    fn offset(&self) -> SourceOffset {
        self.named.clone().unwrap_or_else(|| SourceOffset(self.count.to_string()))
    }

    /// Makes a micro-batch of the items that are there.
    fn cut(&mut self, rows: usize) {
        self.since = None;
        let items = std::mem::replace(&mut self.filling, Vec::with_capacity(rows.min(1 << 14)));
        let offset = self.offset();
        self.ready.push_back((Ready::Items(items), offset));
    }

    fn take(&mut self, cut: Cut) -> Took<T> {
        let waited = self.since.map(|since| since.elapsed());
        if self.ready.is_empty() && waited.is_some_and(|waited| waited >= cut.after || self.end.is_some()) {
            self.cut(cut.rows);
        }
        if let Some((ready, offset)) = self.ready.pop_front() {
            return Took::Ready(ready, offset);
        }
        match &self.end {
            Some(outcome) => Took::End(outcome.clone()),
            None => Took::Nothing(waited.map_or(WAIT, |waited| cut.after.saturating_sub(waited))),
        }
    }
}

impl<T> Shared<T> {
    fn new(cut: Cut) -> Self {
        let state = State {
            filling: Vec::new(),
            since: None,
            ready: VecDeque::new(),
            count: 0,
            named: None,
            skip: 0,
            end: None,
            stopping: false,
            gone: false,
        };
        let cut = Cut { rows: cut.rows.max(1), ..cut };
        Self { state: Mutex::new(state), changed: Condvar::new(), cut }
    }

    // Every change is made in one step.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, piece: Piece<T>, offset: Option<SourceOffset>) -> Offered<T> {
        let mut state = self.lock();
        if state.stopping || state.end.is_some() {
            return Offered::Stopped;
        }
        if state.skip > 0 {
            state.skip -= 1;
            state.count += 1;
            return Offered::Taken;
        }
        if state.is_full() {
            return Offered::Full(piece);
        }
        let news = match piece {
            Piece::Item(item) => state.add(item, offset, self.cut.rows),
            Piece::Batch(batch) => {
                if !state.filling.is_empty() {
                    state.cut(self.cut.rows);
                }
                state.count += 1;
                state.named = offset;
                let offset = state.offset();
                state.ready.push_back((Ready::Batch(batch), offset));
                true
            }
        };
        drop(state);
        if news {
            self.changed.notify_all();
        }
        Offered::Taken
    }

    /// The next micro-batch; waits for it until `patience` has passed or the query stops.
    fn take(&self, patience: Duration) -> Took<T> {
        let begun = Instant::now();
        let mut state = self.lock();
        loop {
            let took = state.take(self.cut);
            let Took::Nothing(quiet) = took else {
                drop(state);
                self.changed.notify_all();
                return took;
            };
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() || state.stopping {
                return Took::Nothing(quiet);
            }
            let waited = self.changed.wait_timeout(state, left.min(quiet.max(Duration::from_millis(1))));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }
}

impl<T> State<T> {
    /// Whether the reader has to look.
    fn add(&mut self, item: T, offset: Option<SourceOffset>, rows: usize) -> bool {
        self.filling.push(item);
        self.count += 1;
        self.named = offset;
        // The reader has to know when the first one came.
        let first = self.since.is_none();
        self.since.get_or_insert_with(Instant::now);
        let enough = self.filling.len() >= rows;
        if enough {
            self.cut(rows);
        }
        first || enough
    }
}

struct PulledReader<S: ItemSource> {
    source: Arc<S>,
    schema: SchemaRef,
    rereading: Rereading,
    shared: Arc<Shared<S::Item>>,
    taken: Arc<AtomicBool>,
    /// Whether a thread was started: before that, the source is still whole.
    is_open: bool,
}

impl<S: ItemSource> PulledReader<S> {
    /// What a new thread needs to go on after `resume`.
    fn place(&self, resume: Option<&SourceOffset>) -> Result<Option<SourceOffset>> {
        match (self.rereading, resume) {
            (Rereading::ByOffset, resume) => Ok(resume.cloned()),
            (Rereading::Same, Some(offset)) => {
                let number = offset.0.parse().map_err(|_| no_offset("a list of items", offset))?;
                self.shared.lock().skip = number;
                Ok(None)
            }
            (Rereading::Never | Rereading::Anew, Some(offset)) => {
                let message = format!("the stream source cannot go on after item {offset}");
                Err(Error::new(ErrorCode::InvalidArgument, message).with_hint(
                    "give it offset() and seek(offset), pass a list, or run the query without a checkpoint_path",
                ))
            }
            (Rereading::Same | Rereading::Never | Rereading::Anew, None) => Ok(None),
        }
    }
}

impl<S: ItemSource> StreamSource for PulledReader<S> {
    fn open(&mut self, context: &SourceContext, resume: Option<&SourceOffset>) -> Result<()> {
        // From here on the thread says when the source is free again; a source that is used up never is.
        let by_thread = self.rereading == Rereading::ByOffset;
        let inlet = Inlet {
            resume: self.place(resume)?,
            shared: Arc::clone(&self.shared),
            query_id: context.query_id.clone(),
            taken: by_thread.then(|| Arc::clone(&self.taken)),
        };
        self.is_open = true;
        self.source.start(inlet)
    }

    fn next_batch(&mut self, _: &SourceContext) -> Result<Pull> {
        let (batch, offset) = match self.shared.take(WAIT) {
            Took::Ready(Ready::Items(items), offset) => (self.source.batch(items)?, offset),
            Took::Ready(Ready::Batch(batch), offset) => (batch, offset),
            Took::Nothing(_) => return Ok(Pull::Idle),
            Took::End(outcome) => return outcome.map(|()| Pull::End),
        };
        let batch = fitted(batch, &self.schema).ok_or_else(|| {
            Error::new(ErrorCode::SchemaMismatch, "a batch of the stream source has other columns than the stream")
        })?;
        Ok(Pull::Batch(batch, offset))
    }

    fn interrupter(&self) -> Option<Interrupter> {
        let shared = Arc::clone(&self.shared);
        Some(Box::new(move || shared.stop()))
    }

    fn close(&mut self) -> Result<()> {
        if !self.is_open {
            return Ok(());
        }
        self.shared.stop();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), FAREWELL, |state| !state.gone);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let left = (std::mem::take(&mut state.filling), std::mem::take(&mut state.ready));
        drop(state);
        // What dropping an item does is its own affair, and must not find the lock taken.
        drop(left);
        Ok(())
    }
}

impl<S: ItemSource> Drop for PulledReader<S> {
    fn drop(&mut self) {
        if !self.is_open {
            self.taken.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::stream::tests::{context, int_batch, int_schema};

    /// Numbers, given by a function that has the inlet to itself.
    struct Numbers<F>(F);

    impl<F> fmt::Debug for Numbers<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Numbers")
        }
    }

    impl<F: Fn(&Inlet<i64>) -> Result<()> + Clone + Send + Sync + 'static> ItemSource for Numbers<F> {
        type Item = i64;

        fn batch(&self, items: Vec<i64>) -> Result<RecordBatch> {
            let first = items[0];
            let count = i64::try_from(items.len()).unwrap();
            assert!(items.iter().copied().eq(first..first + count), "{items:?}");
            Ok(int_batch(first..first + count))
        }

        fn start(&self, inlet: Inlet<i64>) -> Result<()> {
            let give = self.0.clone();
            thread::spawn(move || inlet.end(give(&inlet)));
            Ok(())
        }
    }

    fn give(inlet: &Inlet<i64>, items: std::ops::Range<i64>) -> bool {
        let named = |item: i64| inlet.resume().map(|_| SourceOffset(format!("after {item}")));
        items.into_iter().all(|item| {
            let mut piece = Piece::Item(item);
            loop {
                match inlet.offer(piece, named(item).as_ref()) {
                    Offered::Taken => return true,
                    Offered::Stopped => return false,
                    Offered::Full(back) => piece = back,
                }
                while !inlet.wait_for_room(Duration::from_secs(1)) {}
            }
        })
    }

    fn stream<F>(rereading: Rereading, rows: usize, after: Duration, items: F) -> PulledStream<Numbers<F>>
    where
        F: Fn(&Inlet<i64>) -> Result<()> + Clone + Send + Sync + 'static,
    {
        PulledStream::new(Numbers(items), int_schema(), true, rereading, Cut { rows, after })
    }

    const LONG: Duration = Duration::from_secs(3600);

    fn drain(reader: &mut dyn StreamSource) -> Result<Vec<(usize, String)>> {
        let mut seen = Vec::new();
        loop {
            match reader.next_batch(&context())? {
                Pull::Batch(batch, offset) => seen.push((batch.num_rows(), offset.0)),
                Pull::Idle => {}
                Pull::End => return Ok(seen),
            }
        }
    }

    fn opened<S: ItemSource>(stream: &PulledStream<S>, resume: Option<&str>) -> Result<Box<dyn StreamSource>> {
        let mut reader = stream.reader()?;
        reader.open(&context(), resume.map(|text| SourceOffset(text.to_owned())).as_ref())?;
        Ok(reader)
    }

    #[test]
    fn items_are_cut_by_number_and_the_rest_at_the_end() {
        let list = stream(Rereading::Same, 3, LONG, |inlet| {
            give(inlet, 0..8);
            Ok(())
        });
        let all = [(3, "3".to_owned()), (3, "6".to_owned()), (2, "8".to_owned())];
        assert_eq!(drain(opened(&list, None).unwrap().as_mut()).unwrap(), all);
        assert_eq!(drain(opened(&list, Some("6")).unwrap().as_mut()).unwrap(), all[2..]);
        let error = drain(opened(&list, Some("9")).unwrap().as_mut()).unwrap_err();
        assert_eq!(error.message(), "the stream source has 1 items less than were read before");
        assert_eq!(opened(&list, Some("after 6")).err().unwrap().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn items_are_cut_by_time_without_another_one() {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let slow = stream(Rereading::Never, 100, Duration::from_millis(5), move |inlet| {
            give(inlet, 0..2);
            // Until the test has seen the two.
            let _ = released.lock().unwrap().recv();
            give(inlet, 2..3);
            Ok(())
        });
        let mut reader = opened(&slow, None).unwrap();
        let mut rows = 0;
        while rows < 2 {
            if let Pull::Batch(batch, _) = reader.next_batch(&context()).unwrap() {
                rows += batch.num_rows();
            }
        }
        release.send(()).unwrap();
        assert_eq!(drain(reader.as_mut()).unwrap(), [(1, "3".to_owned())]);
    }

    #[test]
    fn a_source_waits_while_nobody_takes_and_ends_when_nobody_will() {
        let (said, says) = mpsc::channel();
        let endless = stream(Rereading::Never, 2, LONG, move |inlet| {
            let mut count = 0;
            while inlet.wait_for_room(Duration::from_millis(200)) && give(inlet, count..count + 1) {
                count += 1;
            }
            said.send(count).unwrap();
            give(inlet, count..i64::MAX);
            said.send(-1).unwrap();
            Ok(())
        });
        let mut reader = opened(&endless, None).unwrap();
        // One micro-batch is all that waits, whatever the source could give.
        assert_eq!(says.recv().unwrap(), 2);
        assert!(matches!(reader.next_batch(&context()).unwrap(), Pull::Batch(..)));
        reader.interrupter().unwrap()();
        assert_eq!(says.recv().unwrap(), -1);
        reader.close().unwrap();
        assert_eq!(endless.reader().err().unwrap().code(), ErrorCode::InvalidArgument, "it is used up");
    }

    #[test]
    fn a_failure_comes_after_the_items_before_it() {
        let failing = stream(Rereading::Anew, 10, LONG, |inlet| {
            give(inlet, 0..3);
            Err(Error::new(ErrorCode::InvalidValue, "boom"))
        });
        let mut reader = opened(&failing, None).unwrap();
        let Pull::Batch(batch, _) = reader.next_batch(&context()).unwrap() else { panic!("no batch") };
        assert_eq!(batch.num_rows(), 3);
        assert_eq!(drain(reader.as_mut()).unwrap_err().message(), "boom");
        assert!(opened(&failing, None).is_ok(), "it may be read again");
        assert_eq!(opened(&failing, Some("3")).err().unwrap().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn a_source_with_offsets_is_read_by_one_thread_at_a_time() {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let named = stream(Rereading::ByOffset, 2, LONG, move |inlet| {
            assert_eq!(inlet.resume().map(|offset| offset.0.as_str()), Some("start"));
            give(inlet, 5..7);
            let _ = released.lock().unwrap().recv();
            Ok(())
        });
        let mut reader = opened(&named, Some("start")).unwrap();
        loop {
            if let Pull::Batch(_, offset) = reader.next_batch(&context()).unwrap() {
                assert_eq!(offset.0, "after 6");
                break;
            }
        }
        reader.close().unwrap();
        assert_eq!(named.reader().err().unwrap().code(), ErrorCode::InvalidArgument, "its thread has not let go");
        release.send(()).unwrap();
        while opened(&named, Some("start")).is_err() {
            thread::yield_now();
        }
    }

    #[test]
    fn batches_are_micro_batches_and_keep_their_place_between_items() {
        let mixed = stream(Rereading::Never, 10, LONG, |inlet| {
            give(inlet, 0..2);
            for rows in [3, 1] {
                while !inlet.wait_for_room(Duration::from_secs(1)) {}
                assert!(matches!(inlet.offer(Piece::Batch(int_batch(0..rows)), None), Offered::Taken));
            }
            Ok(())
        });
        let seen = drain(opened(&mixed, None).unwrap().as_mut()).unwrap();
        assert_eq!(seen.iter().map(|(rows, _)| *rows).collect::<Vec<_>>(), [2, 3, 1]);
    }
}
