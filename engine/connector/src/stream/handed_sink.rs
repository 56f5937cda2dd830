//! A sink whose emissions are handed to a thread of the program, one at a time.
//!
//! The query waits until the thread has done with an emission, and commits it after that; at its end it waits until the thread
//! is done with everything. A thread that does not come back keeps a query that is told to stop for [`GRACE`] and no longer; an
//! emission that it has is not committed then.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use velaria_contract::{Error, ErrorCode, Result};

use crate::{Epoch, Prepared, SinkContext, SinkDescription, SinkGuarantee, SinkTable, StreamSink};

/// How long a query that is told to stop waits for its thread, for an emission or for the end.
const GRACE: Duration = Duration::from_secs(2);

/// All rows of one micro-batch.
#[derive(Debug, Clone)]
pub struct Emission {
    /// The number of the commit that follows. After a crash an emission may come again, with the same number.
    pub epoch: Epoch,
    /// The columns.
    pub schema: SchemaRef,
    /// The rows: at least one.
    pub batches: Vec<RecordBatch>,
    /// Whether a checkpoint will remember that these rows were taken: nothing of them may wait in memory when
    /// [`Outlet::done`] is said.
    pub is_remembered: bool,
}

/// What takes the emissions.
pub trait EmissionTaker: fmt::Debug + Send + Sync + 'static {
    /// Starts a thread that takes emissions from `outlet` until it says [`Taken::Closed`]. The outlet is dropped when the thread
    /// is done with everything.
    ///
    /// # Errors
    /// The query does not start then.
    fn start(&self, outlet: Outlet) -> Result<()>;
}

/// The sink over an [`EmissionTaker`]; one query writes it at a time.
pub struct HandedSinkTable {
    taker: Arc<dyn EmissionTaker>,
    /// The query that writes now.
    writing: Arc<Mutex<Option<Arc<Shared>>>>,
}

impl HandedSinkTable {
    /// A sink that hands its rows to `taker`.
    pub fn new(taker: impl EmissionTaker) -> Self {
        Self { taker: Arc::new(taker), writing: Arc::default() }
    }
}

impl fmt::Debug for HandedSinkTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandedSinkTable").field("taker", &self.taker).finish_non_exhaustive()
    }
}

// Every change is made in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SinkTable for HandedSinkTable {
    fn description(&self) -> SinkDescription {
        let guarantee = SinkGuarantee::AtLeastOnce;
        SinkDescription { name: "custom".to_owned(), blocking: true, guarantee, schema: None }
    }

    fn writer(&self) -> Result<Box<dyn StreamSink>> {
        let mut writing = lock(&self.writing);
        if writing.is_some() {
            return Err(Error::new(ErrorCode::InvalidArgument, "the stream sink is written by another query")
                .with_hint("give each query a sink of its own; a sink is free when its last call has come back"));
        }
        let shared = Arc::<Shared>::default();
        *writing = Some(Arc::clone(&shared));
        drop(writing);
        let claim = Arc::new(Claim { writing: Arc::clone(&self.writing) });
        let outlet = Outlet { shared, claim: Some(Arc::clone(&claim)), query_id: String::new() };
        Ok(Box::new(HandedSink { taker: Arc::clone(&self.taker), stage: Stage::New(outlet), _claim: claim }))
    }

    fn interrupt(&self) {
        if let Some(shared) = lock(&self.writing).as_ref() {
            lock(&shared.state).interrupted_at.get_or_insert_with(Instant::now);
            shared.changed.notify_all();
        }
    }
}

/// What makes the sink that of one query: the sink is free when both the writer and the thread have dropped theirs. Until the
/// writer is gone an interrupt that is meant for it has to reach it, and not the next one.
struct Claim {
    writing: Arc<Mutex<Option<Arc<Shared>>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let written = lock(&self.writing).take();
        // An error in it may be one of the program, which must not find the lock taken.
        drop(written);
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    given: Option<Emission>,
    outcome: Option<Result<()>>,
    /// The writer wants nothing more.
    closed: bool,
    /// The thread is done with everything, or will never be seen again.
    gone: bool,
    interrupted_at: Option<Instant>,
    /// The writer waits for the thread no longer.
    left: bool,
}

