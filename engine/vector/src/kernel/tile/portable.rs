//! The tile for every machine, which is the specification of the others.

use crate::kernel::tile::{LANES, Panel, ROWS, Rows};

/// The rows that are summed at once: their sums fit into sixteen registers of four lanes.
const PAIR: usize = 2;

/// For each row the queries for which it is not left out.
pub(super) fn contenders<const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    let mut found = [0; ROWS];
    let (vectors, _) = rows.vectors.as_chunks::<PAIR>();
    for (vectors, (norms, found)) in vectors.iter().zip(rows.norms.chunks(PAIR).zip(found.chunks_mut(PAIR))) {
        for part in 0..panel.width {
            let sums = sums::<DIFFERENCE>(vectors, part, panel);
            for ((sums, norm), found) in sums.iter().zip(norms).zip(found.iter_mut()) {
                *found |= compare(sums, *norm, part, panel) << (part * LANES);
            }
        }
    }
    found
}

fn sums<const DIFFERENCE: bool>(vectors: &[&[f32]; PAIR], part: usize, panel: &Panel) -> [[f32; LANES]; PAIR] {
    let mut sums = [[0.0_f32; LANES]; PAIR];
    let [first, second] = vectors;
    let queries = panel.values.chunks_exact(panel.width).filter_map(|parts| parts.get(part));
    for ((queries, first), second) in queries.zip(*first).zip(*second) {
        for (sums, component) in sums.iter_mut().zip([*first, *second]) {
            for (sum, query) in sums.iter_mut().zip(&queries.0) {
                *sum += term::<DIFFERENCE>(component, *query);
            }
        }
    }
    sums
}

#[inline(always)]
fn term<const DIFFERENCE: bool>(component: f32, query: f32) -> f32 {
    if DIFFERENCE { -((component - query) * (component - query)) } else { component * query }
}

fn compare(sums: &[f32; LANES], norm: f32, part: usize, panel: &Panel) -> u64 {
    let limits = panel.limits.base.iter().zip(&panel.limits.slope).skip(part * LANES);
    let bits = sums.iter().zip(limits).enumerate();
    bits.fold(
        0,
        |found, (lane, (sum, (base, slope)))| {
            if *sum < base + slope * norm { found } else { found | 1 << lane }
        },
    )
}

/// The squared norm, in so many sums that they do not wait for each other.
#[inline(always)]
pub(super) fn squared_norm(vector: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 2 * LANES];
    let (chunks, rest) = vector.as_chunks::<{ 2 * LANES }>();
    for chunk in chunks {
        for (sum, component) in sums.iter_mut().zip(chunk) {
            *sum += component * component;
        }
    }
    for (sum, component) in sums.iter_mut().zip(rest) {
        *sum += component * component;
    }
    let mut half = LANES;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        half /= 2;
    }
    sums.first().copied().unwrap_or_default()
}
