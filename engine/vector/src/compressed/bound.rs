//! What codes prove of a score.
//!
//! A row `a` has codes `c` with scale `s`, and the query `q` codes `d` with scale `t`. With the residuals
//! `r ≥ |a - s c|` and `p ≥ |q - t d|`, and as `|s c| ≤ |a| + r`,
//!
//! ```text
//! a·q = s c·t d + s c·(q - t d) + (a - s c)·q  ≤  U = t (s (c·d)) + r (|q| + p) + p |a|        (Cauchy, Schwarz)
//! ```
//!
//! and `c·d` is an exact integer. A row is left out only when its best score is strictly farther than the threshold `h`:
//!
//! | metric | left out when |
//! | --- | --- |
//! | cosine | `U < (1 - h - ε) \|q\| \|a\|` |
//! | dot    | `U + ε \|q\| \|a\| < h` |
//! | l2     | `2 U + h² (1 + ε) < (\|a\|² + \|q\|²) (1 - ε)` |
//!
//! `ε = 2⁻²¹` covers everything that is rounded: the norm that is kept in 32 bits (2⁻²³ of `|a|`, 2⁻²² of `|a|²`, and as
//! `|1 - h| ≤ 1` as much in the test of cosines), the twenty roundings of the tests in 64 bits, whose terms are at most
//! `4 |a||q|` since `r ≤ |a|` and `p ≤ |q|`, and the error of the scores themselves, below 2⁻³⁶ of `|a||q|` up to 65,536
//! dimensions. Norms are between 2⁻¹⁰⁰ and 2¹⁰⁰, so that nothing overflows and what underflows is far below `ε |a||q|`;
//! rows with others are always scored, and for a query with another nothing is left out.

use crate::exact::ExactQuery;
use crate::kernel::code::{Test, has_bounds};
use crate::metric::Metric;

/// 2⁻²¹.
const EPSILON: f64 = 1.0 / 2_097_152.0;

/// A query in codes.
#[derive(Debug)]
pub(super) struct CodedQuery {
    metric: Metric,
    codes: Vec<i16>,
    scale: f64,
    residual: f64,
    norm: f64,
}

impl CodedQuery {
    pub(super) fn new(metric: Metric, query: &ExactQuery) -> Self {
        let largest = query.values().iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = largest / code_max(query.values().len());
        let codes: Vec<i16> = query.values().iter().map(|value| (value / scale).round_ties_even() as i16).collect();
        let rests = query.values().iter().zip(&codes).map(|(value, code)| value - scale * f64::from(*code));
        let residual = rests.map(|rest| rest * rest).sum::<f64>().sqrt() * (1.0 + 1e-9);
        Self { metric, codes, scale, residual, norm: query.norm() }
    }

    /// The codes of components `2 * pair` and the next.
    pub(super) fn pair(&self, pair: usize) -> [i16; 2] {
        [2 * pair, 2 * pair + 1].map(|place| self.codes.get(place).copied().unwrap_or(0))
    }

    /// The test that proves a row to be farther than `threshold`.
    pub(super) fn test(&self, threshold: Option<f64>) -> Test {
        let Some(threshold) = threshold.filter(|_| has_bounds(self.norm * self.norm)) else { return Test::KEEP };
        let inner =
            Test { dot: self.scale, residual: self.norm + self.residual, norm: self.residual, square: 0.0, limit: 0.0 };
        match self.metric {
            Metric::Cosine => Test { norm: self.residual - (1.0 - threshold - EPSILON) * self.norm, ..inner },
            Metric::Dot => Test { norm: self.residual + EPSILON * self.norm, limit: threshold, ..inner },
            Metric::L2 => {
                let (norm, threshold) = (self.norm * self.norm * (1.0 - EPSILON), threshold * threshold);
                Test { square: (EPSILON - 1.0) / 2.0, limit: (norm - threshold * (1.0 + EPSILON)) / 2.0, ..inner }
            }
        }
    }
}

/// The largest code, so that sums of products with bytes stay in 32 bits.
fn code_max(dimension: usize) -> f64 {
    let products = 127 * dimension.max(1) as u64;
    (i32::MAX as u64 / products).clamp(1, 32_767) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode::encode;
    use super::super::tests::{METRICS, Random};
    use super::*;
    use crate::kernel::code::{TILE, Tile, Unit, portable};

    /// Whether the row is kept when the threshold is as given.
    fn kept(row: &[f32], query: &CodedQuery, threshold: f64) -> bool {
        let (pairs, headers) = encode(row, row.len());
        let tile = Tile::One((0..pairs.len()).map(|pair| [query.pair(pair)]).collect());
        let tests = [query.test(Some(threshold)); TILE];
        portable::contenders(Unit { pairs: &pairs, header: &headers[0] }, &tile, &tests)[0] & 1 == 1
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn a_row_is_kept_when_the_threshold_is_its_own_score(
            seed: u64,
            dimension in 1_usize..300,
            metric in prop::sample::select(METRICS.to_vec()),
        ) {
            let mut random = Random(seed);
            let row = random.vector(dimension);
            let query = random.query(&row);
            let exact = ExactQuery::new(metric, query.iter().map(|value| f64::from(*value)).collect());
            let score = exact.score(&row);
            prop_assert!(score.is_nan() || kept(&row, &CodedQuery::new(metric, &exact), score));
        }

        #[test]
        fn a_row_that_is_clearly_farther_is_left_out(seed: u64, dimension in 1_usize..300) {
            let mut random = Random(seed);
            let row: Vec<f32> = (0..dimension).map(|_| random.normal() as f32 + 1e-3).collect();
            let query = ExactQuery::new(Metric::L2, row.iter().map(|value| -f64::from(*value)).collect());
            prop_assert!(!kept(&row, &CodedQuery::new(Metric::L2, &query), query.score(&row) * 0.9));
            let query = ExactQuery::new(Metric::Cosine, query.values().to_vec());
            prop_assert!(!kept(&row, &CodedQuery::new(Metric::Cosine, &query), 1.9));
        }
    }

    #[test]
    fn sums_of_the_largest_codes_fit() {
        for dimension in [1, 2, 127, 128, 516, 517, 768, 1025, 4096, 65_536] {
            assert!(127.0 * dimension as f64 * code_max(dimension) <= f64::from(i32::MAX), "{dimension}");
        }
    }
}