impl State {
    /// How long a wait that has `begun` then may still go on; `None` while nobody told the query to stop.
    fn grace_left(&self, begun: Instant) -> Option<Duration> {
        self.interrupted_at.map(|at| GRACE.saturating_sub(at.max(begun).elapsed()))
    }
}

impl Shared {
    /// Waits for a change. Without an interrupt there is no hurry: whoever interrupts wakes this wait.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, grace_left: Option<Duration>) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, grace_left.unwrap_or(Duration::from_secs(60)));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What there is for the thread.
#[derive(Debug)]
pub enum Taken {
    /// Rows: say [`Outlet::done`] when they were dealt with.
    Emission(Emission),
    /// Nothing yet.
    Nothing,
    /// Nothing any more: let go of what is held, and say [`Outlet::done`] if that fails.
    Closed,
}

/// Where a thread takes emissions. Dropping it says that the thread is done with everything.
pub struct Outlet {
    shared: Arc<Shared>,
    /// `None` only while this is dropped.
    claim: Option<Arc<Claim>>,
    query_id: String,
}

impl Outlet {
    /// The id of the query that writes.
    #[must_use]
    pub fn query_id(&self) -> &str {
        &self.query_id
    }

    /// What there is; waits for it until `patience` has passed.
    #[must_use]
    pub fn take(&self, patience: Duration) -> Taken {
        let is_quiet = |state: &mut State| state.given.is_none() && !state.closed;
        let waited = self.shared.changed.wait_timeout_while(lock(&self.shared.state), patience, is_quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (given, closed) = (state.given.take(), state.closed);
        // Rows that nobody wants any more may have been lent by the program, which must not find the lock taken.
        drop(state);
        match given {
            _ if closed => Taken::Closed,
            Some(emission) => Taken::Emission(emission),
            None => Taken::Nothing,
        }
    }

    /// The emission that was taken last is dealt with, or was not. Whether anybody is told.
    pub fn done(&self, outcome: Result<()>) -> bool {
        let mut state = lock(&self.shared.state);
        let told = !state.left;
        let earlier = state.outcome.replace(outcome);
        drop(state);
        self.shared.changed.notify_all();
        // An error in it may be one of the program, which must not find the lock taken.
        drop(earlier);
        told
    }

    /// The thread will never be seen again, because of `error`: the query must not wait for it.
    pub fn abandon(&self, error: Error) {
        let mut state = lock(&self.shared.state);
        state.outcome.get_or_insert(Err(error));
        state.gone = true;
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("query_id", &self.query_id).finish_non_exhaustive()
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // In this order: whoever waits for the thread may write next.
        self.claim = None;
        lock(&self.shared.state).gone = true;
        self.shared.changed.notify_all();
    }
}

struct HandedSink {
    taker: Arc<dyn EmissionTaker>,
    stage: Stage,
    /// Until this is dropped no other query writes.
    _claim: Arc<Claim>,
}

enum Stage {
    New(Outlet),
    Open(Open),
    Closed,
}

struct Open {
    shared: Arc<Shared>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    is_remembered: bool,
}

impl Open {
    /// Gives what was written to the thread, and waits for it.
    fn hand(&mut self, epoch: Epoch) -> Result<()> {
        let batches = std::mem::take(&mut self.batches);
        if batches.is_empty() {
            return Ok(());
        }
        let emission = Emission { epoch, schema: Arc::clone(&self.schema), batches, is_remembered: self.is_remembered };
        let mut state = lock(&self.shared.state);
        // What the thread does between two emissions can fail too.
        if let Some(failed @ Err(_)) = state.outcome.take() {
            return failed;
        }
        state.given = Some(emission);
        drop(state);
        self.shared.changed.notify_all();
        self.wait_until_done()
    }

    fn wait_until_done(&self) -> Result<()> {
        let begun = Instant::now();
        let mut state = lock(&self.shared.state);
        loop {
            if let Some(outcome) = state.outcome.take() {
                return outcome;
            }
            if state.gone {
                return Err(Error::new(
                    ErrorCode::Internal,
                    "the thread of the stream sink has ended before the query",
                ));
            }
            let grace_left = state.grace_left(begun);
            if grace_left.is_some_and(|left| left.is_zero()) {
                state.left = true;
                return Err(Error::new(ErrorCode::Cancelled, "the query was stopped while its sink took rows")
                    .with_hint("the rows were not committed, whatever the sink made of them"));
            }
            state = self.shared.wait(state, grace_left);
        }
    }

