//! The tile in NEON, six rows by four registers of four queries.
#![expect(unsafe_code, reason = "instructions that the compiler wants to be told of, on pointers")]

use std::arch::aarch64::{
    float32x4_t, vaddvq_u32, vandq_u32, vcltq_f32, vdupq_n_f32, vfmaq_f32, vfmsq_f32, vld1q_f32, vld1q_u32, vmvnq_u32,
    vsubq_f32,
};
use std::arch::asm;

use crate::kernel::tile::{LANES, Panel, ROWS, Rows};

/// The lanes of a register.
const QUARTER: usize = 4;
const QUARTERS: usize = LANES / QUARTER;

/// For each row the queries for which it is not left out. The panel has [`LANES`] lanes.
pub(super) fn neon<const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    // SAFETY: every 64-bit ARM has NEON.
    unsafe { tile::<DIFFERENCE>(rows, panel) }
}

#[target_feature(enable = "neon")]
fn tile<const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    let mut sums = [[vdupq_n_f32(0.0); QUARTERS]; ROWS];
    let dimension = rows.vectors.iter().map(|vector| vector.len()).min().unwrap_or(0);
    for (component, packed) in panel.values.iter().take(dimension).enumerate() {
        prefetch(rows, component);
        // SAFETY: `packed` has four times as many values as a register.
        let queries: [float32x4_t; QUARTERS] =
            std::array::from_fn(|at| unsafe { vld1q_f32(packed.0.as_ptr().add(at * QUARTER)) });
        for (sums, vector) in sums.iter_mut().zip(rows.vectors) {
            // SAFETY: no vector is shorter than `dimension`.
            let value = vdupq_n_f32(unsafe { *vector.get_unchecked(component) });
            for (sum, query) in sums.iter_mut().zip(queries) {
                *sum = add::<DIFFERENCE>(*sum, value, query);
            }
        }
    }
    let mut found = [0; ROWS];
    for ((found, sums), norm) in found.iter_mut().zip(sums).zip(rows.norms) {
        *found = compare(sums, norm, panel);
    }
    found
}

#[inline]
#[target_feature(enable = "neon")]
fn add<const DIFFERENCE: bool>(sum: float32x4_t, value: float32x4_t, query: float32x4_t) -> float32x4_t {
    if DIFFERENCE {
        let difference = vsubq_f32(value, query);
        vfmsq_f32(sum, difference, difference)
    } else {
        vfmaq_f32(sum, value, query)
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn compare(sums: [float32x4_t; QUARTERS], norm: f32, panel: &Panel) -> u64 {
    const BITS: [u32; QUARTER] = [1, 2, 4, 8];
    let mut found = 0;
    for (at, sum) in sums.into_iter().enumerate() {
        // SAFETY: there are `QUERIES` limits, more than these sixteen, and four bits.
        let (base, slope, bits) = unsafe {
            let limits = &panel.limits;
            let (base, slope) = (limits.base.as_ptr().add(at * QUARTER), limits.slope.as_ptr().add(at * QUARTER));
            (vld1q_f32(base), vld1q_f32(slope), vld1q_u32(BITS.as_ptr()))
        };
        let limit = vfmaq_f32(base, slope, vdupq_n_f32(norm));
        let kept = vandq_u32(vmvnq_u32(vcltq_f32(sum, limit)), bits);
        found |= u64::from(vaddvq_u32(kept)) << (at * QUARTER);
    }
    found
}

/// Asks for a part of what is read after these rows, the same amount for each component.
#[inline(always)]
fn prefetch(rows: &Rows<'_>, component: usize) {
    let [first, ..] = rows.vectors;
    let ahead = first.as_ptr().wrapping_add(rows.ahead + component * ROWS);
    // SAFETY: a hint reads nothing, whatever the address.
    unsafe { asm!("prfm pldl2keep, [{ahead}]", ahead = in(reg) ahead, options(nostack, preserves_flags, readonly)) };
}
