//! From vectors to codes.

use crate::exact::{self, Component};
use crate::kernel::code::{Header, Pair, ROWS};

const LANES: usize = 8;

/// Adding it rounds a number below 2⁵¹ to an integer, ties to even, which is then in the lowest bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// The squared norms of rows that are coded. Of the others no bound is needed that much, and every product of two norms
/// stays far from the ends of the range of 64 bits.
const SQUARED_NORMS: std::ops::Range<f64> = f64::from_bits((1023 - 200) << 52)..f64::from_bits((1023 + 200) << 52);

/// Whether vectors of this squared norm have bounds.
pub(super) fn has_bounds(squared_norm: f64) -> bool {
    SQUARED_NORMS.contains(&squared_norm)
}

/// The units of `rows`, vectors of `dimension` components one after the other.
pub(super) fn encode<T: Component>(rows: &[T], dimension: usize) -> (Vec<Pair>, Vec<Header>) {
    let pairs_per_unit = dimension.div_ceil(2);
    let units = rows.len().div_ceil(ROWS * dimension);
    let mut pairs = vec![Pair([[0; 2]; ROWS]); units * pairs_per_unit];
    let mut headers = vec![Header { scales: [0.0; ROWS], residuals: [0.0; ROWS], norms: [0.0; ROWS] }; units];
    let mut codes = vec![0_i8; 2 * pairs_per_unit];
    let units = pairs.chunks_exact_mut(pairs_per_unit).zip(&mut headers);
    for ((pairs, header), rows) in units.zip(rows.chunks(ROWS * dimension)) {
        for (place, row) in rows.chunks_exact(dimension).enumerate() {
            let coded = Coded::new(row, &mut codes);
            coded.write(header, place);
            scatter(&codes, pairs, place);
        }
    }
    (pairs, headers)
}

/// Writes the codes of the row at `place` of a unit.
fn scatter(codes: &[i8], pairs: &mut [Pair], place: usize) {
    for (pair, two) in pairs.iter_mut().zip(codes.as_chunks::<2>().0) {
        if let Some(cell) = pair.0.get_mut(place) {
            *cell = *two;
        }
    }
}

/// What is known of a row besides its codes.
struct Coded {
    scale: f32,
    residual: f32,
    norm: f32,
}

impl Coded {
    /// A row that is always scored in full.
    const UNKNOWN: Self = Self { scale: 0.0, residual: 0.0, norm: f32::NAN };

    /// Writes the codes of `row`, and leaves any that are beyond it.
    fn new<T: Component>(row: &[T], codes: &mut [i8]) -> Self {
        let squared_norm = exact::squared_norm(row);
        if !has_bounds(squared_norm) {
            return Self::UNKNOWN;
        }
        let largest = row.iter().fold(0.0_f64, |largest, value| largest.max(value.wide().abs()));
        let scale = (largest / 127.0) as f32;
        let residual = code(row, f64::from(scale), codes).sqrt();
        Self { scale, residual: rounded_up(residual * (1.0 + 1e-9)), norm: squared_norm.sqrt() as f32 }
    }

    fn write(&self, header: &mut Header, place: usize) {
        let fields =
            [(&mut header.scales, self.scale), (&mut header.residuals, self.residual), (&mut header.norms, self.norm)];
        for (values, value) in fields {
            values.get_mut(place).into_iter().for_each(|cell| *cell = value);
        }
    }
}

/// Writes the codes, and gives the squared norm of what they leave out. The residual is of the codes that are there, so
/// that it is right however they were rounded.
fn code<T: Component>(row: &[T], scale: f64, codes: &mut [i8]) -> f64 {
    let inverse = 1.0 / scale;
    let one = |value: T, code: &mut i8, sum: &mut f64| {
        let rounded = value.wide() * inverse + ROUND;
        *code = rounded.to_bits() as i8;
        let rest = value.wide() - (rounded - ROUND) * scale;
        *sum += rest * rest;
    };
    let mut sums = [0.0; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    let (whole_codes, rest_codes) = codes.as_chunks_mut::<LANES>();
    for (values, codes) in whole.iter().zip(whole_codes.iter_mut()) {
        for ((value, code), sum) in values.iter().zip(codes).zip(&mut sums) {
            one(*value, code, sum);
        }
    }
    let rest_codes =
        whole_codes.as_flattened_mut().get_mut(whole.len() * LANES..).into_iter().flatten().chain(rest_codes);
    for ((value, code), sum) in rest.iter().zip(rest_codes).zip(&mut sums) {
        one(*value, code, sum);
    }
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
