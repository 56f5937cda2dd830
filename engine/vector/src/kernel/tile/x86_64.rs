//! The tile in AVX-512, six rows by four registers of sixteen queries, and in AVX2, six rows by two registers of eight.
#![expect(unsafe_code, reason = "instructions that not every machine has, on pointers")]

use std::arch::x86_64::{
    __m256, __m512, _CMP_NLT_UQ, _MM_HINT_T1, _mm_prefetch, _mm256_cmp_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps,
    _mm256_loadu_ps, _mm256_movemask_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_sub_ps, _mm512_cmp_ps_mask,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sub_ps,
};

use crate::kernel::tile::{LANES, Panel, QUERIES, ROWS, Rows, portable};

/// The lanes of a register of AVX2.
const HALF: usize = LANES / 2;
const HALVES: usize = 2;

/// For each row the queries for which it is not left out.
pub(super) fn avx512<const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    // SAFETY: `Kernel::new` has asked the machine for AVX-512, and `Backend::available` for what comes before it.
    unsafe {
        match panel.width {
            // Six sums are too few to wait for each other; twelve halves are not.
            1 => avx2_tile::<DIFFERENCE>(rows, panel),
            2 => avx512_tile::<2, DIFFERENCE>(rows, panel),
            3 => avx512_tile::<3, DIFFERENCE>(rows, panel),
            _ => avx512_tile::<4, DIFFERENCE>(rows, panel),
        }
    }
}

#[target_feature(enable = "avx512f")]
fn avx512_tile<const WIDTH: usize, const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    let mut sums = [[_mm512_setzero_ps(); WIDTH]; ROWS];
    let dimension = rows.vectors.iter().map(|vector| vector.len()).min().unwrap_or(0);
    for (component, packed) in panel.values.chunks_exact(WIDTH).take(dimension).enumerate() {
        prefetch(rows, component);
        // SAFETY: `packed` is as many registers.
        let queries: [__m512; WIDTH] =
            std::array::from_fn(|at| unsafe { _mm512_loadu_ps(packed.as_ptr().add(at).cast()) });
        for (sums, vector) in sums.iter_mut().zip(rows.vectors) {
            // SAFETY: no vector is shorter than `dimension`.
            let value = _mm512_set1_ps(unsafe { *vector.get_unchecked(component) });
            for (sum, query) in sums.iter_mut().zip(queries) {
                *sum = avx512_add::<DIFFERENCE>(*sum, value, query);
            }
        }
    }
    let mut found = [0; ROWS];
    for ((found, sums), norm) in found.iter_mut().zip(sums).zip(rows.norms) {
        *found = avx512_compare(sums, norm, panel);
    }
    found
}

#[inline]
#[target_feature(enable = "avx512f")]
fn avx512_add<const DIFFERENCE: bool>(sum: __m512, value: __m512, query: __m512) -> __m512 {
    if DIFFERENCE {
        let difference = _mm512_sub_ps(value, query);
        _mm512_fnmadd_ps(difference, difference, sum)
    } else {
        _mm512_fmadd_ps(value, query, sum)
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn avx512_compare<const WIDTH: usize>(sums: [__m512; WIDTH], norm: f32, panel: &Panel) -> u64 {
    const { assert!(WIDTH * LANES <= QUERIES) };
    let mut found = 0;
    for (at, sum) in sums.into_iter().enumerate() {
        // SAFETY: there are `QUERIES` limits, no fewer than `WIDTH * LANES`.
        let (base, slope) = unsafe {
            let limits = &panel.limits;
            (
                _mm512_loadu_ps(limits.base.as_ptr().add(at * LANES)),
                _mm512_loadu_ps(limits.slope.as_ptr().add(at * LANES)),
            )
        };
        let limit = _mm512_fmadd_ps(slope, _mm512_set1_ps(norm), base);
        found |= u64::from(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(sum, limit)) << (at * LANES);
    }
    found
}

/// Asks for a part of what is read after these rows, the same amount for each component.
#[inline(always)]
fn prefetch(rows: &Rows<'_>, component: usize) {
    let [first, ..] = rows.vectors;
    let ahead = first.as_ptr().wrapping_add(rows.ahead + component * ROWS);
    // SAFETY: a hint reads nothing, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(ahead.cast()) };
}

/// The squared norm of a vector.
pub(super) fn avx512_squared_norm(vector: &[f32]) -> f32 {
    #[target_feature(enable = "avx512f")]
    fn squared_norm(vector: &[f32]) -> f32 {
        portable::squared_norm(vector)
    }
    // SAFETY: `Kernel::new` has asked the machine for AVX-512.
    unsafe { squared_norm(vector) }
}

/// For each row the queries for which it is not left out. The panel has [`LANES`] lanes.
pub(super) fn avx2<const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    // SAFETY: `Kernel::new` has asked the machine for AVX2 and fused multiplication.
    unsafe { avx2_tile::<DIFFERENCE>(rows, panel) }
}

#[target_feature(enable = "avx2,fma")]
fn avx2_tile<const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    let mut sums = [[_mm256_setzero_ps(); HALVES]; ROWS];
    let dimension = rows.vectors.iter().map(|vector| vector.len()).min().unwrap_or(0);
    for (component, packed) in panel.values.iter().take(dimension).enumerate() {
        prefetch(rows, component);
        // SAFETY: `packed` has twice as many values as a register.
        let queries: [__m256; HALVES] =
            std::array::from_fn(|at| unsafe { _mm256_loadu_ps(packed.0.as_ptr().add(at * HALF)) });
        for (sums, vector) in sums.iter_mut().zip(rows.vectors) {
            // SAFETY: no vector is shorter than `dimension`.
            let value = _mm256_set1_ps(unsafe { *vector.get_unchecked(component) });
            for (sum, query) in sums.iter_mut().zip(queries) {
                *sum = avx2_add::<DIFFERENCE>(*sum, value, query);
            }
        }
    }
    let mut found = [0; ROWS];
    for ((found, sums), norm) in found.iter_mut().zip(sums).zip(rows.norms) {
        *found = avx2_compare(sums, norm, panel);
    }
    found
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn avx2_add<const DIFFERENCE: bool>(sum: __m256, value: __m256, query: __m256) -> __m256 {
    if DIFFERENCE {
        let difference = _mm256_sub_ps(value, query);
        _mm256_fnmadd_ps(difference, difference, sum)
    } else {
        _mm256_fmadd_ps(value, query, sum)
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn avx2_compare(sums: [__m256; HALVES], norm: f32, panel: &Panel) -> u64 {
    let mut found = 0;
    for (at, sum) in sums.into_iter().enumerate() {
        // SAFETY: there are `QUERIES` limits, more than these sixteen.
        let (base, slope) = unsafe {
            let limits = &panel.limits;
            (
                _mm256_loadu_ps(limits.base.as_ptr().add(at * HALF)),
                _mm256_loadu_ps(limits.slope.as_ptr().add(at * HALF)),
            )
        };
        let limit = _mm256_fmadd_ps(slope, _mm256_set1_ps(norm), base);
        let bits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLT_UQ>(sum, limit));
        found |= u64::from(bits.cast_unsigned()) << (at * HALF);
    }
    found
}

/// The squared norm of a vector.
pub(super) fn avx2_squared_norm(vector: &[f32]) -> f32 {
    #[target_feature(enable = "avx2,fma")]
    fn squared_norm(vector: &[f32]) -> f32 {
        portable::squared_norm(vector)
    }
    // SAFETY: `Kernel::new` has asked the machine for AVX2 and fused multiplication.
    unsafe { squared_norm(vector) }
}
