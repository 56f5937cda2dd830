//! The queue between sources and operators: bounded, with two marks.
//!
//! A source that finds the queue full waits until it is down to the low mark, so that it does not start and stop for every
//! micro-batch. All counters change under one lock: what is read of them fits together.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use velaria_connector::SourceOffset;

use crate::options::StreamOptions;

/// A micro-batch that waits.
#[derive(Debug)]
pub(crate) struct Item {
    /// The index of the source.
    pub(crate) input: usize,
    pub(crate) batch: RecordBatch,
    /// The offset after it.
    pub(crate) offset: SourceOffset,
    /// What its source is done with.
    pub(crate) history: Option<RecordBatch>,
}

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) max_batches: u64,
    pub(crate) max_partitions: u64,
    pub(crate) high: u64,
    pub(crate) low: u64,
    /// The workers that a micro-batch is spread over.
    pub(crate) workers: u64,
}

impl Limits {
    pub(crate) fn new(options: &StreamOptions, workers: u64) -> Self {
        let max_batches = options.max_inflight_batches.max(1);
        Self {
            max_batches,
            max_partitions: options.max_queued_partitions.max(1),
            high: options.backpressure_high_watermark.max(1),
            // A waiting source must go on before the queue is what it was when it stopped.
            low: options.backpressure_low_watermark.min(max_batches - 1),
            workers,
        }
    }
}

/// What progress tells of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    pub(crate) pulled: u64,
    pub(crate) blocked: u64,
    pub(crate) max_backlog: u64,
    pub(crate) inflight: u64,
    pub(crate) inflight_partitions: u64,
    pub(crate) partitions_max: u64,
    pub(crate) active: bool,
}

/// Micro-batches that wait for the operators.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: Limits,
    items: VecDeque<Item>,
    counts: QueueCounts,
    /// Whether a source found it full, and it is not down to the low mark since.
    waiting: bool,
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, items: VecDeque::new(), counts: QueueCounts::default(), waiting: false }
    }

    /// Goes on with the counters of a checkpoint.
    pub(crate) fn restore(&mut self, pulled: u64, blocked: u64, max_backlog: u64) {
        (self.counts.pulled, self.counts.blocked, self.counts.max_backlog) = (pulled, blocked, max_backlog);
    }

    /// Whether a source may be asked now. Saying no for the first time since it last said yes counts as one wait.
    pub(crate) fn may_pull(&mut self) -> bool {
        let partitions_left = self.counts.inflight_partitions < self.limits.max_partitions;
        if self.waiting {
            self.waiting = !(self.counts.inflight <= self.limits.low && partitions_left);
        } else if self.counts.inflight >= self.limits.max_batches || !partitions_left {
            self.waiting = true;
            self.counts.blocked += 1;
            self.counts.active = true;
        }
        !self.waiting
    }

    pub(crate) fn push(&mut self, item: Item) {
        let partitions = self.partitions(&item);
        self.items.push_back(item);
        let counts = &mut self.counts;
        counts.pulled += 1;
        counts.inflight += 1;
        counts.inflight_partitions += partitions;
        counts.partitions_max = counts.partitions_max.max(partitions);
        counts.max_backlog = counts.max_backlog.max(counts.inflight);
        counts.active = counts.inflight >= self.limits.high || counts.inflight_partitions >= self.limits.max_partitions;
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        let partitions = self.partitions(&item);
        let counts = &mut self.counts;
        counts.inflight -= 1;
        counts.inflight_partitions -= partitions;
        if counts.inflight <= self.limits.low && counts.inflight_partitions < self.limits.max_partitions {
            counts.active = false;
        }
        Some(item)
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        self.counts
    }

    fn partitions(&self, item: &Item) -> u64 {
        self.limits.workers.min(item.batch.num_rows() as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn item() -> Item {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("v", column)]).unwrap();
        Item { input: 0, batch, offset: SourceOffset::default(), history: None }
    }

    /// A source of `batches` micro-batches that fills the queue whenever it may; operators take one at a time.
    fn run(options: &StreamOptions, batches: usize) -> QueueCounts {
        let mut queue = Queue::new(Limits::new(options, 1));
        let mut left = batches;
        loop {
            while left > 0 && queue.may_pull() {
                queue.push(item());
                left -= 1;
            }
            if queue.pop().is_none() {
                return queue.counts();
            }
        }
    }

    #[test]
    fn six_micro_batches_wait_four_times_with_a_backlog_of_two() {
        let counts = run(&StreamOptions::default(), 6);
        assert_eq!((counts.pulled, counts.blocked, counts.max_backlog, counts.inflight), (6, 4, 2, 0));
        assert!(!counts.active);
    }

    #[test]
    fn a_low_mark_of_zero_drains_the_queue_before_it_is_filled_again() {
        let options = StreamOptions {
            max_inflight_batches: 4,
            backpressure_high_watermark: 4,
            backpressure_low_watermark: 0,
            ..StreamOptions::default()
        };
        let counts = run(&options, 12);
        assert_eq!((counts.blocked, counts.max_backlog), (2, 4));
    }

    #[test]
    fn no_setting_makes_a_source_wait_for_ever() {
        for low in 0..5 {
            for max in 0..4 {
                let options = StreamOptions {
                    max_inflight_batches: max,
                    backpressure_low_watermark: low,
                    max_queued_partitions: 0,
                    ..StreamOptions::default()
                };
                assert_eq!(run(&options, 9).pulled, 9, "low {low}, max {max}");
            }
        }
    }
}
