//! Every backend against sums in 64 bits, within the bound that the filter relies on.

use proptest::prelude::*;

use super::*;
use crate::bound::gamma;
use crate::exact;
use crate::noise::{Kind, Noise, any_kind, finite, numbers};

struct Case {
    dimension: usize,
    rows: Vec<f32>,
    query: Vec<f32>,
}

impl Case {
    fn new(seed: u64, dimension: usize, rows: usize, exponents: u8) -> Self {
        let (mut noise, kind) = (Noise::new(seed), Kind::Spread(exponents));
        let query = finite(&mut noise, kind, dimension);
        // Some more, so that the rows can begin anywhere.
        Self { dimension, rows: numbers(&mut noise, kind, dimension, rows + 16), query }
    }

    /// The rows begin at float `shift`.
    fn check(&self, backend: Backend, shift: usize) -> Result<(), TestCaseError> {
        let wide: Vec<f64> = self.query.iter().map(|value| f64::from(*value)).collect();
        let query = KernelQuery::new(wide.iter().copied());
        let rows = &self.rows[shift..][..self.rows.len() - self.dimension * 16];
        let bound = gamma(self.dimension.div_ceil(LANES) + 12);
        let (mut products, mut distances) = (Block::new(), Block::new());
        Kernel::new(backend).products(rows, &query, &mut products);
        Kernel::new(backend).distances(rows, &query, &mut distances);
        for (number, row) in rows.chunks_exact(self.dimension).enumerate() {
            let (dot, square) = (exact::dot(row, &wide), exact::squared_norm(row));
            let norms = (square * exact::squared_norm(&wide)).sqrt();
            prop_assert!((f64::from(products.dots[number]) - dot).abs() <= bound * norms);
            prop_assert!((f64::from(products.squares[number]) - square).abs() <= bound * square);
            let distance = exact::squared_l2(row, &wide);
            prop_assert!((f64::from(distances.squares[number]) - distance).abs() <= bound * distance);
        }
        Ok(())
    }
}

#[test]
fn every_dimension_and_misalignment_is_within_the_bound() {
    for dimension in 1..=1025 {
        let shift = dimension % 17;
        let case = Case::new(dimension as u64, dimension, 1 + dimension % 3, 6);
        for backend in Backend::available() {
            case.check(*backend, shift).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn backends_are_within_the_bound_of_the_sums_in_64_bits(
        seed: u64, dimension in 1_usize..1026, rows in 0_usize..3, shift in 0_usize..17, exponents in 1_u8..12,
    ) {
        let case = Case::new(seed, dimension, rows, exponents);
        for backend in Backend::available() {
            case.check(*backend, shift)?;
        }
    }

    #[test]
    fn backends_that_round_once_have_the_same_bits(seed: u64, kind in any_kind(), dimension in 1_usize..300) {
        let mut noise = Noise::new(seed);
        let query = KernelQuery::new(finite(&mut noise, kind, dimension).into_iter().map(f64::from));
        let rows: Vec<f32> = (0..3).flat_map(|_| finite(&mut noise, kind, dimension)).collect();
        let measured = Backend::available().iter().filter(|backend| **backend != Backend::Portable).map(|backend| {
            let (mut products, mut distances) = (Block::new(), Block::new());
            Kernel::new(*backend).products(&rows, &query, &mut products);
            Kernel::new(*backend).distances(&rows, &query, &mut distances);
            [products.dots, products.squares, distances.squares].map(|values| values.map(f32::to_bits))
        });
        let measured: Vec<_> = measured.collect();
        prop_assert!(measured.windows(2).all(|two| two[0] == two[1]));
    }

    #[test]
    fn the_specification_has_the_same_bits_whatever_it_is_compiled_for(
        seed: u64, kind in any_kind(), dimension in 1_usize..300,
    ) {
        let mut noise = Noise::new(seed);
        let (row, query) = (finite(&mut noise, kind, dimension), finite(&mut noise, kind, dimension));
        let wide: Vec<f64> = row.iter().map(|value| f64::from(*value) / 3.0).collect();
        let half: Vec<half::f16> = row.iter().map(|value| half::f16::from_f32(*value)).collect();
        let query: Vec<f64> = query.into_iter().map(f64::from).collect();
        for metric in [crate::Metric::Cosine, crate::Metric::Dot, crate::Metric::L2] {
            let query = ExactQuery::new(metric, query.clone());
            for backend in Backend::available() {
                let kernel = Kernel::new(*backend);
                prop_assert_eq!(kernel.score(&query, &row).to_bits(), query.score(&row).to_bits());
                prop_assert_eq!(kernel.score(&query, &wide).to_bits(), query.score(&wide).to_bits());
                prop_assert_eq!(kernel.score(&query, &half).to_bits(), query.score(&half).to_bits());
            }
        }
    }
}

#[test]
fn a_backend_of_another_processor_is_the_portable_one() {
    for backend in [Backend::Neon, Backend::Avx2, Backend::Avx512] {
        let there = Backend::available().contains(&backend);
        assert_eq!(Kernel::new(backend).backend, if there { backend } else { Backend::Portable });
    }
}
