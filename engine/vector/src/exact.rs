//! The specification of every score: accumulated in 64 bits, in an order that is fixed.
//!
//! Element `i` goes to lane `i % 8`; each lane is summed from the first element to the last, and the lanes are added as
//! `((0+4)+(2+6))+((1+5)+(3+7))`. A product of two 32-bit floats is exact in 64 bits, so fused and plain multiplication
//! give the same, and every machine gives the same bits. For `n` dimensions the relative error of a sum of non-negative
//! terms is at most `(n/8 + 4) 2⁻⁵³`, and that of an inner product at most as much of `|a||b|` (Higham, Accuracy and
//! Stability of Numerical Algorithms, 2002, section 3.1).
//!
//! Everything faster is a filter in front: it may only leave out rows of which it proves that they are not found.

use crate::metric::Metric;

const LANES: usize = 8;

/// A component of a stored vector.
pub trait Component: Copy + Send + Sync + 'static {
    /// The same value; every component type fits.
    fn wide(self) -> f64;
}

impl Component for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Component for f64 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

impl Component for half::f16 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self.to_f64()
    }
}

/// The inner product `a·b`; both have the same length.
#[must_use]
#[inline(always)]
pub fn dot<T: Component>(row: &[T], query: &[f64]) -> f64 {
    sum(row, query, |a, b| a * b)
}

/// The squared norm `a·a`.
#[must_use]
#[inline(always)]
pub fn squared_norm<T: Component>(row: &[T]) -> f64 {
    sum(row, row, |a, _| a * a)
}

/// The squared Euclidean distance; both have the same length.
#[must_use]
#[inline(always)]
pub fn squared_l2<T: Component>(row: &[T], query: &[f64]) -> f64 {
    sum(row, query, |a, b| (a - b) * (a - b))
}

/// The sum of absolute differences; both have the same length. NaN when a component of `row` is infinite or NaN.
#[must_use]
pub fn l1<T: Component>(row: &[T], query: &[f64]) -> f64 {
    let sum = sum(row, query, |a, b| (a - b).abs());
    if sum.is_finite() || is_finite(row) { sum } else { f64::NAN }
}

/// The Euclidean norm. NaN when a component is infinite or NaN.
#[must_use]
pub fn norm<T: Component>(row: &[T]) -> f64 {
    let squared = squared_norm(row);
    if is_usual(squared) {
        return squared.sqrt();
    }
    if !is_finite(row) {
        return f64::NAN;
    }
    let (row, scale) = scaled(&wide(row));
    squared_norm(&row).sqrt() * scale
}

/// The vector of norm 1 in the direction of `row`; zeros stay zeros. NaNs when a component is infinite or NaN.
#[must_use]
pub fn unit<T: Component>(row: &[T]) -> Vec<f64> {
    if !is_finite(row) {
        return vec![f64::NAN; row.len()];
    }
    // A power of two changes no digit, and keeps the squares in range.
    let (row, _) = scaled(&wide(row));
    let norm = squared_norm(&row).sqrt();
    if norm == 0.0 { row } else { row.iter().map(|value| value / norm).collect() }
}

fn wide<T: Component>(row: &[T]) -> Vec<f64> {
    row.iter().map(|value| value.wide()).collect()
}

fn is_finite<T: Component>(row: &[T]) -> bool {
    row.iter().all(|value| value.wide().is_finite())
}

