//! The kernels of the compressed copy: which rows of a unit may be nearer than a threshold.
//!
//! Rows lie across the lanes: a [`Pair`] holds two components of all rows of a unit, so that a query is broadcast and no
//! sum is ever taken across lanes. Sums of codes are integers that cannot overflow, and the test of [`Test`] is a fixed
//! sequence of additions and multiplications in 64 bits; so every backend gives the same bits.

mod encode;
pub(crate) mod portable;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub(crate) use encode::{Coded, has_bounds};

use crate::backend::Backend;
use crate::exact::Component;
use crate::kernel::Kernel;

/// The rows of a unit: one word of a bit mask.
pub(crate) const ROWS: usize = 64;

/// The queries that go through a unit together.
pub(crate) const TILE: usize = 4;

/// Two components of each row of a unit.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Pair(pub(crate) [[i8; 2]; ROWS]);

/// What is known of each row of a unit besides its codes.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(crate) struct Header {
    /// What a code of 1 stands for.
    pub(crate) scales: [f32; ROWS],
    /// At least the norm of what the codes leave out.
    pub(crate) residuals: [f32; ROWS],
    /// The norm; NaN for a row that is always scored in full.
    pub(crate) norms: [f32; ROWS],
}

/// Up to 64 rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    pub(crate) pairs: &'a [Pair],
    pub(crate) header: &'a Header,
}

/// The codes of one query or of a tile of them, two components at a time.
#[derive(Debug, Clone)]
pub(crate) enum Tile {
    One(Vec<[[i16; 2]; 1]>),
    Many(Vec<[[i16; 2]; TILE]>),
}

/// A row is proven farther than the threshold when
/// `dot · (scale · codes) + residual · r + norm · |a| + square · |a|²  <  limit`.
/// A comparison with NaN proves nothing, and keeps the row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Test {
    pub(crate) dot: f64,
    pub(crate) residual: f64,
    pub(crate) norm: f64,
    pub(crate) square: f64,
    pub(crate) limit: f64,
}

impl Test {
    /// The test that proves nothing.
    pub(crate) const KEEP: Self = Self { dot: 0.0, residual: 0.0, norm: 0.0, square: 0.0, limit: f64::NAN };

    /// Whether no row can be proven farther.
    pub(crate) fn keeps_all(&self) -> bool {
        self.limit.is_nan()
    }
}

impl Kernel {
    /// For each query of the tile the rows of the unit that are not proven farther: bit `i` is row `i`.
    pub(crate) fn contenders(self, unit: Unit<'_>, tile: &Tile, tests: &[Test; TILE]) -> [u64; TILE] {
        match self.backend {
            Backend::Portable => portable::contenders(unit, tile, tests),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx2 => unsafe { x86_64::contenders_avx2(unit, tile, tests) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx512 => unsafe { x86_64::contenders_avx512(unit, tile, tests) },
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => aarch64::contenders(unit, tile, tests),
            #[allow(unreachable_patterns, reason = "the backends of other processors, which `new` does not keep")]
            _ => portable::contenders(unit, tile, tests),
        }
    }
}

impl Kernel {
    /// Writes the codes of `row`.
    pub(crate) fn coded<T: Component>(self, row: &[T], codes: &mut [i8]) -> Coded {
        match self.backend {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx2 => unsafe { x86_64::coded_avx2(row, codes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps only what the machine has.
            Backend::Avx512 => unsafe { x86_64::coded_avx512(row, codes) },
            _ => Coded::new(row, codes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compressed::tests::Random;

    fn unit(random: &mut Random, dimension: usize) -> (Vec<Pair>, Header) {
        let pairs = (0..dimension.div_ceil(2)).map(|_| {
            Pair(std::array::from_fn(|_| std::array::from_fn(|_| (random.next() % 255) as i8).map(|c| c.max(-127))))
        });
        let pairs = pairs.collect();
        let mut numbers = || std::array::from_fn(|_| random.unit() as f32);
        (pairs, Header { scales: numbers(), residuals: numbers(), norms: numbers() })
    }

    fn tile<const Q: usize>(random: &mut Random, dimension: usize) -> Vec<[[i16; 2]; Q]> {
        let largest = (i64::from(i32::MAX) / 127 / (dimension as i64 + 1)).min(32_767);
        let mut code = || (random.next() as i64 % largest) as i16;
        (0..dimension.div_ceil(2)).map(|_| std::array::from_fn(|_| std::array::from_fn(|_| code()))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn every_backend_keeps_the_rows_that_the_portable_one_keeps(seed: u64, dimension in 1_usize..1026) {
            let mut random = Random(seed);
            let (pairs, mut header) = unit(&mut random, dimension);
            header.norms[(seed % 64) as usize] = f32::NAN;
            let unit = Unit { pairs: &pairs, header: &header };
            let tiles = [Tile::One(tile(&mut random, dimension)), Tile::Many(tile(&mut random, dimension))];
            let tests: [Test; TILE] = std::array::from_fn(|_| Test {
                dot: random.unit() * 1e-6,
                residual: random.unit(),
                norm: random.unit() - 0.5,
                square: random.unit() - 0.5,
                limit: random.unit(),
            });
            for tile in &tiles {
                let portable = portable::contenders(unit, tile, &tests);
                let used = if matches!(tile, Tile::One(_)) { 1 } else { TILE };
                prop_assert!(portable.iter().take(used).all(|mask| mask & (1 << (seed % 64)) != 0));
                for backend in Backend::available() {
                    let kept = Kernel::new(*backend).contenders(unit, tile, &tests);
                    prop_assert_eq!(&kept[..used], &portable[..used], "{:?}", backend);
                }
            }
        }
    }
}
