//! The specification of the kernels of the compressed copy, in plain words.

use super::{Header, Pair, ROWS, TILE, Test, Tile, Unit};

/// See [`crate::kernel::Kernel::contenders`].
pub(crate) fn contenders(unit: Unit<'_>, tile: &Tile, tests: &[Test; TILE]) -> [u64; TILE] {
    let mut masks = [0; TILE];
    match tile {
        Tile::One(queries) => contend(unit, queries, tests, &mut masks),
        Tile::Many(queries) => contend(unit, queries, tests, &mut masks),
    }
    masks
}

fn contend<const Q: usize>(unit: Unit<'_>, queries: &[[[i16; 2]; Q]], tests: &[Test; TILE], masks: &mut [u64; TILE]) {
    let sums = sums(unit.pairs, queries);
    for ((sums, test), mask) in sums.iter().zip(tests).zip(masks) {
        *mask = kept(sums, unit.header, test);
    }
}

/// The inner products of the codes.
fn sums<const Q: usize>(pairs: &[Pair], queries: &[[[i16; 2]; Q]]) -> [[i32; ROWS]; Q] {
    let mut sums = [[0; ROWS]; Q];
    for (pair, queries) in pairs.iter().zip(queries) {
        for (sums, [left, right]) in sums.iter_mut().zip(queries) {
            for (sum, [a, b]) in sums.iter_mut().zip(&pair.0) {
                *sum += i32::from(*a) * i32::from(*left) + i32::from(*b) * i32::from(*right);
            }
        }
    }
    sums
}

/// The rows that the test does not prove farther.
fn kept(sums: &[i32; ROWS], header: &Header, test: &Test) -> u64 {
    let rows = sums.iter().zip(&header.scales).zip(&header.residuals).zip(&header.norms);
    rows.enumerate().fold(0, |mask, (row, (((sum, scale), residual), norm))| {
        let (scale, residual, norm) = (f64::from(*scale), f64::from(*residual), f64::from(*norm));
        let sum = test.dot * (scale * f64::from(*sum)) + test.residual * residual + test.norm * norm;
        // What is no number proves nothing.
        let is_farther = sum + test.square * (norm * norm) < test.limit;
        mask | u64::from(!is_farther) << row
    })
}
