//! A sink whose emissions are handed to a thread of the program, one at a time.
//!
//! The query waits until the thread has done with an emission, and commits it after that. A thread that does not come back keeps a
//! query that is told to stop for [`GRACE`] and no longer; the emission is not committed then.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use velaria_contract::{Error, ErrorCode, Result};

use crate::{Epoch, Prepared, SinkContext, SinkDescription, SinkGuarantee, SinkTable, StreamSink};

/// How long a thread may go on with an emission after its query was told to stop.
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
        let outlet = Outlet { shared, writing: Arc::clone(&self.writing), query_id: String::new() };
        Ok(Box::new(HandedSink { taker: Arc::clone(&self.taker), stage: Stage::New(outlet) }))
    }

    fn interrupt(&self) {
        if let Some(shared) = lock(&self.writing).as_ref() {
            lock(&shared.state).interrupted_at.get_or_insert_with(Instant::now);
            shared.changed.notify_all();
        }
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
    /// The thread is done with everything.
    gone: bool,
    interrupted_at: Option<Instant>,
    /// The writer waits for the thread no longer.
    left: bool,
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
    writing: Arc<Mutex<Option<Arc<Shared>>>>,
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
        match state.given.take() {
            _ if state.closed => Taken::Closed,
            Some(emission) => Taken::Emission(emission),
            None => Taken::Nothing,
        }
    }

    /// The emission that was taken last is dealt with, or was not. Whether anybody is told.
    pub fn done(&self, outcome: Result<()>) -> bool {
        let mut state = lock(&self.shared.state);
        let told = !state.left;
        state.outcome = Some(outcome);
        drop(state);
        self.shared.changed.notify_all();
        told
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
        *lock(&self.writing) = None;
        lock(&self.shared.state).gone = true;
        self.shared.changed.notify_all();
    }
}

struct HandedSink {
    taker: Arc<dyn EmissionTaker>,
    stage: Stage,
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
            let left = state.interrupted_at.map(|at| GRACE.saturating_sub(at.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                state.left = true;
                return Err(Error::new(ErrorCode::Cancelled, "the query was stopped while its sink took rows")
                    .with_hint("the rows were not committed, whatever the sink made of them"));
            }
            // Without an interrupt there is no hurry: whoever interrupts wakes this wait.
            let waited = self.shared.changed.wait_timeout(state, left.unwrap_or(Duration::from_secs(60)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn close(&self) -> Result<()> {
        let mut state = lock(&self.shared.state);
        state.closed = true;
        self.shared.changed.notify_all();
        while !state.left && !state.gone {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.outcome.take().unwrap_or(Ok(()))
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
        assert!(sink.writer().is_err(), "the call still has the sink");
        release.send(()).unwrap();
        while sink.writer().is_err() {
            thread::yield_now();
        }
    }
}
