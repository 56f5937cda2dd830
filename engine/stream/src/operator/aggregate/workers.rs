//! Local workers: threads that have a part of the keys each.
//!
//! A key always goes to the same worker, in the order of the rows, so what a worker computes for it is what one thread would have
//! computed. Work is handed over as a function of the worker's shard; replies come in the order of the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{take, take_arrays};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use velaria_contract::{Clock, Error, ErrorCode, Result, SystemClock};

use super::program::Program;
use super::shard::{Numbers, Push, Shard};
use crate::error::{from_arrow, from_datafusion};

pub(super) struct Workers {
    workers: Vec<Worker>,
    clock: Arc<dyn Clock>,
    columns: Arc<Vec<usize>>,
    hashes: Vec<u64>,
    /// The time before which no work of this micro-batch was handed over.
    began: Option<Duration>,
    wall_nanos: u64,
    partitions: u64,
    partitions_now: u64,
}

struct Worker {
    /// `None` once the thread is told to end.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// The time that its jobs took.
    busy_nanos: Arc<AtomicU64>,
}

type Job = Box<dyn FnOnce(&mut Seat) + Send>;

/// What a worker's thread has.
struct Seat {
    shard: Shard,
    /// The error of a push, which the next question gets.
    failed: Option<Error>,
}

/// The seed of the hash that picks a worker. The tables of keys hash with another one: with the same, the keys of a worker would
/// fill a part of its table only.
const SEED: RandomState = RandomState::with_seed(0x5eed_0057);

/// Jobs that may wait for a worker.
const QUEUED_JOBS: usize = 4;

