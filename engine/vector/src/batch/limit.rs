//! How small the sum of the tile must be to prove that a row is not among the nearest.
//!
//! With `u = 2⁻²⁴` a chain of `n` products has at most `n` roundings. With one each for the conversion of row and query to
//! 32 bits and some for the ends of their range, `g = m u / (1 - m u)` for `m = n + 8` bounds
//!
//! - inner products: `|fl(a·q) - a·q| <= g |a||q|`;
//! - norms, which are summed in more chains than one: `|fl|a| - |a|| <= g |a|`;
//! - squared distances: `fl(d²) <= d² (1 + g) + n 2⁻¹⁴⁹`, where `d` is the distance after conversion, which for 64-bit
//!   columns is at most `d + u (|a| + |q|) <= d (1 + u) + 2 u |q|`.
//!
//! (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1.) That holds while nothing overflows and
//! squares do not sink below the range: [`norm_for_limits`] answers NaN for other rows, with which no comparison leaves
//! anything out. The score itself, of 64 bits, is off by less than [`score_error`], relative to `|a||q|` or to the distance.

use crate::bound::{UNIT, gamma, score_error};
use crate::exact::ExactQuery;
use crate::metric::Metric;

/// Beyond it the bound says too little to be of use, and its second-order terms are no longer small.
const BOUND_MAX: f64 = 0.05;

/// Whether the components of rows and queries are 32-bit floats or are rounded to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Narrowing {
    /// Nothing is lost.
    Exact,
    /// Each component is rounded.
    Rounded,
}

/// A query as the tile reads it, and how its limits come from the score that is to be reached.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    metric: Metric,
    bound: f64,
    slack: f64,
    underflow: f64,
    /// What distances may differ by from conversion.
    blur: f64,
    /// What the components are multiplied with before they are rounded to 32 bits.
    scale: f64,
    scaled_norm: f64,
}

impl Limit {
    /// `None` when the tile cannot tell anything about the query: one that is zero where it needs a direction, or beyond
    /// the range of its arithmetic.
    pub(crate) fn new(query: &ExactQuery, narrowing: Narrowing) -> Option<Self> {
        let dimension = query.values().len();
        let bound = Some(gamma(dimension + 8)).filter(|bound| *bound < BOUND_MAX)?;
        let scale = scale(query.metric(), query.norm())?;
        Some(Self {
            metric: query.metric(),
            bound,
            slack: score_error(dimension),
            underflow: dimension as f64 * 2f64.powi(-149),
            blur: if narrowing == Narrowing::Exact { 0.0 } else { 2.0 * UNIT * query.norm() + 2f64.powi(-120) },
            scale,
            scaled_norm: query.norm() * scale,
        })
    }

    /// The components of `query` in the scale of the tile.
    pub(crate) fn narrow(&self, query: &ExactQuery) -> Vec<f32> {
        query.values().iter().map(|value| (value * self.scale) as f32).collect()
    }

    /// Base and slope for rows whose score is farther than `threshold`.
    pub(crate) fn at(&self, threshold: f64) -> (f32, f32) {
        match self.metric {
            Metric::Cosine => (0.0, down(1.0 - threshold - self.slack - 3.0 * self.bound)),
            Metric::Dot => {
                let reached = threshold * self.scale;
                (down(reached - 4.0 * UNIT * reached.abs()), down(-1.5 * self.bound * self.scaled_norm))
            }
            Metric::L2 => {
                let distance = threshold * (1.0 + self.slack + UNIT) + self.blur;
                let squared = distance * distance * (1.0 + self.bound + self.slack) + self.underflow;
                // Squares beyond this may have overflowed, and then prove nothing.
                (if squared < 2f64.powi(120) { down(-squared) } else { f32::NEG_INFINITY }, 0.0)
            }
        }
    }
}

/// What a query of this norm is multiplied with: the inverse of its norm where only the direction counts, and a power of two
/// that changes no digit for inner products.
fn scale(metric: Metric, norm: f64) -> Option<f64> {
    match metric {
        Metric::Cosine => (1e-130..1e130).contains(&norm).then(|| 1.0 / norm),
        Metric::Dot => (1e-130..1e130).contains(&norm).then(|| 2f64.powi(-(norm.log2().floor() as i32))),
        Metric::L2 => (norm < 2f64.powi(60)).then_some(1.0),
    }
}

/// The norm that limits are multiplied with; NaN where the tile may have left the range of 32 bits.
pub(crate) fn norm_for_limits(squared: f32) -> f32 {
    const LEAST: f32 = 8.3e-25; // 2⁻⁸⁰
    const MOST: f32 = 1.3e36; // 2¹²⁰
    if (LEAST..MOST).contains(&squared) { squared.sqrt() } else { f32::NAN }
}

/// The largest 32-bit float that is not larger than `value`.
fn down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value { nearest.next_down() } else { nearest }
}
