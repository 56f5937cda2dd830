//! A stream query as users hold it: started, waited for, stopped.

mod watch;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use velaria_connector::{DurableFs, EmissionKind, OsFs, Signal, SinkTable};
use velaria_contract::{Clock, Error, ErrorCode, Result, StreamExplain, StreamingQueryProgress, SystemClock};

use crate::driver::{Driver, check_delivery};
use crate::explain::explain;
use crate::options::StreamOptions;
use crate::plan::StreamPlan;
use crate::progress::initial;

pub use self::watch::{ProgressWatch, Watched};

/// What a query is given from outside.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The files of checkpoints and sinks.
    pub fs: Arc<dyn DurableFs>,
    /// Where `at-least-once` waits for the disk.
    pub syncing: Syncing,
    /// The id of the query, instead of the next one of the process.
    pub query_id: Option<String>,
}

/// Where `at-least-once` waits for the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Syncing {
    /// On a thread: the query goes on meanwhile.
    #[default]
    Background,
    /// In the query: every run with the same input does the same operations in the same order.
    Inline,
}

impl Default for Environment {
    fn default() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        Self { clock, fs: Arc::new(OsFs), syncing: Syncing::default(), query_id: None }
    }
}

/// A stream query. Clones are handles of the same one; it is told to stop when the last is dropped.
#[derive(Clone)]
pub struct StreamingQuery {
    handle: Arc<Handle>,
}

struct Handle {
    query: Arc<Query>,
}

struct Query {
    plan: StreamPlan,
    control: Control,
}

/// What the threads of a query and its handles share.
pub(crate) struct Control {
    pub(crate) id: String,
    pub(crate) options: StreamOptions,
    pub(crate) sink: Arc<dyn SinkTable>,
    pub(crate) environment: Environment,
    pub(crate) output: EmissionKind,
    pub(crate) signal: Arc<Signal>,
    stopping: AtomicBool,
    /// Whether a run has the sink open: another query may have it otherwise.
    writes: AtomicBool,
    /// Micro-batches after which this run ends; 0 is no limit.
    batches_max: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    /// Whether everything could be opened.
    opened: bool,
    /// The number of the run: who waits for one does not wait for the next.
    run: u64,
    progress: StreamingQueryProgress,
    /// Micro-batches of this run.
    processed: u64,
    /// Of these, the ones that a call of `await_termination` has told of.
    told: u64,
    /// Whether somebody waited for the end of this run, or stopped it.
    end_told: bool,
    error: Option<Error>,
    thread: Option<JoinHandle<()>>,
    thread_id: Option<ThreadId>,
    /// Those who want to know of every change of the progress.
    watches: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Created,
    Opening,
    Running,
    Ended,
}

/// The most threads that keys are spread over.
const LOCAL_WORKERS_MAX: u64 = 256;

/// The name under which queries log: what begins, ends and fails, and each micro-batch.
pub(crate) const LOG: &str = "velaria.stream";

static QUERIES: AtomicU64 = AtomicU64::new(0);

impl StreamingQuery {
    /// A query that writes the rows of `plan` to `sink`. Nothing is opened yet.
    ///
    /// # Errors
    /// `VEL-7001` when `exactly-once` is asked for and a source, the sink or the missing checkpoint cannot promise it.
    pub fn new(
        plan: StreamPlan,
        sink: Arc<dyn SinkTable>,
        options: StreamOptions,
        environment: Environment,
    ) -> Result<Self> {
        let number = || QUERIES.fetch_add(1, Ordering::Relaxed) + 1;
        let id = environment.query_id.clone().unwrap_or_else(|| format!("stream-query-{}", number()));
        let state = State {
            phase: Phase::Created,
            opened: false,
            run: 0,
            progress: StreamingQueryProgress::default(),
            processed: 0,
            told: 0,
            end_told: false,
            error: None,
            thread: None,
            thread_id: None,
            watches: 0,
        };
        let control = Control {
            id,
            sink,
            environment,
            output: plan.output,
            signal: Arc::default(),
            stopping: AtomicBool::new(false),
            writes: AtomicBool::new(false),
            batches_max: AtomicU64::new(options.max_batches),
            options,
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        if control.options.local_workers > LOCAL_WORKERS_MAX {
            let message = format!("local_workers must be at most {LOCAL_WORKERS_MAX}");
            return Err(Error::new(ErrorCode::InvalidArgument, message)
                .with_hint("each is a thread: more than the machine has cores seldom helps"));
        }
        check_retention(&control)?;
        check_delivery(&plan, &control)?;
        control.lock().progress = initial(&plan, &control);
        let query = Arc::new(Query { plan, control });
        Ok(Self { handle: Arc::new(Handle { query }) })
    }

    /// `stream-query-` and a number.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.control().id
    }

