//! The kernels of the compressed copy for AVX2 and AVX-512.
#![expect(unsafe_code, reason = "loads of registers")]

use std::arch::x86_64::*;

use super::{Coded, Header, Pair, TILE, Test, Tile, Unit};
use crate::exact::Component;

/// See [`crate::kernel::Kernel::contenders`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn contenders_avx512(unit: Unit<'_>, tile: &Tile, tests: &[Test; TILE]) -> [u64; TILE] {
    let mut masks = [0; TILE];
    match tile {
        Tile::One(queries) => contend_512(unit, queries, tests, &mut masks),
        Tile::Many(queries) => contend_512(unit, queries, tests, &mut masks),
    }
    masks
}

/// See [`crate::kernel::Kernel::contenders`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn contenders_avx2(unit: Unit<'_>, tile: &Tile, tests: &[Test; TILE]) -> [u64; TILE] {
    let mut masks = [0; TILE];
    match tile {
        // Eight registers of sums are all rows of one query; more queries leave room for a quarter of the rows at a time.
        Tile::One(queries) => contend_256::<1, 8>(unit, queries, tests, &mut masks),
        Tile::Many(queries) => contend_256::<TILE, 2>(unit, queries, tests, &mut masks),
    }
    masks
}

/// [`Coded::new`], compiled for AVX-512.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn coded_avx512<T: Component>(row: &[T], codes: &mut [i8]) -> Coded {
    Coded::new(row, codes)
}

/// [`Coded::new`], compiled for AVX2.
#[target_feature(enable = "avx2")]
pub(super) fn coded_avx2<T: Component>(row: &[T], codes: &mut [i8]) -> Coded {
    Coded::new(row, codes)
}

/// Two codes of a query as one lane.
#[inline(always)]
fn lane([left, right]: [i16; 2]) -> i32 {
    i32::from(left) & 0xffff | i32::from(right) << 16
}

#[target_feature(enable = "avx512f,avx512bw")]
fn contend_512<const Q: usize>(
    unit: Unit<'_>,
    queries: &[[[i16; 2]; Q]],
    tests: &[Test; TILE],
    masks: &mut [u64; TILE],
) {
    let sums = sums_512(unit.pairs, queries);
    for ((sums, test), mask) in sums.iter().zip(tests).zip(masks) {
        *mask = 0;
        for (part, sums) in sums.iter().enumerate() {
            *mask |= u64::from(kept_512(*sums, unit.header, part, test)) << (16 * part);
        }
    }
}

/// The inner products of the codes, four registers of sixteen rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sums_512<const Q: usize>(pairs: &[Pair], queries: &[[[i16; 2]; Q]]) -> [[__m512i; 4]; Q] {
    let mut sums = [[_mm512_setzero_si512(); 4]; Q];
    for (pair, queries) in pairs.iter().zip(queries) {
        let codes: *const __m256i = std::ptr::from_ref(pair).cast();
        // SAFETY: a pair is 128 bytes, which are four loads, and aligned to 64.
        let rows: [__m512i; 4] =
            std::array::from_fn(|part| _mm512_cvtepi8_epi16(unsafe { _mm256_load_si256(codes.add(part)) }));
        for (sums, query) in sums.iter_mut().zip(queries) {
            let query = _mm512_set1_epi32(lane(*query));
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = _mm512_add_epi32(*sum, _mm512_madd_epi16(rows, query));
            }
        }
    }
    sums
}

