//! From a vector to its codes. Every machine gives the same: the loops are compiled for each set of instructions, but
//! nothing is fused and nothing reordered.

use crate::exact::{self, Component};

const LANES: usize = 8;

/// Adding it rounds a number below 2⁵¹ to an integer, ties to even, which is then in the lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// The squared norms of rows that are coded. Of the others no bound is needed that much, and every product of two norms
/// stays far from the ends of the range of 64 bits.
const SQUARED_NORMS: std::ops::Range<f64> = f64::from_bits((1023 - 200) << 52)..f64::from_bits((1023 + 200) << 52);

/// Whether vectors of this squared norm have bounds.
pub(crate) fn has_bounds(squared_norm: f64) -> bool {
    SQUARED_NORMS.contains(&squared_norm)
}

/// What is known of a row besides its codes.
pub(crate) struct Coded {
    /// What a code of 1 stands for.
    pub(crate) scale: f32,
    /// At least the norm of what the codes leave out.
    pub(crate) residual: f32,
    /// The norm; NaN for a row that is always scored in full.
    pub(crate) norm: f32,
}

impl Coded {
    /// A row that is always scored in full.
    const UNKNOWN: Self = Self { scale: 0.0, residual: 0.0, norm: f32::NAN };

    /// Writes the codes of `row`, and leaves any that are beyond it.
    #[inline(always)]
    pub(crate) fn new<T: Component>(row: &[T], codes: &mut [i8]) -> Self {
        let squared_norm = exact::squared_norm(row);
        if !has_bounds(squared_norm) {
            return Self::UNKNOWN;
        }
        let scale = (largest(row) / 127.0) as f32;
        let residual = code(row, f64::from(scale), codes).sqrt();
        Self { scale, residual: rounded_up(residual * (1.0 + 1e-9)), norm: squared_norm.sqrt() as f32 }
    }
}

/// The largest absolute value; all are finite.
#[inline(always)]
fn largest<T: Component>(row: &[T]) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let larger = |largest: &mut f64, value: &T| {
        *largest = if value.wide().abs() > *largest { value.wide().abs() } else { *largest }
    };
    let (whole, rest) = row.as_chunks::<LANES>();
    for values in whole {
        lanes.iter_mut().zip(values).for_each(|(lane, value)| larger(lane, value));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, value)| larger(lane, value));
    lanes.into_iter().fold(0.0, f64::max)
}

/// Writes the codes, and gives the squared norm of what they leave out. The residual is of the codes that are there, so
/// that it is right however they were rounded.
#[inline(always)]
fn code<T: Component>(row: &[T], scale: f64, codes: &mut [i8]) -> f64 {
    let inverse = 1.0 / scale;
    let one = |value: &T, code: &mut i8, sum: &mut f64| {
        let rounded = value.wide() * inverse + ROUND;
        *code = rounded.to_bits() as i8;
        let rest = value.wide() - (rounded - ROUND) * scale;
        *sum += rest * rest;
    };
    let mut sums = [0.0; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    let (codes, rest_codes) = codes.split_at_mut(codes.len().min(whole.len() * LANES));
    for (values, codes) in whole.iter().zip(codes.as_chunks_mut::<LANES>().0) {
        values.iter().zip(codes).zip(&mut sums).for_each(|((value, code), sum)| one(value, code, sum));
    }
    rest.iter().zip(rest_codes).zip(&mut sums).for_each(|((value, code), sum)| one(value, code, sum));
    sums.iter().sum()
}

fn rounded_up(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) < value { nearest.next_up() } else { nearest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compressed::tests::Random;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn a_residual_is_at_least_what_the_codes_leave_out(seed: u64, dimension in 1_usize..200) {
            let mut random = Random(seed);
            let row = random.vector(dimension);
            let mut codes = vec![0_i8; dimension.next_multiple_of(2)];
            let coded = Coded::new(&row, &mut codes);
            if !coded.norm.is_nan() {
                let rests = row.iter().zip(&codes).map(|(value, code)| {
                    let rest = f64::from(*value) - f64::from(coded.scale) * f64::from(*code);
                    rest * rest
                });
                prop_assert!(f64::from(coded.residual) >= rests.sum::<f64>().sqrt());
                prop_assert!(codes.iter().all(|code| *code > i8::MIN));
            }
        }
    }

    #[test]
    fn rows_that_have_no_bound_are_marked() {
        for row in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0], [1e38, 0.0], [1e-38, 0.0]] {
            assert!(Coded::new(&row, &mut [0; 2]).norm.is_nan(), "{row:?}");
        }
    }
}
