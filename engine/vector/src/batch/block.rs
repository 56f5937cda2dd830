//! Rows as the tile reads them: 32-bit floats, as many at a time as stay near while all queries pass.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::batch::limit::Narrowing;
use crate::exact::Component;
use crate::kernel::tile::{ROWS, Rows};

/// Half of what a second-level cache has at least, since a panel of queries is to be there too.
const BLOCK_BYTES: usize = 128 << 10;

/// The rows of a block of vectors of so many components.
pub(crate) fn block_rows(dimension: usize) -> usize {
    (BLOCK_BYTES / size_of::<f32>() / dimension.max(1)).clamp(8 * ROWS, 128 * ROWS).next_multiple_of(ROWS)
}

/// A component that has an approximation of 32 bits.
pub(crate) trait Narrow: Component {
    /// Whether the approximation is the value.
    const NARROWING: Narrowing;

    /// The approximations; in `scratch` when they are not there already.
    fn narrow<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32];
}

impl Narrow for f32 {
    const NARROWING: Narrowing = Narrowing::Exact;

    fn narrow<'a>(values: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        values
    }
}

impl Narrow for f16 {
    const NARROWING: Narrowing = Narrowing::Exact;

    fn narrow<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(values.len(), 0.0);
        values.convert_to_f32_slice(scratch);
        scratch
    }
}

impl Narrow for f64 {
    const NARROWING: Narrowing = Narrowing::Rounded;

    fn narrow<'a>(values: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.clear();
        scratch.extend(values.iter().map(|value| *value as f32));
        scratch
    }
}

/// A few rows, some of which are looked at.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a, T> {
    /// The components of all its rows.
    pub(crate) values: &'a [T],
    /// The same in 32 bits.
    pub(crate) narrow: &'a [f32],
    /// The components of a row.
    pub(crate) dimension: usize,
    /// Where the block after this one begins, in floats behind this one; 0 when it is not there yet.
    pub(crate) ahead: usize,
    /// The row of the table that is row 0 here.
    pub(crate) first_row: u64,
}

impl<'a, T> Block<'a, T> {
    /// A row, for its score.
    pub(crate) fn exact(&self, row: usize) -> &'a [T] {
        self.values.get(self.components(row)).unwrap_or_default()
    }

    /// A row, for its approximation.
    pub(crate) fn approximate(&self, row: usize) -> &'a [f32] {
        self.narrow.get(self.components(row)).unwrap_or_default()
    }

    fn components(&self, row: usize) -> Range<usize> {
        row * self.dimension..(row + 1) * self.dimension
    }

    /// At most [`ROWS`] rows for the tile, with their norms; the first stands in for those that are missing.
    pub(crate) fn tile(&self, rows: &[usize], norms: &[f32]) -> Rows<'a> {
        let row = |at| rows.get(at).or(rows.first()).copied().unwrap_or_default();
        Rows {
            vectors: std::array::from_fn(|at| self.approximate(row(at))),
            norms: std::array::from_fn(|at| norms.get(at).copied().unwrap_or_default()),
            ahead: self.ahead,
        }
    }
}
