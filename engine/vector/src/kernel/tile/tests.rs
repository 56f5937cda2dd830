//! Every backend against sums in 64 bits: a limit that the sum is below by more than the bound leaves the row out, and one
//! that it is above by more than the bound does not.

use proptest::prelude::*;

use super::*;
use crate::exact;

/// Numbers that differ in sign and magnitude.
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / 8_388_608.0 - 1.0) * f32::from(1_u8 << (state % 7))
    };
    (0..count).map(|_| next()).collect()
}

/// One set of rows and queries.
struct Case {
    rows: Vec<f32>,
    queries: Vec<Vec<f32>>,
    dimension: usize,
    shift: usize,
}

impl Case {
    fn new(seed: u64, dimension: usize, queries: usize, shift: usize) -> Self {
        let queries = (0..queries as u64).map(|query| noise(seed ^ (query << 32), dimension)).collect();
        Self { rows: noise(!seed, dimension * ROWS + shift), queries, dimension, shift }
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.rows[self.shift + row * self.dimension..][..self.dimension]
    }

    /// The sum in 64 bits and the bound of the error of the one in 32.
    fn sum(&self, form: Form, row: usize, query: usize) -> (f64, f64) {
        let (row, query) = (self.row(row), &self.queries[query]);
        let wide: Vec<f64> = query.iter().map(|value| f64::from(*value)).collect();
        let roundings = (self.dimension as f64 + 8.0) / 16_777_216.0;
        let bound = roundings / (1.0 - roundings);
        match form {
            Form::Product => {
                let norms = exact::squared_norm(row).sqrt() * exact::squared_norm(query).sqrt();
                (exact::dot(row, &wide), bound * norms)
            }
            Form::Difference => {
                let squared = exact::squared_l2(row, &wide);
                (-squared, bound * squared)
            }
        }
    }

    /// Asks about one row with limits on both sides of its sum with `query`. Half of the limit comes from the norm.
    fn check(&self, backend: Backend, form: Form, row: usize, query: usize) -> Result<(), TestCaseError> {
        let tile = Tile::new(Kernel::new(backend), form);
        let mut panel = Panel::new(&self.queries);
        let rows = Rows { vectors: std::array::from_fn(|row| self.row(row)), norms: [2.0; ROWS], ahead: 0 };
        let (sum, bound) = self.sum(form, row, query);
        let margin = 1.001 * bound + 4.0 / 16_777_216.0 * sum.abs() + 1e-30;
        for (limit, kept) in [(sum - margin, true), (sum + margin, false)] {
            panel.limit(query, (limit * 0.5) as f32, (limit * 0.25) as f32);
            let found = tile.contenders(&rows, &panel);
            prop_assert_eq!(found[row] >> query & 1 == 1, kept, "{:?} {:?} {} {}", backend, form, row, query);
            // Lanes without a limit leave out every number.
            prop_assert_eq!(found[row] & !(1 << query), 0);
        }
        Ok(())
    }
}

#[test]
fn every_dimension_is_within_the_bound() {
    for dimension in 1..=1025 {
        for backend in Backend::available() {
            for form in [Form::Product, Form::Difference] {
                let queries = dimension % Tile::new(Kernel::new(*backend), form).queries() + 1;
                let case = Case::new(dimension as u64, dimension, queries, dimension % 5);
                case.check(*backend, form, dimension % ROWS, queries - 1).unwrap();
            }
        }
    }
}

#[test]
fn a_norm_or_a_sum_that_is_no_number_leaves_nothing_out() {
    for backend in Backend::available() {
        for form in [Form::Product, Form::Difference] {
            let tile = Tile::new(Kernel::new(*backend), form);
            let mut panel = Panel::new(&[vec![1.0, 2.0]]);
            panel.limit(0, 1e9, -1.0);
            let (number, no_number) = ([3.0, 4.0], [f32::NAN, 4.0]);
            let vectors = [&number[..], &number, &no_number, &number, &number, &number];
            let rows = Rows { vectors, norms: [1.0, f32::NAN, 1.0, 1.0, 1.0, 1.0], ahead: 0 };
            let first = tile.contenders(&rows, &panel).map(|found| found & 1);
            assert_eq!(first, [0, 1, 1, 0, 0, 0], "{backend:?} {form:?}");
        }
    }
}

#[test]
fn squared_norms_are_those_of_the_specification() {
    for dimension in 1..=1025 {
        let vector = noise(dimension as u64, dimension);
        let expected = exact::squared_norm(&vector);
        for backend in Backend::available() {
            let mut norms = Vec::new();
            Tile::new(Kernel::new(*backend), Form::Product).squared_norms(std::iter::once(&vector[..]), &mut norms);
            let bound = (dimension as f64 + 8.0) / 16_777_216.0 * expected;
            assert!((f64::from(norms[0]) - expected).abs() <= bound, "{backend:?} {dimension}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_row_and_query_are_within_the_bound(
        seed: u64,
        dimension in prop_oneof![3 => 1_usize..40, 1 => 1_usize..1026],
        shift in 0_usize..16,
        row in 0..ROWS,
        place in 0_usize..64,
        backend in prop::sample::select(Backend::available()),
        form in prop::sample::select(vec![Form::Product, Form::Difference]),
    ) {
        let queries = place % Tile::new(Kernel::new(backend), form).queries() + 1;
        let case = Case::new(seed, dimension, queries, shift);
        case.check(backend, form, row, seed as usize % queries)?;
    }
}
