//! The sources of a running query: asked on the query's own thread when their rows are in memory, on a thread each when not.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arrow::array::RecordBatch;
use velaria_connector::{
    CheckpointMarker, Interrupter, Pull, Pulling, Signal, SourceContext, SourceNotes, SourceOffset, StreamSource,
};
use velaria_contract::{Clock, Error, ErrorCode, Result};

use crate::backpressure::{Item, Limits, Queue, QueueCounts};

/// All sources of a query, and the queue before its operators.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    inline: Vec<Inline>,
    threads: Vec<JoinHandle<Result<()>>>,
    /// How to end the waits of those that are asked on threads.
    interrupters: Vec<Interrupter>,
}

struct Shared {
    queue: Mutex<Inside>,
    /// A source may go on, or is to stop.
    room: Condvar,
    /// The query has something to do.
    signal: Arc<Signal>,
    clock: Arc<dyn Clock>,
    context: SourceContext,
    idle_wait: Duration,
}

struct Inside {
    queue: Queue,
    /// Sources that have not ended.
    open: usize,
    /// Sources that have ended, until somebody asks.
    ended: Vec<usize>,
    stopping: bool,
    error: Option<Error>,
    notes: Vec<SourceNotes>,
    /// What the threads are to tell their sources, by input.
    said: Vec<VecDeque<Said>>,
}

impl Inside {
    fn end(&mut self, input: usize) {
        self.open -= 1;
        self.ended.push(input);
    }
}

enum Said {
    Checkpoint(CheckpointMarker),
    Ack(SourceOffset),
}

struct Inline {
    input: usize,
    source: Box<dyn StreamSource>,
    ended: bool,
    next_at: Duration,
}

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Next {
    /// A micro-batch.
    Item(Item),
    /// Nothing now; look again after this time, or when the signal was given.
    Wait(Duration),
    /// Nothing any more.
    End,
}

/// A source that is not open yet.
pub(crate) struct Opening {
    pub(crate) source: Box<dyn StreamSource>,
    pub(crate) pulling: Pulling,
    pub(crate) resume: Option<SourceOffset>,
    /// What it was done with by then.
    pub(crate) history: Vec<RecordBatch>,
}

