//! Six rows against up to 64 queries at once: the step of a matrix product that never stores the product.
//!
//! Queries lie across the lanes of the registers and components of rows are broadcast, so every loaded component is used
//! for all queries and every loaded register of queries for six rows. What is nearer is larger here, for every metric:
//! inner products, and squared distances with a minus. At the end each lane is compared with the limit of its query, and
//! only the outcome leaves the registers.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use crate::backend::Backend;
use crate::kernel::Kernel;

/// The rows of a tile.
pub(crate) const ROWS: usize = 6;
/// The queries that are packed next to each other.
pub(crate) const LANES: usize = 16;
/// The most queries of a panel.
pub(crate) const QUERIES: usize = 64;

/// What is added up over the components `a` of a row and `q` of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `a q`.
    Product,
    /// `-(a - q)²`.
    Difference,
}

/// The rows of a tile and their norms. When there are fewer rows, one of them stands in for the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Slices of one length.
    pub(crate) vectors: [&'a [f32]; ROWS],
    /// What the slopes of the limits are multiplied with. NaN for a row of which nothing is known.
    pub(crate) norms: [f32; ROWS],
    /// How many floats behind the first row those begin that are asked for from memory meanwhile.
    pub(crate) ahead: usize,
}

/// One component of neighbouring queries, in one line of a cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Lanes([f32; LANES]);

/// Queries as the tile reads them: for each component the values of all queries.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    values: Vec<Lanes>,
    /// How many of `values` belong to a component.
    width: usize,
    limits: Limits,
}

/// What sums are compared with, for each query and for the lanes that are none.
#[derive(Debug, Clone)]
struct Limits {
    base: [f32; QUERIES],
    slope: [f32; QUERIES],
}

impl Panel {
    /// At most [`QUERIES`] `queries` of one length. Rows of numbers are left out until there are limits.
    pub(crate) fn new(queries: &[Vec<f32>]) -> Self {
        let width = queries.len().clamp(1, QUERIES).div_ceil(LANES);
        let dimension = queries.first().map_or(0, Vec::len);
        let mut values = vec![Lanes([0.0; LANES]); width * dimension];
        for (component, packed) in values.chunks_exact_mut(width).enumerate() {
            let lanes = packed.iter_mut().flat_map(|lanes| &mut lanes.0);
            for (lane, query) in lanes.zip(queries) {
                *lane = query.get(component).copied().unwrap_or(0.0);
            }
        }
        Self { values, width, limits: Limits { base: [f32::INFINITY; QUERIES], slope: [0.0; QUERIES] } }
    }

    /// From now on a row is left out for this query when its sum is less than `base + slope * norm`. A comparison with NaN
    /// leaves nothing out.
    pub(crate) fn limit(&mut self, query: usize, base: f32, slope: f32) {
        let limits = &mut self.limits;
        if let Some((old_base, old_slope)) = limits.base.get_mut(query).zip(limits.slope.get_mut(query)) {
            (*old_base, *old_slope) = (base, slope);
        }
    }
}

/// A form, in the instructions of a kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tile {
    kernel: Kernel,
    form: Form,
}

impl Tile {
    /// The tile that `kernel` has for `form`.
    pub(crate) fn new(kernel: Kernel, form: Form) -> Self {
        Self { kernel, form }
    }

    /// What is added up.
    pub(crate) fn form(self) -> Form {
        self.form
    }

    /// The most queries that a panel for this tile may have.
    pub(crate) fn queries(self) -> usize {
        if self.kernel.backend == Backend::Avx512 { QUERIES } else { LANES }
    }

    /// For each row the queries for which it is not left out, as bits.
    pub(crate) fn contenders(self, rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
        match self.form {
            Form::Product => self.run::<false>(rows, panel),
            Form::Difference => self.run::<true>(rows, panel),
        }
    }

    fn run<const DIFFERENCE: bool>(self, rows: &Rows<'_>, panel: &Panel) -> [u64; ROWS] {
        match self.kernel.backend {
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 => x86_64::avx512::<DIFFERENCE>(rows, panel),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => x86_64::avx2::<DIFFERENCE>(rows, panel),
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => aarch64::neon::<DIFFERENCE>(rows, panel),
            _ => portable::contenders::<DIFFERENCE>(rows, panel),
        }
    }

    /// The squared norms of `vectors`, added to `out`.
    pub(crate) fn squared_norms<'a>(self, vectors: impl Iterator<Item = &'a [f32]>, out: &mut Vec<f32>) {
        let norm = match self.kernel.backend {
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 => x86_64::avx512_squared_norm,
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => x86_64::avx2_squared_norm,
            _ => portable::squared_norm,
        };
        out.extend(vectors.map(norm));
    }
}
