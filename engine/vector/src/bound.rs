//! What 32-bit arithmetic proves: which rows cannot be among the nearest.
//!
//! A row kernel adds products in sixteen lanes and then the lanes, so a term passes through at most `m = n/16 + 12`
//! roundings (with two for a difference that is squared, and a few to spare). With `u = 2⁻²⁴` and `γ = mu / (1 - mu)`
//! (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1):
//!
//! - an inner product is off by at most `γ|a||q|`,
//! - a squared norm and a squared distance are off by at most `γ` of themselves,
//! - what underflows adds less than `n 2⁻¹⁴⁸`, which disappears in the slack below where `|a|² >= 2⁻⁸⁰`.
//!
//! The score itself, computed in 64 bits, is off by at most `(n + 100) 2⁻⁵³` of `|a||q|` or of the distance. All of that
//! is added to the distance that a row must exceed to be left out. Comparisons are written so that NaN, infinities and
//! magnitudes near the ends of the range leave no row out.

use crate::exact::ExactQuery;
use crate::kernel::{Block, Kernel, KernelQuery, LANES};
use crate::metric::Metric;

#[cfg(test)]
mod tests;

/// The relative error of one rounding to 32 bits.
pub(crate) const UNIT: f64 = 1.0 / 16_777_216.0;

/// For the roundings of the limits themselves, and for underflow.
const SLACK: f64 = 1e-12;

/// 2⁻⁸⁰: a squared norm that has lost nothing to underflow.
const LEAST_SQUARE: f32 = f32::from_bits((127 - 80) << 23);

/// 2¹²⁰: a squared norm whose inner products do not overflow.
const LARGEST_SQUARE: f32 = f32::from_bits((127 + 120) << 23);

/// The relative error of sums whose terms pass through so many roundings; infinite when the theory has nothing to say.
pub(crate) fn gamma(roundings: usize) -> f64 {
    let error = roundings as f64 * UNIT;
    if error < 0.25 { error / (1.0 - error) } else { f64::INFINITY }
}

/// How far a score in 64 bits may be off, relative to the norms or the distance.
pub(crate) fn score_error(dimension: usize) -> f64 {
    (dimension as f64 + 100.0) / (1_u64 << 53) as f64
}

/// One query in 32 bits, and how much its approximations are worth.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    metric: Metric,
    query: KernelQuery,
    /// What scores are multiplied with to be comparable with products of the scaled query.
    scale: f64,
    /// At least the norm of the scaled query.
    norm: f64,
    gamma: f64,
    score_error: f64,
}

impl Filter {
    /// `None` when approximations say nothing about this query: it is zero, or has too many dimensions.
    ///
    /// The components of `query` are 32-bit floats.
    pub(crate) fn new(query: &ExactQuery) -> Option<Self> {
        let dimension = query.values().len();
        let (gamma, norm) = (gamma(dimension.div_ceil(LANES) + 12), query.norm());
        if !gamma.is_finite() || norm <= 0.0 || !norm.is_finite() {
            return None;
        }
        let scale = match query.metric() {
            Metric::Cosine => 1.0 / norm,
            Metric::Dot => 2.0_f64.powi(-(norm.log2().floor() as i32)),
            Metric::L2 => 1.0,
        };
        Some(Self {
            metric: query.metric(),
            query: KernelQuery::new(query.values().iter().map(|value| value * scale)),
            scale,
            norm: norm * scale * (1.0 + SLACK),
            gamma,
            score_error: score_error(dimension),
        })
    }

    /// Measures `rows`, which lie one after the other.
    pub(crate) fn measure(&self, kernel: Kernel, rows: &[f32], out: &mut Block) {
        match self.metric {
            Metric::Cosine | Metric::Dot => kernel.products(rows, &self.query, out),
            Metric::L2 => kernel.distances(rows, &self.query, out),
        }
    }

    /// What rows must be to have a score that is strictly farther than `threshold`.
    pub(crate) fn limit(&self, threshold: f64) -> Limit {
        match self.metric {
            Metric::Cosine => self.cosine_limit(threshold),
            Metric::Dot => self.dot_limit(threshold),
            Metric::L2 => self.l2_limit(threshold),
        }
    }

    /// `dot < c |a|` with `c = 1 - threshold - errors`, where the error of the query's own rounding is `u`. Squares keep
    /// their sign, and the norm is taken from the side that proves less. A distance of 2 cannot be exceeded.
    fn cosine_limit(&self, threshold: f64) -> Limit {
        if threshold >= 2.0 {
            return Limit::NOTHING;
        }
        let least = 1.0 - threshold - self.gamma * (1.0 + 2.0 * UNIT) - UNIT - self.score_error - SLACK;
        let side = if least >= 0.0 { 1.0 - self.gamma - SLACK } else { 1.0 + 2.0 * self.gamma + SLACK };
        Limit::Products { target: 0.0, factor: -least * least.abs() * side }
    }

    /// `threshold - dot > e |a|`, squared, with the products of the scaled query.
    fn dot_limit(&self, threshold: f64) -> Limit {
        let error = (self.gamma + self.score_error + SLACK) * self.norm;
        Limit::Products {
            target: threshold * self.scale,
            factor: error * error * (1.0 + 2.0 * self.gamma + 2.0 * SLACK),
        }
    }

    /// `d² (1 - γ) - underflow > threshold²`.
    fn l2_limit(&self, threshold: f64) -> Limit {
        let underflow = self.query.dimension() as f64 * 2.0_f64.powi(-148);
        let square = threshold * threshold * (1.0 + 3.0 * self.score_error + SLACK);
        let least = (square + underflow) / (1.0 - self.gamma) * (1.0 + SLACK);
        // The next 32-bit float above.
        let rounded = least as f32;
        Limit::Distances { above: if f64::from(rounded) < least { rounded.next_up() } else { rounded } }
    }
}

/// What approximations must be to prove that a row is too far.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// `d|d| > factor |a|²`, where `d = target - dot`.
    Products {
        /// What the inner product is compared with.
        target: f64,
        /// How much of the squared norm it must differ by, signed as the square is.
        factor: f64,
    },
    /// The squared distance is finite and above this.
    Distances {
        /// The largest that proves nothing.
        above: f32,
    },
}

impl Limit {
    /// No row is left out.
    pub(crate) const NOTHING: Self = Self::Products { target: 0.0, factor: f64::INFINITY };

    /// Whether a row that was measured as this is proven to be too far.
    #[inline(always)]
    #[allow(clippy::manual_range_contains, reason = "comparisons without a branch can be done for many rows at once")]
    pub(crate) fn excludes(self, dot: f32, square: f32) -> bool {
        match self {
            Self::Products { target, factor } => {
                // Products of two 32-bit floats are exact in 64 bits.
                let difference = target - f64::from(dot);
                let far = difference * difference.abs() > factor * f64::from(square);
                far & (square >= LEAST_SQUARE) & (square <= LARGEST_SQUARE)
            }
            Self::Distances { above } => (square > above) & (square <= f32::MAX),
        }
    }

    /// Whether all of these rows are: without branches, many at once.
    #[inline(always)]
    pub(crate) fn excludes_all(self, dots: &[f32], squares: &[f32]) -> bool {
        dots.iter().zip(squares).fold(true, |all, (dot, square)| all & self.excludes(*dot, *square))
    }
}