    fn close(&self) -> Result<()> {
        let begun = Instant::now();
        let mut state = lock(&self.shared.state);
        state.closed = true;
        self.shared.changed.notify_all();
        while !state.left && !state.gone {
            let grace_left = state.grace_left(begun);
            state.left = grace_left.is_some_and(|left| left.is_zero());
            if !state.left {
                state = self.shared.wait(state, grace_left);
            }
        }
        state.outcome.take().unwrap_or(Ok(()))
    }

    /// Says that nothing more will come, and does not wait.
    fn leave(&self) {
        let mut state = lock(&self.shared.state);
        (state.closed, state.left) = (true, true);
        drop(state);
        self.shared.changed.notify_all();
    }
}

fn not_open() -> Error {
    Error::new(ErrorCode::Internal, "the stream sink is not open")
}

impl StreamSink for HandedSink {
    fn open(&mut self, context: &SinkContext) -> Result<()> {
        let Stage::New(mut outlet) = std::mem::replace(&mut self.stage, Stage::Closed) else { return Err(not_open()) };
        outlet.query_id.clone_from(&context.query_id);
        let shared = Arc::clone(&outlet.shared);
        self.taker.start(outlet)?;
        self.stage = Stage::Open(Open {
            shared,
            schema: Arc::clone(&context.schema),
            batches: Vec::new(),
            is_remembered: !context.checkpoint_path.is_empty(),
        });
        Ok(())
    }

    fn write(&mut self, _: Epoch, batch: &RecordBatch) -> Result<()> {
        let Stage::Open(open) = &mut self.stage else { return Err(not_open()) };
        if batch.num_rows() > 0 {
            open.batches.push(batch.clone());
        }
        Ok(())
    }

    fn prepare(&mut self, epoch: Epoch) -> Result<Prepared> {
        let Stage::Open(open) = &mut self.stage else { return Err(not_open()) };
        open.hand(epoch)?;
        Ok(Prepared::default())
    }

    fn close(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Open(open) => open.close(),
            Stage::New(_) | Stage::Closed => Ok(()),
        }
    }
}

impl Drop for HandedSink {
    fn drop(&mut self) {
        // After a panic nobody has closed it.
        if let Stage::Open(open) = &self.stage {
            open.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::Durability;
    use crate::stream::tests::{int_batch, sink_context};

    /// Gives each emission to a function, on a thread.
    struct Each<F>(F);

    impl<F> fmt::Debug for Each<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Each")
        }
    }

    impl<F: Fn(Emission) -> Result<()> + Clone + Send + Sync + 'static> EmissionTaker for Each<F> {
        fn start(&self, outlet: Outlet) -> Result<()> {
            let each = self.0.clone();
            thread::spawn(move || {
                loop {
                    match outlet.take(Duration::from_secs(60)) {
                        Taken::Emission(emission) => drop(outlet.done(each(emission))),
                        Taken::Nothing => {}
                        Taken::Closed => break,
                    }
                }
            });
            Ok(())
        }
    }

    fn sink(each: impl Fn(Emission) -> Result<()> + Clone + Send + Sync + 'static) -> HandedSinkTable {
        HandedSinkTable::new(Each(each))
    }

    fn opened(sink: &HandedSinkTable) -> Box<dyn StreamSink> {
        let mut writer = sink.writer().unwrap();
        writer.open(&sink_context(Durability::Never)).unwrap();
        writer
    }

    #[test]
    fn all_rows_of_a_micro_batch_are_one_emission() {
        let (seen, emissions) = mpsc::channel();
        let sink = sink(move |emission| {
            let rows: Vec<usize> = emission.batches.iter().map(RecordBatch::num_rows).collect();
            seen.send((emission.epoch, rows)).unwrap();
            Ok(())
        });
        let mut writer = opened(&sink);
        assert_eq!(sink.writer().err().unwrap().code(), ErrorCode::InvalidArgument);
        for rows in [2, 0, 3] {
            writer.write(7, &int_batch(0..rows)).unwrap();
        }
        writer.prepare(7).unwrap();
        assert_eq!(emissions.try_recv().unwrap(), (7, vec![2, 3]), "it is there when the query goes on");
        writer.write(8, &int_batch(0..0)).unwrap();
        writer.prepare(8).unwrap();
        writer.close().unwrap();
        assert!(emissions.try_recv().is_err(), "nothing was emitted without rows");
        assert!(sink.writer().is_err(), "a late interrupt would reach another writer");
        drop(writer);
        opened(&sink).close().unwrap();
    }

