//! The k nearest of many, in a total order: score, then row id.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use velaria_contract::{Error, ErrorCode, Result};

use crate::metric::Metric;

/// A row that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The position of the row, from zero.
    pub row_id: u64,
    /// Its score. NaN for a vector that is not finite.
    pub score: f64,
}

/// The nearest rows so far. Its memory grows with what it holds, not with `k`.
#[derive(Debug, Clone)]
pub struct TopK {
    metric: Metric,
    k: usize,
    /// The farthest of the kept rows is on top.
    heap: BinaryHeap<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hit: Hit,
    metric: Metric,
}

/// Refuses to find no rows.
pub(crate) fn check_top_k(top_k: usize) -> Result<()> {
    match top_k {
        0 => Err(Error::new(ErrorCode::InvalidArgument, "top_k must be a positive integer")),
        _ => Ok(()),
    }
}

impl TopK {
    /// No rows yet, and at most `k` of them later.
    #[must_use]
    pub fn new(metric: Metric, k: usize) -> Self {
        Self { metric, k, heap: BinaryHeap::new() }
    }

    /// Keeps the row if it is among the `k` nearest so far.
    pub fn push(&mut self, row_id: u64, score: f64) {
        // One zero: what prints as -0.0 is no other score.
        let entry = Entry { hit: Hit { row_id, score: score + 0.0 }, metric: self.metric };
        if self.heap.len() < self.k {
            self.heap.push(entry);
        } else if let Some(mut farthest) = self.heap.peek_mut()
            && entry < *farthest
        {
            *farthest = entry;
        }
    }

    /// The score that a row must at least equal to be kept, once there are `k` rows with a score that is a number. A row
    /// whose score is farther than this is not among the nearest, whatever its number.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        let farthest = self.heap.peek().filter(|_| self.heap.len() >= self.k)?;
        Some(farthest.hit.score).filter(|score| !score.is_nan())
    }

    /// Takes over the rows of `other`.
    pub fn merge(&mut self, other: Self) {
        other.heap.into_iter().for_each(|entry| self.push(entry.hit.row_id, entry.hit.score));
    }

    /// The kept rows, nearest first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.hit).collect()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.metric.order(self.hit.score, other.hit.score).then(self.hit.row_id.cmp(&other.hit.row_id))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
