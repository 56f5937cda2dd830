//! The lanes of NEON: four registers.
#![expect(unsafe_code, reason = "instructions of this processor")]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vdupq_n_f32, vextq_f32, vfmaq_f32, vgetq_lane_f32, vld1q_f32, vsubq_f32,
};

use super::{Block, KernelQuery, LANES, Lanes};

/// See [`super::Kernel::products`].
pub(super) fn products(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Neon, super::Products<_>>(rows, query, out);
}

/// See [`super::Kernel::distances`].
pub(super) fn distances(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Neon, super::Distances<_>>(rows, query, out);
}

/// Every 64-bit ARM has NEON: it belongs to the target.
#[derive(Clone, Copy)]
struct Neon([float32x4_t; 4]);

impl Lanes for Neon {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: the target has NEON.
        Self([unsafe { vdupq_n_f32(0.0) }; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has sixteen floats there.
        unsafe { Self([vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))]) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller has `count` floats there.
        let part = unsafe { std::slice::from_raw_parts(from, count) };
        let mut lanes = [0.0; LANES];
        lanes.iter_mut().zip(part).for_each(|(lane, value)| *lane = *value);
        // SAFETY: these are sixteen floats.
        unsafe { Self::load(lanes.as_ptr()) }
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        for (four, other) in self.0.iter_mut().zip(other.0) {
            // SAFETY: the target has NEON.
            *four = unsafe { vsubq_f32(*four, other) };
        }
        self
    }

    #[inline(always)]
    fn plus_product(mut self, left: Self, right: Self) -> Self {
        for ((four, left), right) in self.0.iter_mut().zip(left.0).zip(right.0) {
            // SAFETY: the target has NEON.
            *four = unsafe { vfmaq_f32(*four, left, right) };
        }
        self
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        // SAFETY: the target has NEON.
        unsafe {
            let four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
            let two = vaddq_f32(four, vextq_f32::<2>(four, four));
            vgetq_lane_f32::<0>(two) + vgetq_lane_f32::<1>(two)
        }
    }
}