    #[test]
    fn a_failure_of_the_program_is_that_of_the_writer() {
        let sink = sink(|_| Err(Error::new(ErrorCode::InvalidValue, "boom")));
        let mut writer = opened(&sink);
        writer.write(1, &int_batch(0..1)).unwrap();
        assert_eq!(writer.prepare(1).unwrap_err().message(), "boom");
        writer.close().unwrap();
    }

    #[test]
    fn a_call_that_does_not_come_back_does_not_keep_the_query() {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let sink = sink(move |_| {
            let _ = released.lock().unwrap().recv();
            Ok(())
        });
        let mut writer = opened(&sink);
        writer.write(1, &int_batch(0..1)).unwrap();
        sink.interrupt();
        assert_eq!(writer.prepare(1).unwrap_err().code(), ErrorCode::Cancelled);
        writer.close().unwrap();
        drop(writer);
        assert!(sink.writer().is_err(), "the call still has the sink");
        release.send(()).unwrap();
        while sink.writer().is_err() {
            thread::yield_now();
        }
    }

    /// Holds what it takes emissions from, and takes none.
    #[derive(Clone, Default)]
    struct Asleep(Arc<Mutex<Option<Outlet>>>);

    impl fmt::Debug for Asleep {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Asleep")
        }
    }

    impl EmissionTaker for Asleep {
        fn start(&self, outlet: Outlet) -> Result<()> {
            *self.0.lock().unwrap() = Some(outlet);
            Ok(())
        }
    }

    impl Asleep {
        fn wake(&self) -> Outlet {
            self.0.lock().unwrap().take().unwrap()
        }

        fn abandon(&self) {
            self.0.lock().unwrap().as_ref().unwrap().abandon(gone());
        }
    }

    fn gone() -> Error {
        Error::new(ErrorCode::Cancelled, "gone for ever")
    }

    #[test]
    fn an_end_that_does_not_come_does_not_keep_a_query_that_is_stopped() {
        for before in [true, false] {
            let taker = Asleep::default();
            let sink = HandedSinkTable::new(taker.clone());
            let mut writer = opened(&sink);
            if before {
                sink.interrupt();
            }
            let closing = thread::spawn(move || writer.close());
            if !before {
                // The writer has said that it closes, and waits.
                let outlet = taker.wake();
                while !matches!(outlet.take(Duration::from_secs(1)), Taken::Closed) {}
                *taker.0.lock().unwrap() = Some(outlet);
                sink.interrupt();
            }
            closing.join().unwrap().unwrap();
            let outlet = taker.wake();
            assert!(!outlet.done(Err(gone())), "nobody is told");
            assert!(sink.writer().is_err(), "the thread still has the sink");
            drop(outlet);
            assert!(sink.writer().is_ok());
        }
    }

    #[test]
    fn a_thread_that_is_never_seen_again_keeps_nobody() {
        let taker = Asleep::default();
        let sink = HandedSinkTable::new(taker.clone());
        let mut writer = opened(&sink);
        let closing = thread::spawn(move || writer.close());
        taker.abandon();
        assert_eq!(closing.join().unwrap().unwrap_err().message(), "gone for ever");

        let mut writer = opened(&HandedSinkTable::new(taker.clone()));
        taker.abandon();
        writer.write(1, &int_batch(0..1)).unwrap();
        assert_eq!(writer.prepare(1).unwrap_err().message(), "gone for ever");
        writer.close().unwrap();
    }

    #[test]
    fn a_writer_that_nobody_closed_says_that_it_is_gone() {
        let taker = Asleep::default();
        let sink = HandedSinkTable::new(taker.clone());
        drop(opened(&sink));
        let outlet = taker.wake();
        assert!(matches!(outlet.take(Duration::from_secs(60)), Taken::Closed));
        assert!(!outlet.done(Err(gone())), "nobody is told");
        drop(outlet);
        assert!(sink.writer().is_ok());
    }
}
