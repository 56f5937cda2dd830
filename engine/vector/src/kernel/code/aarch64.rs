//! The kernels of the compressed copy for NEON.
#![expect(unsafe_code, reason = "loads of registers; every 64-bit ARM has NEON")]

use std::arch::aarch64::*;

use super::{Header, Pair, TILE, Test, Tile, Unit};

/// See [`crate::kernel::Kernel::contenders`].
pub(super) fn contenders(unit: Unit<'_>, tile: &Tile, tests: &[Test; TILE]) -> [u64; TILE] {
    let mut masks = [0; TILE];
    match tile {
        // SAFETY: every 64-bit ARM has NEON. Eight loads of eight rows are all rows of one query.
        Tile::One(queries) => unsafe { contend::<1, 8>(unit, queries, tests, &mut masks) },
        // SAFETY: as above. More queries leave room for a quarter of the rows at a time.
        Tile::Many(queries) => unsafe { contend::<TILE, 2>(unit, queries, tests, &mut masks) },
    }
    masks
}

/// `LOADS` loads, of eight rows each, are summed for each query at a time.
#[target_feature(enable = "neon")]
fn contend<const Q: usize, const LOADS: usize>(
    unit: Unit<'_>,
    queries: &[[[i16; 2]; Q]],
    tests: &[Test; TILE],
    masks: &mut [u64; TILE],
) {
    for first in (0..8).step_by(LOADS) {
        let sums = sums::<Q, LOADS>(unit.pairs, queries, first);
        for ((sums, test), mask) in sums.iter().zip(tests).zip(masks.iter_mut()) {
            for (quarter, sums) in sums.as_flattened().iter().enumerate() {
                let sixteenth = 2 * first + quarter;
                *mask |= kept(*sums, unit.header, sixteenth, test) << (4 * sixteenth);
            }
        }
    }
}

/// The inner products of the codes of the rows from `8 * first`, two registers of four rows for each load.
#[inline]
#[target_feature(enable = "neon")]
fn sums<const Q: usize, const LOADS: usize>(
    pairs: &[Pair],
    queries: &[[[i16; 2]; Q]],
    first: usize,
) -> [[[int32x4_t; 2]; LOADS]; Q] {
    let mut sums = [[[vdupq_n_s32(0); 2]; LOADS]; Q];
    for (pair, queries) in pairs.iter().zip(queries) {
        let codes: *const i8 = std::ptr::from_ref(pair).cast();
        // SAFETY: a pair is 128 bytes, which are eight loads of 16; `first + load` is below 8.
        let rows: [int8x16_t; LOADS] = std::array::from_fn(|load| unsafe { vld1q_s8(codes.add(16 * (first + load))) });
        let rows = rows.map(|rows| [vmovl_s8(vget_low_s8(rows)), vmovl_high_s8(rows)]);
        for (sums, [left, right]) in sums.iter_mut().zip(queries) {
            let lane = i32::from(*left) & 0xffff | i32::from(*right) << 16;
            let query = vreinterpretq_s16_s32(vdupq_n_s32(lane));
            for (sum, rows) in sums.as_flattened_mut().iter_mut().zip(rows.as_flattened()) {
                let (low, high) = (vmull_s16(vget_low_s16(*rows), vget_low_s16(query)), vmull_high_s16(*rows, query));
                *sum = vaddq_s32(*sum, vpaddq_s32(low, high));
            }
        }
    }
    sums
}

/// The test of four rows.
#[inline]
#[target_feature(enable = "neon")]
fn kept(sums: int32x4_t, header: &Header, sixteenth: usize, test: &Test) -> u64 {
    let low = farther(vget_low_s32(sums), header, 2 * sixteenth, test);
    let high = farther(vget_high_s32(sums), header, 2 * sixteenth + 1, test);
    (low | high << 2) ^ 0b1111
}

/// Two bits: which of two rows are proven farther.
#[inline]
#[target_feature(enable = "neon")]
fn farther(sums: int32x2_t, header: &Header, two: usize, test: &Test) -> u64 {
    let wide = |values: &[f32; 64]| {
        let place = values.as_ptr().wrapping_add(2 * two);
        // SAFETY: `two` is below 32, so that the two values are inside of the array.
        vcvt_f64_f32(unsafe { vld1_f32(place) })
    };
    let (scale, residual, norm) = (wide(&header.scales), wide(&header.residuals), wide(&header.norms));
    let dot = vmulq_n_f64(vmulq_f64(scale, vcvtq_f64_s64(vmovl_s32(sums))), test.dot);
    let sum = vaddq_f64(dot, vmulq_n_f64(residual, test.residual));
    let sum = vaddq_f64(sum, vmulq_n_f64(norm, test.norm));
    let sum = vaddq_f64(sum, vmulq_n_f64(vmulq_f64(norm, norm), test.square));
    let farther = vcltq_f64(sum, vdupq_n_f64(test.limit));
    vgetq_lane_u64::<0>(farther) & 1 | vgetq_lane_u64::<1>(farther) & 2
}