#[inline(always)]
fn sum<A: Component, B: Component>(left: &[A], right: &[B], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    for (a, b) in left.iter().zip(right) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += term(a.wide(), b.wide());
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(left_rest).zip(right_rest) {
        *lane += term(a.wide(), b.wide());
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// A query, with what every score of it needs.
#[derive(Debug, Clone)]
pub struct ExactQuery {
    metric: Metric,
    values: Vec<f64>,
    norm: f64,
}

impl ExactQuery {
    /// `values` are finite.
    #[must_use]
    pub fn new(metric: Metric, values: Vec<f64>) -> Self {
        let norm = squared_norm(&values).sqrt();
        Self { metric, values, norm }
    }

    /// What near means.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The components.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The Euclidean norm.
    #[must_use]
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// The score of `row`, which has as many components; NaN when one of them is infinite or NaN.
    #[must_use]
    #[inline(always)]
    pub fn score<T: Component>(&self, row: &[T]) -> f64 {
        match self.metric {
            Metric::Cosine => {
                let squared = squared_norm(row);
                if !is_usual(squared) || !is_usual(self.norm * self.norm) {
                    return self.unusual(row);
                }
                cosine(dot(row, &self.values), squared.sqrt() * self.norm)
            }
            Metric::Dot => {
                Some(dot(row, &self.values)).filter(|dot| dot.is_finite()).unwrap_or_else(|| self.unusual(row))
            }
            Metric::L2 => {
                let squared = squared_l2(row, &self.values);
                if is_usual(squared) { squared.sqrt() } else { self.unusual(row) }
            }
        }
    }

    /// The score of a row that is not finite, that is zero, or whose squares leave the range of 64 bits: the last is scaled
    /// by powers of two, which changes no digit.
    #[cold]
    fn unusual<T: Component>(&self, row: &[T]) -> f64 {
        if !is_finite(row) {
            return f64::NAN;
        }
        // Often many rows of a table are zero, or the query itself: they need no room to be scaled in.
        match self.metric {
            Metric::Cosine if row.iter().all(|value| value.wide() == 0.0) => return cosine(0.0, 0.0),
            Metric::L2 if row.iter().zip(&self.values).all(|(a, b)| a.wide() == *b) => return 0.0,
            _ => {}
        }
        let row = wide(row);
        match self.metric {
            Metric::Cosine => {
                let ((row, _), (query, _)) = (scaled(&row), scaled(&self.values));
                cosine(dot(&row, &query), (squared_norm(&row) * squared_norm(&query)).sqrt())
            }
            Metric::Dot => {
                let ((row, left), (query, right)) = (scaled(&row), scaled(&self.values));
                dot(&row, &query) * left * right
            }
            Metric::L2 => {
                // Halves, whose difference is finite.
                let halves: Vec<f64> = row.iter().zip(&self.values).map(|(a, b)| a * 0.5 - b * 0.5).collect();
                let (halves, scale) = scaled(&halves);
                squared_norm(&halves).sqrt() * scale * 2.0
            }
        }
    }
}

/// Whether a sum of squares has lost nothing to the ends of the range of 64 bits.
fn is_usual(squared: f64) -> bool {
    (1e-280..1e280).contains(&squared)
}

fn cosine(dot: f64, norms: f64) -> f64 {
    if norms == 0.0 { 1.0 } else { 1.0 - (dot / norms).clamp(-1.0, 1.0) }
}

/// `values` times a power of two, the largest between 0.5 and 1, and the number that undoes it; zeros stay zeros.
fn scaled(values: &[f64]) -> (Vec<f64>, f64) {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return (values.to_vec(), 1.0);
    }
    // In two steps, as the power itself may be out of range.
    let exponent = largest.log2().floor() as i32 + 1;
    let half = 2.0_f64.powi(-exponent / 2);
    let rest = 2.0_f64.powi(-exponent + exponent / 2);
    (values.iter().map(|value| value * half * rest).collect(), 1.0 / half / rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(metric: Metric, query: &[f64], row: &[f64]) -> f64 {
        ExactQuery::new(metric, query.to_vec()).score(row)
    }

    #[test]
    fn the_scores_of_the_contract() {
        let query = ExactQuery::new(Metric::Cosine, vec![1.0, 0.0, 0.0]);
        assert_eq!(query.score(&[0.9_f32, 0.1, 0.0]), 0.006116265828075562);
        let query = ExactQuery::new(Metric::L2, vec![1.0, 0.0, 0.0]);
        assert_eq!(query.score(&[0.9_f32, 0.1, 0.0]), 0.141421374149721);
        let query = ExactQuery::new(Metric::Dot, vec![1.0, 0.0, 0.0]);
        assert_eq!(query.score(&[0.9_f32, 0.1, 0.0]), 0.8999999761581421);
    }

    #[test]
    fn a_zero_vector_is_at_right_angles_to_everything() {
        for (row, query) in [([0.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 0.0]), ([0.0, 0.0], [0.0, 0.0])] {
            assert_eq!(score(Metric::Cosine, &query, &row), 1.0);
        }
    }

    #[test]
    fn magnitudes_whose_squares_do_not_fit_are_scored_all_the_same() {
        for scale in [1e-300, 1e-160, 1e-5, 1e160, 1e300] {
            let row = [3.0 * scale, 4.0 * scale];
            assert!((score(Metric::Cosine, &[1.0, 0.0], &row) - 0.4).abs() < 1e-12, "{scale}");
            assert!((score(Metric::Cosine, &row, &[1.0, 0.0]) - 0.4).abs() < 1e-12, "{scale}");
            assert!((score(Metric::L2, &[0.0, 0.0], &row) / (5.0 * scale) - 1.0).abs() < 1e-12, "{scale}");
        }
        assert_eq!(score(Metric::Dot, &[1e300, 1e300], &[1e300, -1e300]), 0.0);
        assert_eq!(score(Metric::Dot, &[1e300], &[1e300]), f64::INFINITY);
        assert_eq!(score(Metric::L2, &[-1e308], &[1e308]), f64::INFINITY);
    }

    #[test]
    fn norms_and_units_do_not_leave_the_range() {
        for scale in [1e-300, 1e-160, 1.0, 1e160, 1e307] {
            assert!((norm(&[3.0 * scale, -4.0 * scale]) / (5.0 * scale) - 1.0).abs() < 1e-12, "{scale}");
            let unit = unit(&[3.0 * scale, -4.0 * scale]);
            assert!((unit[0] - 0.6).abs() < 1e-12 && (unit[1] + 0.8).abs() < 1e-12, "{scale}");
        }
        assert_eq!((norm::<f32>(&[0.0, 0.0]), unit::<f32>(&[0.0, 0.0])), (0.0, vec![0.0, 0.0]));
        assert!(norm(&[f32::INFINITY]).is_nan() && unit(&[f32::NAN, 1.0])[1].is_nan());
        assert_eq!(l1(&[1.0_f32, -2.0], &[0.0, 2.0]), 5.0);
        assert!(l1(&[f32::INFINITY], &[0.0]).is_nan());
        assert_eq!(l1(&[1e308], &[-1e308]), f64::INFINITY);
    }

    #[test]
    fn a_row_that_is_not_finite_has_no_score() {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert!(score(metric, &[0.0, 1.0], &[value, 1.0]).is_nan(), "{metric:?} {value}");
            }
        }
    }
}
