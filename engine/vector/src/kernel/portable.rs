//! The lanes of every machine: an array, which compilers turn into what vectors the target has.
#![expect(unsafe_code, reason = "the lanes are loaded through pointers, as those of the other backends")]

use super::{Block, KernelQuery, LANES, Lanes};

/// See [`super::Kernel::products`].
pub(super) fn products(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Portable, super::Products<_>>(rows, query, out);
}

/// See [`super::Kernel::distances`].
pub(super) fn distances(rows: &[f32], query: &KernelQuery, out: &mut Block) {
    super::block::<Portable, super::Distances<_>>(rows, query, out);
}

#[derive(Clone, Copy)]
struct Portable([f32; LANES]);

impl Lanes for Portable {
    #[inline(always)]
    fn zero() -> Self {
        Self([0.0; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has sixteen floats there.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller has `count` floats there.
        let part = unsafe { std::slice::from_raw_parts(from, count) };
        let mut lanes = [0.0; LANES];
        lanes.iter_mut().zip(part).for_each(|(lane, value)| *lane = *value);
        Self(lanes)
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane -= other);
        self
    }

    #[inline(always)]
    fn plus_product(mut self, left: Self, right: Self) -> Self {
        for ((lane, left), right) in self.0.iter_mut().zip(left.0).zip(right.0) {
            *lane += left * right;
        }
        self
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let mut lanes = self.0;
        let mut half = LANES / 2;
        while half > 0 {
            let (low, high) = lanes.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
            half /= 2;
        }
        let [sum, ..] = lanes;
        sum
    }
}