impl Workers {
    pub(super) fn new(program: &Arc<Program>, count: usize) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let workers = (0..count).map(|number| Worker::start(Shard::new(program)?, number, &clock));
        Ok(Self {
            workers: workers.collect::<Result<_>>()?,
            clock,
            columns: Arc::new(program.columns_of_functions()),
            hashes: Vec::new(),
            began: None,
            wall_nanos: 0,
            partitions: 0,
            partitions_now: 0,
        })
    }

    /// Hands rows to their workers.
    pub(super) fn push(&mut self, push: Push) -> Result<()> {
        self.begin();
        let first = push.numbers.first;
        let watermark_ms = push.watermark_ms;
        for (worker, rows) in self.partition(&push.keys, push.batch.num_rows())?.into_iter().enumerate() {
            if rows.is_empty() {
                continue;
            }
            self.partitions_now += 1;
            let (batch, keys, columns) = (push.batch.clone(), push.keys.clone(), Arc::clone(&self.columns));
            self.send(worker, move |shard| {
                let (batch, keys) = picked(&batch, &keys, &columns, &rows)?;
                shard.push(Push { batch, keys, numbers: Numbers { first, picked: Some(rows) }, watermark_ms })
            })?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        if self.began.is_none() {
            self.began = Some(self.clock.monotonic());
            self.partitions_now = 0;
        }
    }

    /// Notes the times of a micro-batch.
    pub(super) fn end(&mut self) {
        if let Some(began) = self.began.take() {
            self.wall_nanos += nanos(self.clock.monotonic().saturating_sub(began));
            self.partitions = self.partitions_now;
        }
    }

    /// The rows of each worker.
    fn partition(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<Vec<u32>>> {
        self.hashes.clear();
        self.hashes.resize(rows, 0);
        create_hashes(keys, &SEED, &mut self.hashes).map_err(from_datafusion)?;
        let count = self.workers.len() as u64;
        let mut parts = vec![Vec::with_capacity(rows / self.workers.len() + 16); self.workers.len()];
        for (row, hash) in (0_u32..).zip(&self.hashes) {
            // The upper half of the hash, scaled: no division.
            let worker = ((hash >> 32) * count) >> 32;
            if let Some(part) = usize::try_from(worker).ok().and_then(|worker| parts.get_mut(worker)) {
                part.push(row);
            }
        }
        Ok(parts)
    }

    /// The part of a frame with keys that each worker gets.
    pub(super) fn parts_of(&mut self, batch: &RecordBatch, keys: usize) -> Result<Vec<RecordBatch>> {
        let (keys, _) = batch.columns().split_at(keys.min(batch.num_columns()));
        let parts = self.partition(keys, batch.num_rows())?.into_iter();
        parts.map(|rows| take_batch(batch, &UInt32Array::from(rows))).collect()
    }

    /// Asks one worker without waiting; an error is told by the next question.
    fn send(&self, worker: usize, job: impl FnOnce(&mut Shard) -> Result<()> + Send + 'static) -> Result<()> {
        self.hand(worker, move |seat| {
            if seat.failed.is_none() {
                seat.failed = job(&mut seat.shard).err();
            }
        })
    }

    fn hand(&self, worker: usize, job: impl FnOnce(&mut Seat) + Send + 'static) -> Result<()> {
        let jobs = self.workers.get(worker).and_then(|worker| worker.jobs.as_ref());
        jobs.and_then(|jobs| jobs.send(Box::new(job)).ok()).ok_or_else(gone)
    }

    /// Asks each worker.
    pub(super) fn ask<R: Send + 'static>(
        &mut self,
        question: impl Fn(usize, &mut Shard) -> Result<R> + Clone + Send + 'static,
    ) -> Result<Vec<R>> {
        let replies = (0..self.workers.len()).map(|number| {
            let question = question.clone();
            self.reply(number, move |seat| question(number, &mut seat.shard))
        });
        let replies: Vec<Receiver<Result<R>>> = replies.collect::<Result<_>>()?;
        self.receive(replies)
    }

    fn reply<R: Send + 'static>(
        &self,
        worker: usize,
        question: impl FnOnce(&mut Seat) -> Result<R> + Send + 'static,
    ) -> Result<Receiver<Result<R>>> {
        let (reply, replies) = sync_channel(1);
        self.hand(worker, move |seat| {
            let answer = match seat.failed.take() {
                Some(error) => Err(error),
                None => question(seat),
            };
            // Nobody waits for the answer when another worker has failed already.
            let _ = reply.send(answer);
        })?;
        Ok(replies)
    }

    fn receive<R>(&mut self, replies: Vec<Receiver<Result<R>>>) -> Result<Vec<R>> {
        let answers: Vec<Result<R>> =
            replies.into_iter().map(|reply| reply.recv().unwrap_or_else(|_| Err(gone()))).collect();
        answers.into_iter().collect()
    }

    pub(super) fn worker_nanos(&self) -> u64 {
        self.workers.iter().map(|worker| worker.busy_nanos.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn wall_nanos(&self) -> u64 {
        self.wall_nanos
    }

    pub(super) fn partitions(&self) -> u64 {
        self.partitions
    }
}

impl Worker {
    fn start(shard: Shard, number: usize, clock: &Arc<dyn Clock>) -> Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(QUEUED_JOBS);
        let busy_nanos = Arc::new(AtomicU64::new(0));
        let (clock, busy) = (Arc::clone(clock), Arc::clone(&busy_nanos));
        let thread = std::thread::Builder::new()
            .name(format!("velaria-worker-{number}"))
            .spawn(move || work(Seat { shard, failed: None }, &waiting, clock.as_ref(), &busy))
            .map_err(|error| Error::new(ErrorCode::Io, format!("a local worker cannot be started: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), busy_nanos })
    }
}

impl Drop for Worker {
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
    while let Ok(job) = jobs.recv() {
        let began = clock.monotonic();
        job(&mut seat);
        busy_nanos.fetch_add(nanos(clock.monotonic().saturating_sub(began)), Ordering::Relaxed);
    }
}

fn gone() -> Error {
    Error::new(ErrorCode::Internal, "a local worker has ended too early")
        .with_hint("run the query with execution_mode 'single-process', and report this")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The rows of a worker. Columns that no function reads keep their place, with rows that nobody looks at.
fn picked(
    batch: &RecordBatch,
    keys: &[ArrayRef],
    columns: &[usize],
    rows: &[u32],
) -> Result<(RecordBatch, Vec<ArrayRef>)> {
    let rows = UInt32Array::from(rows.to_vec());
    let column = |(number, column): (usize, &ArrayRef)| match columns.contains(&number) {
        true => take(column, &rows, None).map_err(from_arrow),
        false => Ok(column.slice(0, rows.len())),
    };
    let picked = batch.columns().iter().enumerate().map(column).collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(batch.schema(), picked, &options).map_err(from_arrow)?;
    Ok((batch, take_arrays(keys, &rows, None).map_err(from_arrow)?))
}

fn take_batch(batch: &RecordBatch, rows: &UInt32Array) -> Result<RecordBatch> {
    let columns = take_arrays(batch.columns(), rows, None).map_err(from_arrow)?;
    RecordBatch::try_new(batch.schema(), columns).map_err(from_arrow)
}
