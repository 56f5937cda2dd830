//! A worker: its shard, and the thread that works for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use velaria_contract::{Clock, Error, ErrorCode, Result};

use super::super::shard::Shard;

/// What a worker has.
pub(super) struct Seat {
    shard: Shard,
    /// The error of a push, which the next question gets.
    failed: Option<Error>,
}

impl Seat {
    pub(super) fn new(shard: Shard) -> Self {
        Self { shard, failed: None }
    }

    fn tell(&mut self, job: impl FnOnce(&mut Shard) -> Result<()>) {
        if self.failed.is_none() {
            self.failed = job(&mut self.shard).err();
        }
    }

    fn answer<R>(&mut self, question: impl FnOnce(&mut Shard) -> Result<R>) -> Result<R> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => question(&mut self.shard),
        }
    }
}

/// The worker on the query's own thread, which would only wait while others work.
pub(super) struct Own {
    /// Gone after a panic.
    seat: Option<Seat>,
    /// The last job, which is begun when the others have got theirs.
    waiting: Option<Job>,
    clock: Arc<dyn Clock>,
    pub(super) busy_nanos: u64,
}

impl Own {
    pub(super) fn new(seat: Seat, clock: &Arc<dyn Clock>) -> Self {
        Self { seat: Some(seat), waiting: None, clock: Arc::clone(clock), busy_nanos: 0 }
    }

    /// Takes a job, which is done before the next one; an error is told by the next question.
    pub(super) fn tell(&mut self, job: impl FnOnce(&mut Shard) -> Result<()> + Send + 'static) -> Result<()> {
        self.catch_up()?;
        self.waiting = Some(Box::new(move |seat| seat.tell(job)));
        Ok(())
    }

    pub(super) fn answer<R>(&mut self, question: impl FnOnce(&mut Shard) -> Result<R>) -> Result<R> {
        self.catch_up()?;
        self.work(|seat| seat.answer(question))?
    }

    fn catch_up(&mut self) -> Result<()> {
        self.waiting.take().map_or(Ok(()), |job| self.work(job))
    }

    fn work<R>(&mut self, job: impl FnOnce(&mut Seat) -> R) -> Result<R> {
        let mut seat = self.seat.take().ok_or_else(gone)?;
        let began = self.clock.monotonic();
        let done = catch_unwind(AssertUnwindSafe(move || {
            let done = job(&mut seat);
            (seat, done)
        }));
        self.busy_nanos += nanos(self.clock.monotonic().saturating_sub(began));
        let (seat, done) = done.map_err(|_| gone())?;
        self.seat = Some(seat);
        Ok(done)
    }
}

/// A worker on a thread of its own.
pub(super) struct Other {
    /// `None` once the thread is told to end.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// The time that its jobs took.
    busy_nanos: Arc<AtomicU64>,
}

type Job = Box<dyn FnOnce(&mut Seat) + Send>;

/// An answer that a worker has still to give.
pub(super) struct Reply<R>(Receiver<Result<R>>);

/// Jobs that may wait for a worker.
const QUEUED_JOBS: usize = 4;

impl Other {
    pub(super) fn start(seat: Seat, number: usize, clock: &Arc<dyn Clock>) -> Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(QUEUED_JOBS);
        let busy_nanos = Arc::new(AtomicU64::new(0));
        let (clock, busy) = (Arc::clone(clock), Arc::clone(&busy_nanos));
        let thread = std::thread::Builder::new()
            .name(format!("velaria-worker-{number}"))
            .spawn(move || work(seat, &waiting, clock.as_ref(), &busy))
            .map_err(|error| Error::new(ErrorCode::Io, format!("a local worker cannot be started: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), busy_nanos })
    }

    pub(super) fn busy_nanos(&self) -> u64 {
        self.busy_nanos.load(Ordering::Relaxed)
    }

    /// Hands over a job without waiting; an error is told by the next question.
    pub(super) fn tell(&self, job: impl FnOnce(&mut Shard) -> Result<()> + Send + 'static) -> Result<()> {
        self.hand(move |seat| seat.tell(job))
    }

    /// Asks without waiting for the answer.
    pub(super) fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Shard) -> Result<R> + Send + 'static,
    ) -> Result<Reply<R>> {
        let (reply, replies) = sync_channel(1);
        self.hand(move |seat| {
            // Nobody waits for the answer when another worker has failed already.
            let _ = reply.send(seat.answer(question));
        })?;
        Ok(Reply(replies))
    }

    fn hand(&self, job: impl FnOnce(&mut Seat) + Send + 'static) -> Result<()> {
        let jobs = self.jobs.as_ref();
        jobs.and_then(|jobs| jobs.send(Box::new(job)).ok()).ok_or_else(gone)
    }
}

impl<R> Reply<R> {
    pub(super) fn wait(self) -> Result<R> {
        receive(&self.0).unwrap_or_else(|| Err(gone()))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Without senders the thread ends after its last job.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so to whoever waited for its answer.
            let _ = thread.join();
        }
    }
}

fn work(mut seat: Seat, jobs: &Receiver<Job>, clock: &dyn Clock, busy_nanos: &AtomicU64) {
    while let Some(job) = receive(jobs) {
        let began = clock.monotonic();
        job(&mut seat);
        busy_nanos.fetch_add(nanos(clock.monotonic().saturating_sub(began)), Ordering::Relaxed);
    }
}

/// The times that a thread looks for something before it sleeps: waking it would take longer than what it waits for.
const LOOKS: u32 = 400;

fn receive<T>(receiver: &Receiver<T>) -> Option<T> {
    for _ in 0..LOOKS {
        match receiver.try_recv() {
            Ok(received) => return Some(received),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    receiver.recv().ok()
}

fn gone() -> Error {
    Error::new(ErrorCode::Internal, "a local worker has ended too early")
        .with_hint("run the query with execution_mode 'single-process', and report this")
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
