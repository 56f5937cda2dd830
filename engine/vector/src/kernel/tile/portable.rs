//! The tile for every machine, which is the specification of the others.

use crate::kernel::tile::{LANES, Panel, ROWS, Rows};

/// The rows that are summed at once: their sums fit into sixteen registers of four lanes.
const PAIR: usize = 2;

/// For each row the queries for which it is not left out. The panel has [`LANES`] lanes.
pub(super) fn contenders<const DIFFERENCE: bool>(rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
    let mut found = [0; ROWS];
    let (vectors, _) = rows.vectors.as_chunks::<PAIR>();
    let (norms, _) = rows.norms.as_chunks::<PAIR>();
    let (found_pairs, _) = found.as_chunks_mut::<PAIR>();
    for ((vectors, norms), found) in vectors.iter().zip(norms).zip(found_pairs) {
        for ((sums, norm), found) in sums::<DIFFERENCE>(vectors, panel).iter().zip(norms).zip(found) {
            *found = compare(sums, *norm, panel);
        }
    }
    found
}

fn sums<const DIFFERENCE: bool>(vectors: &[&[f32]; PAIR], panel: &Panel) -> [[f32; LANES]; PAIR] {
    let mut sums = [[0.0_f32; LANES]; PAIR];
    let [first, second] = vectors;
    for ((queries, first), second) in panel.values.iter().zip(*first).zip(*second) {
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

fn compare(sums: &[f32; LANES], norm: f32, panel: &Panel) -> u64 {
    let limits = panel.limits.base.iter().zip(&panel.limits.slope).map(|(base, slope)| base + slope * norm);
    let bits = sums.iter().zip(limits).enumerate();
    bits.fold(0, |found, (lane, (sum, limit))| if *sum < limit { found } else { found | 1 << lane })
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
    sums.iter().sum()
}
