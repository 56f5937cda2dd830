//! The lanes of AVX2 (two registers) and AVX-512 (one).
#![expect(unsafe_code, reason = "instructions of this processor")]

use std::arch::x86_64::{
    __m256, __m256i, __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_ps,
    _mm256_castpd_ps, _mm256_castps256_ps128, _mm256_cmpgt_epi32, _mm256_extractf128_ps, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_maskload_ps, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_sub_ps,
    _mm512_castps_pd, _mm512_castps512_ps256, _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_maskz_loadu_ps, _mm512_setzero_ps, _mm512_sub_ps,
};

use super::{Block, KernelQuery, Lanes};
use crate::exact::{Component, ExactQuery};

/// See [`super::Kernel::products`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn products_avx2(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Avx2, super::Products<_>>(rows, query, out);
}

/// See [`super::Kernel::products`].
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) fn products_avx512(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Avx512, super::Products<_>>(rows, query, out);
}

/// See [`super::Kernel::distances`].
#[target_feature(enable = "avx2,fma")]
pub(super) fn distances_avx2(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Avx2, super::Distances<_>>(rows, query, out);
}

/// See [`super::Kernel::distances`].
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) fn distances_avx512(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Avx512, super::Distances<_>>(rows, query, out);
}

/// See [`super::Kernel::score`].
#[target_feature(enable = "avx2")]
pub(super) fn score_avx2<T: Component>(query: &ExactQuery, row: &[T]) -> f64 {
    query.score(row)
}

/// See [`super::Kernel::score`].
#[target_feature(enable = "avx512f,avx2")]
pub(super) fn score_avx512<T: Component>(query: &ExactQuery, row: &[T]) -> f64 {
    query.score(row)
}

#[derive(Clone, Copy)]
struct Avx2(__m256, __m256);

impl Lanes for Avx2 {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: called from functions compiled for AVX2.
        unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: called from functions compiled for AVX2, with sixteen floats.
        unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        // SAFETY: called from functions compiled for AVX2; floats that are masked out are not read.
        unsafe {
            Self(
                _mm256_maskload_ps(from, lanes_below(count, 0)),
                _mm256_maskload_ps(from.wrapping_add(8), lanes_below(count, 8)),
            )
        }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        // SAFETY: called from functions compiled for AVX2.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn plus_product(self, left: Self, right: Self) -> Self {
        // SAFETY: called from functions compiled for AVX2 and FMA.
        unsafe { Self(_mm256_fmadd_ps(left.0, right.0, self.0), _mm256_fmadd_ps(left.1, right.1, self.1)) }
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: called from functions compiled for AVX2.
        unsafe { sum_of_eight(_mm256_add_ps(self.0, self.1)) }
    }
}

#[derive(Clone, Copy)]
struct Avx512(__m512);

impl Lanes for Avx512 {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: called from functions compiled for AVX-512.
        unsafe { Self(_mm512_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: called from functions compiled for AVX-512, with sixteen floats.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        // SAFETY: called from functions compiled for AVX-512; floats that are masked out are not read.
        unsafe { Self(_mm512_maskz_loadu_ps(((1_u32 << count) - 1) as u16, from)) }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        // SAFETY: called from functions compiled for AVX-512.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn plus_product(self, left: Self, right: Self) -> Self {
        // SAFETY: called from functions compiled for AVX-512.
        unsafe { Self(_mm512_fmadd_ps(left.0, right.0, self.0)) }
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: called from functions compiled for AVX-512.
        unsafe {
            let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0)));
            sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(self.0), high))
        }
    }
}

/// All bits of those of eight lanes that are before `count`, when the first is number `first`.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn lanes_below(count: usize, first: i32) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let left = _mm256_set1_epi32(count as i32 - first);
        _mm256_cmpgt_epi32(left, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
    }
}

/// # Safety
/// The machine has AVX.
#[inline(always)]
unsafe fn sum_of_eight(lanes: __m256) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}
