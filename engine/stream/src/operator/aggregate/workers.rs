//! Local workers: threads that have a part of the keys each; the query's own thread is the first of them.
//!
//! A key always goes to the same worker, in the order of the rows, so what a worker computes for it is what one thread would have
//! computed. Work is handed over as a function of the worker's shard; replies come in the order of the workers.

mod routed;
mod seat;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use velaria_contract::{Clock, Result, SystemClock};

use self::routed::{Routed, parts_of};
use self::seat::{Other, Own, Seat, nanos};
use super::program::Program;
use super::shard::{Push, Shard};

pub(super) struct Workers {
    own: Own,
    others: Vec<Other>,
    clock: Arc<dyn Clock>,
    columns: Arc<Vec<usize>>,
    /// The time before which no work of this micro-batch was handed over.
    began: Option<Duration>,
    wall_nanos: u64,
    partitions: u64,
    /// Counted by the workers.
    partitions_now: Arc<AtomicU64>,
}

impl Workers {
    pub(super) fn new(program: &Arc<Program>, count: usize) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let seat = || Shard::new(program).map(Seat::new);
        let others = (1..count).map(|number| Other::start(seat()?, number, &clock));
        Ok(Self {
            own: Own::new(seat()?, &clock),
            others: others.collect::<Result<_>>()?,
            clock,
            columns: Arc::new(program.columns_of_functions()),
            began: None,
            wall_nanos: 0,
            partitions: 0,
            partitions_now: Arc::default(),
        })
    }

    fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// Hands rows to their workers.
    pub(super) fn push(&mut self, push: Push) -> Result<()> {
        self.begin();
        let routed = Arc::new(Routed::new(push, &self.columns, self.count())?);
        let partitions = Arc::clone(&self.partitions_now);
        let job = move |worker: usize, shard: &mut Shard| {
            let Some(part) = routed.part(worker)? else { return Ok(()) };
            partitions.fetch_add(1, Ordering::Relaxed);
            shard.push(part)
        };
        for (worker, other) in (1..).zip(&self.others) {
            let job = job.clone();
            other.tell(move |shard| job(worker, shard))?;
        }
        self.own.tell(move |shard| job(0, shard))
    }

    fn begin(&mut self) {
        if self.began.is_none() {
            self.began = Some(self.clock.monotonic());
            self.partitions_now.store(0, Ordering::Relaxed);
        }
    }

    /// Notes the times of a micro-batch.
    pub(super) fn end(&mut self) {
        if let Some(began) = self.began.take() {
            self.wall_nanos += nanos(self.clock.monotonic().saturating_sub(began));
            self.partitions = self.partitions_now.load(Ordering::Relaxed);
        }
    }

    /// The part of a frame with keys that each worker gets.
    pub(super) fn parts_of(&self, batch: &RecordBatch, keys: usize) -> Result<Vec<RecordBatch>> {
        parts_of(batch, keys, self.count())
    }

    /// Asks each worker.
    pub(super) fn ask<R: Send + 'static>(
        &mut self,
        question: impl Fn(usize, &mut Shard) -> Result<R> + Clone + Send + 'static,
    ) -> Result<Vec<R>> {
        let ask = |(worker, other): (usize, &Other)| {
            let question = question.clone();
            other.ask(move |shard| question(worker, shard))
        };
        let replies = (1..).zip(&self.others).map(ask).collect::<Result<Vec<_>>>()?;
        let own = self.own.answer(|shard| question(0, shard));
        // All answers are waited for, also after an error: a worker may not be asked anew while it still works.
        let others: Vec<Result<R>> = replies.into_iter().map(|reply| reply.wait()).collect();
        std::iter::once(own).chain(others).collect()
    }

    pub(super) fn worker_nanos(&self) -> u64 {
        self.own.busy_nanos + self.others.iter().map(Other::busy_nanos).sum::<u64>()
    }

    pub(super) fn wall_nanos(&self) -> u64 {
        self.wall_nanos
    }

    pub(super) fn partitions(&self) -> u64 {
        self.partitions
    }
}