impl Feed {
    /// Opens the sources.
    pub(crate) fn open(
        sources: Vec<Opening>,
        context: SourceContext,
        queue: Queue,
        clock: &Arc<dyn Clock>,
        idle_wait: Duration,
    ) -> Result<Self> {
        let count = sources.len();
        let inside = Inside {
            queue,
            open: count,
            ended: Vec::new(),
            stopping: false,
            error: None,
            notes: vec![SourceNotes::default(); count],
            said: (0..count).map(|_| VecDeque::new()).collect(),
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(inside),
            room: Condvar::new(),
            signal: Arc::clone(&context.signal),
            clock: Arc::clone(clock),
            context,
            idle_wait,
        });
        let mut feed = Self { shared, inline: Vec::new(), threads: Vec::new(), interrupters: Vec::new() };
        for (input, opening) in sources.into_iter().enumerate() {
            if let Err(error) = feed.add(input, opening) {
                // The error of opening is the one to tell.
                let _ = feed.close();
                return Err(error);
            }
        }
        Ok(feed)
    }

    fn add(&mut self, input: usize, opening: Opening) -> Result<()> {
        let Opening { mut source, pulling, resume, history } = opening;
        let context = SourceContext { history, ..self.shared.context.clone() };
        if let Err(error) = source.open(&context, resume.as_ref()) {
            let _ = source.close();
            return Err(error);
        }
        match pulling {
            Pulling::Immediate => {
                self.inline.push(Inline { input, source, ended: false, next_at: Duration::ZERO });
            }
            Pulling::Blocking => {
                self.interrupters.extend(source.interrupter());
                let shared = Arc::clone(&self.shared);
                let name = format!("{}-source-{input}", shared.context.query_id);
                let thread = thread::Builder::new().name(name).spawn(move || shared.serve(input, source));
                let thread = thread.map_err(|error| {
                    Error::new(ErrorCode::Internal, "cannot start a thread for a source").with_source(error)
                })?;
                self.threads.push(thread);
            }
        }
        Ok(())
    }

    /// The next micro-batch.
    pub(crate) fn next(&mut self) -> Result<Next> {
        self.fill()?;
        let mut inside = self.shared.lock();
        if let Some(error) = inside.error.take() {
            return Err(error);
        }
        if let Some(item) = inside.queue.pop() {
            drop(inside);
            if !self.threads.is_empty() {
                self.shared.room.notify_all();
            }
            return Ok(Next::Item(item));
        }
        if inside.open == 0 {
            return Ok(Next::End);
        }
        drop(inside);
        Ok(Next::Wait(self.pause()))
    }

    /// Asks the sources that are asked here, while there is room.
    fn fill(&mut self) -> Result<()> {
        let now = self.shared.clock.monotonic();
        let trigger = Duration::from_millis(self.shared.context.trigger_interval_ms);
        let mut progressing = true;
        // One after the other in turn: none of several sources waits for the end of another.
        while progressing {
            progressing = false;
            for own in self.inline.iter_mut().filter(|own| !own.ended && own.next_at <= now) {
                let mut inside = self.shared.lock();
                if own.source.at_end() {
                    own.ended = true;
                    inside.end(own.input);
                    continue;
                }
                if !inside.queue.may_pull() {
                    return Ok(());
                }
                match own.source.next_batch(&self.shared.context)? {
                    Pull::Batch(batch, offset) => {
                        let history = own.source.take_history();
                        inside.queue.push(Item { input: own.input, batch, offset, history });
                        progressing = true;
                        if !trigger.is_zero() {
                            own.next_at = now + trigger;
                        }
                    }
                    Pull::Idle => {}
                    Pull::End => {
                        own.ended = true;
                        inside.end(own.input);
                    }
                }
            }
        }
        Ok(())
    }

    /// How long nothing can come unless the signal is given.
    fn pause(&self) -> Duration {
        let now = self.shared.clock.monotonic();
        let due = self.inline.iter().filter(|own| !own.ended && own.next_at > now).map(|own| own.next_at - now);
        due.min().unwrap_or(self.shared.idle_wait).min(self.shared.idle_wait.max(Duration::from_millis(1)))
    }

    /// Tells a source that a micro-batch is written.
    pub(crate) fn checkpoint(&mut self, input: usize, marker: CheckpointMarker) -> Result<()> {
        match self.inline.iter_mut().find(|own| own.input == input) {
            Some(own) => own.source.checkpoint(&marker),
            None => self.say(input, Said::Checkpoint(marker)),
        }
    }

    /// Tells a source that everything up to `offset` is durable.
    pub(crate) fn ack(&mut self, input: usize, offset: SourceOffset) -> Result<()> {
        match self.inline.iter_mut().find(|own| own.input == input) {
            Some(own) => own.source.ack(&offset),
            None => self.say(input, Said::Ack(offset)),
        }
    }

    fn say(&self, input: usize, said: Said) -> Result<()> {
        let mut inside = self.shared.lock();
        if let Some(list) = inside.said.get_mut(input) {
            list.push_back(said);
        }
        drop(inside);
        self.shared.room.notify_all();
        Ok(())
    }

    /// The sources that have ended since this was asked before.
    pub(crate) fn take_ended(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.shared.lock().ended)
    }

    /// What the queue counts.
    pub(crate) fn counts(&self) -> QueueCounts {
        self.shared.lock().queue.counts()
    }

    /// What the sources passed over, added up.
    pub(crate) fn notes(&self) -> SourceNotes {
        let inside = self.shared.lock();
        let inline = self.inline.iter().map(|own| own.source.notes());
        let mut all = SourceNotes::default();
        for notes in inside.notes.iter().cloned().chain(inline) {
            all.bad_rows += notes.bad_rows;
            all.skipped_files += notes.skipped_files;
            all.warning = notes.warning.or(all.warning);
        }
        all
    }

    /// Closes all sources; threads have told theirs everything by then.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.shared.lock().stopping = true;
        self.shared.room.notify_all();
        self.shared.signal.notify();
        self.interrupters.drain(..).for_each(|interrupt| interrupt());
        let mut result = Ok(());
        for mut own in self.inline.drain(..) {
            result = result.and(own.source.close());
        }
        for thread in self.threads.drain(..) {
            let joined = thread.join().unwrap_or_else(|_| Err(panicked()));
            result = result.and(joined);
        }
        result
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // Threads must not outlive the query, whatever it ended with.
        let _ = self.close();
    }
}