    /// Starts the query: its sources, its checkpoint and its sink are opened, and then rows move on threads of its own. A
    /// query that runs already is left alone, and so is a run that has ended and that nobody has waited for yet: to start twice
    /// is to start once, however fast the source ends. Any other query that has ended begins again, from its checkpoint if it
    /// has one and else from the start with empty state.
    ///
    /// # Errors
    /// Those of opening; the query is `failed` then. What fails later is told by [`StreamingQuery::await_termination`].
    pub fn start(&self) -> Result<()> {
        let control = self.control();
        let mut state = control.lock();
        match state.phase {
            Phase::Created => self.spawn(&mut state)?,
            Phase::Ended if state.end_told => self.spawn(&mut state)?,
            Phase::Ended | Phase::Opening | Phase::Running => {}
        }
        while state.phase == Phase::Opening {
            state = control.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match state.error.clone() {
            // What fails later is told to those who wait.
            Some(_) if state.opened => Ok(()),
            Some(error) => {
                state.end_told = true;
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn spawn(&self, state: &mut MutexGuard<'_, State>) -> Result<()> {
        let control = self.control();
        let query = Arc::clone(&self.handle.query);
        // The thread begins by taking the lock that is held here.
        let thread = thread::Builder::new().name(control.id.clone()).spawn(move || query.run());
        let thread = thread.map_err(|error| {
            Error::new(ErrorCode::Internal, "cannot start a thread for the query").with_source(error)
        })?;
        control.stopping.store(false, Ordering::SeqCst);
        (state.phase, state.processed, state.told, state.error) = (Phase::Opening, 0, 0, None);
        (state.run, state.opened, state.end_told) = (state.run + 1, false, false);
        state.progress = initial(&self.handle.query.plan, control);
        state.thread_id = Some(thread.thread().id());
        state.thread = Some(thread);
        Ok(())
    }

    /// Waits until the query has ended, and starts it first if nobody did. With `max_batches` above 0 it is stopped once that
    /// many micro-batches are written; exactly that many when this call starts the query.
    ///
    /// Returns the micro-batches that were written since the query was started, or since this was called before.
    ///
    /// # Errors
    /// Why the query failed. `VEL-8003` when `timeout` passed first; the query goes on then.
    pub fn await_termination(&self, max_batches: u64, timeout: Option<Duration>) -> Result<u64> {
        match self.wait(max_batches, timeout)? {
            Some(batches) => Ok(batches),
            None => Err(Error::new(ErrorCode::Timeout, format!("{} has not ended yet", self.id()))
                .with_hint("it goes on; wait again, or stop it")),
        }
    }

    /// Waits like [`StreamingQuery::await_termination`], for `timeout` at the most: `None` when the query has not ended by
    /// then.
    ///
    /// # Errors
    /// Why the query failed.
    pub fn wait(&self, max_batches: u64, timeout: Option<Duration>) -> Result<Option<u64>> {
        let control = self.control();
        let mut state = control.lock();
        if max_batches > 0 && state.phase != Phase::Ended {
            control.batches_max.store(state.told.saturating_add(max_batches), Ordering::SeqCst);
            control.signal.notify();
        }
        if state.phase == Phase::Created {
            self.spawn(&mut state)?;
        }
        let run = state.run;
        let waiting = |state: &mut State| state.is_in(run);
        state = match timeout {
            None => control.changed.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = control.changed.wait_timeout_while(state, timeout, waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if state.is_in(run) {
            return Ok(None);
        }
        if state.run != run {
            // It ended, and somebody else has started it again.
            return Ok(Some(0));
        }
        control.batches_max.store(control.options.max_batches, Ordering::SeqCst);
        state.end_told = true;
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        let batches = state.processed - state.told;
        state.told = state.processed;
        Ok(Some(batches))
    }

    /// Tells the query to stop, and waits until it has: the micro-batch at hand is finished and committed. A query that does
    /// not run is left alone. From a thread of the query itself it only tells.
    pub fn stop(&self) {
        while !self.stop_within(Duration::from_secs(3600)) {}
    }

    /// Tells the query to stop like [`StreamingQuery::stop`], and waits for `timeout` at the most: whether the wait is over.
    #[must_use]
    pub fn stop_within(&self, timeout: Duration) -> bool {
        let control = self.control();
        let mut state = control.lock();
        control.request_stop();
        let run = state.run;
        if state.phase == Phase::Created {
            state.phase = Phase::Ended;
            "stopped".clone_into(&mut state.progress.status);
            control.changed.notify_all();
        }
        if state.thread_id == Some(thread::current().id()) {
            return true;
        }
        let ended = control.changed.wait_timeout_while(state, timeout, |state| state.is_in(run));
        let (mut state, _) = ended.unwrap_or_else(PoisonError::into_inner);
        if state.is_in(run) {
            return false;
        }
        if state.run != run {
            return true;
        }
        state.end_told = true;
        let thread = state.thread.take();
        drop(state);
        if let Some(thread) = thread {
            // A panic in it has become the error of the query.
            let _ = thread.join();
        }
        true
    }

    /// The progress of the run that goes on now, or of the last one, step by step.
    #[must_use]
    pub fn watch(&self) -> ProgressWatch {
        ProgressWatch::new(&self.handle.query)
    }

    /// Tells the query to stop, and does not wait.
    pub fn request_stop(&self) {
        self.control().request_stop();
    }

    /// What the query has done so far.
    #[must_use]
    pub fn progress(&self) -> StreamingQueryProgress {
        self.control().lock().progress.clone()
    }

    /// The same as one line of JSON.
    ///
    /// # Errors
    /// `VEL-9001` when it cannot be written.
    pub fn snapshot_json(&self) -> Result<String> {
        self.progress().snapshot_json()
    }

    /// What the query does, in the sections of the contract.
    #[must_use]
    pub fn explain(&self) -> StreamExplain {
        let description = self.control().sink.description();
        explain(&self.handle.query.plan, Some((&description.name, &description)), &self.control().options)
    }

    fn control(&self) -> &Control {
        &self.handle.query.control
    }
}

/// A window is emitted once in append mode: it cannot be forgotten before, and begin again after.
fn check_retention(control: &Control) -> Result<()> {
    if control.output != EmissionKind::Append || control.options.max_retained_windows == 0 {
        return Ok(());
    }
    let message = "max_retained_windows cannot be used with output_mode 'append'";
    Err(Error::new(ErrorCode::InvalidArgument, message).with_hint("the watermark closes and forgets windows"))
}

impl fmt::Debug for StreamingQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.control().lock().progress.status.clone();
        f.debug_struct("StreamingQuery").field("id", &self.id()).field("status", &status).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.query.control.request_stop();
    }
}

impl State {
    /// Whether this run has not ended.
    fn is_in(&self, run: u64) -> bool {
        self.run == run && self.phase != Phase::Ended
    }
}

impl Query {
    /// The life of the query's thread.
    fn run(&self) {
        let ran = catch_unwind(AssertUnwindSafe(|| self.open_and_run()));
        let error = match ran {
            Ok(Ok(())) => None,
            // A sink that waited for room gave up; what it was given is not committed.
            Ok(Err(error)) if error.code() == ErrorCode::Cancelled && self.control.is_stopping() => None,
            Ok(Err(error)) => Some(self.plan.translator.translate(error)),
            Err(_) => Some(panicked()),
        };
        self.control.end(error);
    }

    fn open_and_run(&self) -> Result<()> {
        let driver = Driver::open(&self.plan, &self.control)?;
        self.control.opened();
        driver.run()
    }
}

pub(crate) fn panicked() -> Error {
    Error::new(ErrorCode::Internal, "the engine panicked while running the query")
        .with_hint("this is a bug in the engine, or in a source or sink of the caller")
}

impl Control {
    // Each change of the state is complete before anything that may panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether one more micro-batch may be written after `processed` of this run.
    pub(crate) fn may_process(&self, processed: u64) -> bool {
        match self.batches_max.load(Ordering::SeqCst) {
            0 => true,
            most => processed < most,
        }
    }

    pub(crate) fn publish(&self, progress: StreamingQueryProgress, processed: u64) {
        let mut state = self.lock();
        state.progress = progress;
        state.processed = processed;
        if state.watches > 0 {
            self.changed.notify_all();
        }
    }

    /// Says whether the sink is open for this query.
    pub(crate) fn hold_sink(&self, held: bool) {
        self.writes.store(held, Ordering::SeqCst);
        // A stop that came before could not reach it.
        if held && self.is_stopping() {
            self.sink.interrupt();
        }
    }

    fn opened(&self) {
        log::info!(target: LOG, "{} runs", self.id);
        let mut state = self.lock();
        (state.phase, state.opened) = (Phase::Running, true);
        drop(state);
        self.changed.notify_all();
    }

    fn end(&self, error: Option<Error>) {
        self.hold_sink(false);
        match &error {
            Some(error) => log::error!(target: LOG, "{} failed: {error} [{}]", self.id, error.code()),
            None => log::info!(target: LOG, "{} has ended", self.id),
        }
        let mut state = self.lock();
        state.phase = Phase::Ended;
        let status = if error.is_some() { "failed" } else { "stopped" };
        status.clone_into(&mut state.progress.status);
        state.progress.last_error = error.as_ref().map(|error| format!("{}: {error}", error.code()));
        state.error = error;
        self.changed.notify_all();
    }

    fn request_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if self.writes.load(Ordering::SeqCst) {
            self.sink.interrupt();
        }
        self.signal.notify();
    }
}