/// The test of the sixteen rows of part `part` of a unit.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn kept_512(sums: __m512i, header: &Header, part: usize, test: &Test) -> u16 {
    let low = farther_512(_mm512_castsi512_si256(sums), header, 2 * part, test);
    let high = farther_512(_mm512_extracti64x4_epi64::<1>(sums), header, 2 * part + 1, test);
    !(u16::from(low) | u16::from(high) << 8)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn farther_512(sums: __m256i, header: &Header, eighth: usize, test: &Test) -> u8 {
    let wide = |values: &[f32; 64]| {
        let place = values.as_ptr().wrapping_add(8 * eighth);
        // SAFETY: `eighth` is below 8, so that the eight values are inside of the array.
        _mm512_cvtps_pd(unsafe { _mm256_loadu_ps(place) })
    };
    let (scale, residual, norm) = (wide(&header.scales), wide(&header.residuals), wide(&header.norms));
    let dot = _mm512_mul_pd(_mm512_set1_pd(test.dot), _mm512_mul_pd(scale, _mm512_cvtepi32_pd(sums)));
    let sum = _mm512_add_pd(dot, _mm512_mul_pd(_mm512_set1_pd(test.residual), residual));
    let sum = _mm512_add_pd(sum, _mm512_mul_pd(_mm512_set1_pd(test.norm), norm));
    let square = _mm512_mul_pd(_mm512_set1_pd(test.square), _mm512_mul_pd(norm, norm));
    _mm512_cmp_pd_mask::<_CMP_LT_OQ>(_mm512_add_pd(sum, square), _mm512_set1_pd(test.limit))
}

/// `REGISTERS` registers of sums, of eight rows each, are kept for each query at a time.
#[target_feature(enable = "avx2,fma")]
fn contend_256<const Q: usize, const REGISTERS: usize>(
    unit: Unit<'_>,
    queries: &[[[i16; 2]; Q]],
    tests: &[Test; TILE],
    masks: &mut [u64; TILE],
) {
    for first in (0..8).step_by(REGISTERS) {
        let sums = sums_256::<Q, REGISTERS>(unit.pairs, queries, first);
        for ((sums, test), mask) in sums.iter().zip(tests).zip(masks.iter_mut()) {
            for (register, sums) in sums.iter().enumerate() {
                let eighth = first + register;
                *mask |= u64::from(kept_256(*sums, unit.header, eighth, test)) << (8 * eighth);
            }
        }
    }
}

/// The inner products of the codes of the rows from `8 * first`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sums_256<const Q: usize, const REGISTERS: usize>(
    pairs: &[Pair],
    queries: &[[[i16; 2]; Q]],
    first: usize,
) -> [[__m256i; REGISTERS]; Q] {
    let mut sums = [[_mm256_setzero_si256(); REGISTERS]; Q];
    for (pair, queries) in pairs.iter().zip(queries) {
        let codes: *const __m128i = std::ptr::from_ref(pair).cast();
        let rows: [__m256i; REGISTERS] = std::array::from_fn(|register| {
            // SAFETY: a pair is 128 bytes, which are eight loads, and aligned to 64; `first + register` is below 8.
            _mm256_cvtepi8_epi16(unsafe { _mm_load_si128(codes.add(first + register)) })
        });
        for (sums, query) in sums.iter_mut().zip(queries) {
            let query = _mm256_set1_epi32(lane(*query));
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(rows, query));
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn kept_256(sums: __m256i, header: &Header, eighth: usize, test: &Test) -> u8 {
    let low = farther_256(_mm256_castsi256_si128(sums), header, 2 * eighth, test);
    let high = farther_256(_mm256_extracti128_si256::<1>(sums), header, 2 * eighth + 1, test);
    !(low | high << 4)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn farther_256(sums: __m128i, header: &Header, sixteenth: usize, test: &Test) -> u8 {
    let wide = |values: &[f32; 64]| {
        let place = values.as_ptr().wrapping_add(4 * sixteenth);
        // SAFETY: `sixteenth` is below 16, so that the four values are inside of the array.
        _mm256_cvtps_pd(unsafe { _mm_loadu_ps(place) })
    };
    let (scale, residual, norm) = (wide(&header.scales), wide(&header.residuals), wide(&header.norms));
    let dot = _mm256_mul_pd(_mm256_set1_pd(test.dot), _mm256_mul_pd(scale, _mm256_cvtepi32_pd(sums)));
    let sum = _mm256_add_pd(dot, _mm256_mul_pd(_mm256_set1_pd(test.residual), residual));
    let sum = _mm256_add_pd(sum, _mm256_mul_pd(_mm256_set1_pd(test.norm), norm));
    let square = _mm256_mul_pd(_mm256_set1_pd(test.square), _mm256_mul_pd(norm, norm));
    let farther = _mm256_cmp_pd::<_CMP_LT_OQ>(_mm256_add_pd(sum, square), _mm256_set1_pd(test.limit));
    _mm256_movemask_pd(farther) as u8
}