fn panicked() -> Error {
    Error::new(ErrorCode::Internal, "a source panicked").with_hint("this is a bug in the source")
}

impl Shared {
    // What is inside is changed in steps that cannot panic.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a source on its own thread.
    fn serve(&self, input: usize, mut source: Box<dyn StreamSource>) -> Result<()> {
        let served = catch_unwind(AssertUnwindSafe(|| self.pull_all(input, source.as_mut())));
        if let Err(error) = served.unwrap_or_else(|_| Err(panicked())) {
            let mut inside = self.lock();
            inside.error.get_or_insert(error);
            drop(inside);
            self.signal.notify();
            self.wait_for_stop();
        }
        source.close()
    }

    fn pull_all(&self, input: usize, source: &mut dyn StreamSource) -> Result<()> {
        let mut ended = false;
        let mut pause = Duration::ZERO;
        while self.wait_for_room(input, source, ended, pause)? {
            let asked = self.clock.monotonic();
            let pulled = source.next_batch(&self.context_now())?;
            let history = if matches!(pulled, Pull::Batch(..)) { source.take_history() } else { None };
            let mut inside = self.lock();
            if let Some(notes) = inside.notes.get_mut(input) {
                *notes = source.notes();
            }
            match pulled {
                Pull::Batch(batch, offset) => {
                    inside.queue.push(Item { input, batch, offset, history });
                    pause = Duration::from_millis(self.context.trigger_interval_ms);
                }
                // A source that has waited itself is asked again at once.
                Pull::Idle => pause = self.idle_wait.saturating_sub(self.clock.monotonic().saturating_sub(asked)),
                Pull::End => {
                    ended = true;
                    inside.end(input);
                }
            }
            drop(inside);
            self.signal.notify();
        }
        Ok(())
    }

    /// Waits for `pause`, and then until the source may be asked; tells it meanwhile what there is to tell. `false`: stop.
    fn wait_for_room(
        &self,
        input: usize,
        source: &mut dyn StreamSource,
        ended: bool,
        mut pause: Duration,
    ) -> Result<bool> {
        let mut inside = self.lock();
        loop {
            while let Some(said) = inside.said.get_mut(input).and_then(VecDeque::pop_front) {
                drop(inside);
                match said {
                    Said::Checkpoint(marker) => source.checkpoint(&marker)?,
                    Said::Ack(offset) => source.ack(&offset)?,
                }
                inside = self.lock();
            }
            if inside.stopping {
                return Ok(false);
            }
            if !ended && pause.is_zero() && inside.queue.may_pull() {
                return Ok(true);
            }
            let begun = self.clock.monotonic();
            let timeout = if pause.is_zero() { self.idle_wait } else { pause };
            let (next, waited) = self.room.wait_timeout(inside, timeout).unwrap_or_else(PoisonError::into_inner);
            inside = next;
            let passed = if waited.timed_out() { timeout } else { self.clock.monotonic().saturating_sub(begun) };
            pause = pause.saturating_sub(passed);
        }
    }

    fn wait_for_stop(&self) {
        let mut inside = self.lock();
        while !inside.stopping {
            inside = self.room.wait_timeout(inside, self.idle_wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn context_now(&self) -> SourceContext {
        let counts = self.lock().queue.counts();
        SourceContext { backlog_batches: counts.inflight, inflight_batches: counts.inflight, ..self.context.clone() }
    }
}

/// The queue for `limits`, going on with the counters of a checkpoint.
pub(crate) fn queue(limits: Limits, restored: Option<(u64, u64, u64)>) -> Queue {
    let mut queue = Queue::new(limits);
    if let Some((pulled, blocked, max_backlog)) = restored {
        queue.restore(pulled, blocked, max_backlog);
    }
    queue
}
