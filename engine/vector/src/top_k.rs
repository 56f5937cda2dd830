//! The k nearest of many, in a total order: score, then row id.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

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
    nan: Nan,
    /// The farthest of the kept rows is on top.
    heap: BinaryHeap<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hit: Hit,
    metric: Metric,
    nan: Nan,
}

/// Where scores are that are no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nan {
    First,
    Last,
}

impl TopK {
    /// No rows yet, and at most `k` of them later.
    #[must_use]
    pub fn new(metric: Metric, k: usize) -> Self {
        Self { metric, k, nan: Nan::Last, heap: BinaryHeap::new() }
    }

    /// The same, for no rows yet, but that NaN is before every number.
    #[must_use]
    pub fn nan_first(self) -> Self {
        Self { nan: Nan::First, ..self }
    }

    /// Keeps the row if it is among the `k` nearest so far.
    pub fn push(&mut self, row_id: u64, score: f64) {
        // One zero: what prints as -0.0 is no other score.
        let entry = Entry { hit: Hit { row_id, score: score + 0.0 }, metric: self.metric, nan: self.nan };
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

    /// The kept rows, in no order.
    pub fn row_ids(&self) -> impl Iterator<Item = u64> {
        self.heap.iter().map(|entry| entry.hit.row_id)
    }

    /// The kept rows, nearest first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.hit).collect()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let number = match self.nan {
            Nan::First => other.hit.score.is_nan().cmp(&self.hit.score.is_nan()),
            Nan::Last => Ordering::Equal,
        };
        number
            .then_with(|| self.metric.order(self.hit.score, other.hit.score))
            .then(self.hit.row_id.cmp(&other.hit.row_id))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(top_k: TopK) -> Vec<u64> {
        let mut top_k = top_k;
        for (row, score) in [3.0, f64::NAN, 1.0, 1.0, f64::NAN].into_iter().enumerate() {
            top_k.push(row as u64, score);
        }
        top_k.into_sorted().into_iter().map(|hit| hit.row_id).collect()
    }

    #[test]
    fn what_is_no_number_is_last_or_first_as_it_is_wanted() {
        assert_eq!(kept(TopK::new(Metric::L2, 4)), [2, 3, 0, 1]);
        assert_eq!(kept(TopK::new(Metric::Dot, 4)), [0, 2, 3, 1]);
        assert_eq!(kept(TopK::new(Metric::L2, 3).nan_first()), [1, 4, 2]);
        assert_eq!(kept(TopK::new(Metric::Dot, 9).nan_first()), [1, 4, 0, 2, 3]);
    }
}
