//! The k nearest of many, in a total order: score, then row id.

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
    nan: Nan,
    /// The farthest of the kept rows is on top.
    heap: BinaryHeap<Entry>,
}

/// A row whose order among the others is that of two integers, which takes an instruction where scores take ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    rank: u64,
    row_id: u64,
}

/// Refuses to find no rows.
pub(crate) fn check_top_k(top_k: usize) -> Result<()> {
    match top_k {
        0 => Err(Error::new(ErrorCode::InvalidArgument, "top_k must be a positive integer")),
        _ => Ok(()),
    }
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
        self.keep(Entry { rank: rank(self.metric, self.nan, score), row_id });
    }

    fn keep(&mut self, entry: Entry) {
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
        Some(score(self.metric, farthest.rank)).filter(|score| !score.is_nan())
    }

    /// Takes over the rows of `other`.
    pub fn merge(&mut self, other: Self) {
        other.heap.into_iter().for_each(|entry| self.keep(entry));
    }

    /// The kept rows, in no order.
    pub fn row_ids(&self) -> impl Iterator<Item = u64> {
        self.heap.iter().map(|entry| entry.row_id)
    }

    /// The kept rows, nearest first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Hit> {
        let hit = |entry: Entry| Hit { row_id: entry.row_id, score: score(self.metric, entry.rank) };
        self.heap.into_sorted_vec().into_iter().map(hit).collect()
    }
}

/// An integer that is smaller for nearer scores and equal for equal ones; the smallest or the largest for NaN.
fn rank(metric: Metric, nan: Nan, score: f64) -> u64 {
    if score.is_nan() {
        return if nan == Nan::First { 0 } else { u64::MAX };
    }
    // One zero: what prints as -0.0 is no other score.
    let bits = (score + 0.0).to_bits();
    let ascending = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    if metric.is_distance() { ascending } else { !ascending }
}

/// The score of a rank.
fn score(metric: Metric, rank: u64) -> f64 {
    if rank == 0 || rank == u64::MAX {
        return f64::NAN;
    }
    let ascending = if metric.is_distance() { rank } else { !rank };
    f64::from_bits(if ascending & SIGN == 0 { !ascending } else { ascending & !SIGN })
}

const SIGN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn ranks_order_as_the_metric_and_read_back(left in any_score(), right in any_score()) {
            for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
                prop_assert_eq!(rank(metric, Nan::Last, left).cmp(&rank(metric, Nan::Last, right)), metric.order(left, right));
                let back = score(metric, rank(metric, Nan::Last, left));
                prop_assert!(back == left || back.is_nan() && left.is_nan());
            }
        }
    }

    fn kept(mut top_k: TopK) -> Vec<u64> {
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

    fn any_score() -> impl Strategy<Value = f64> {
        prop_oneof![any::<u64>().prop_map(f64::from_bits), (-2_i8..3).prop_map(f64::from), Just(-0.0), Just(f64::NAN)]
    }
}
