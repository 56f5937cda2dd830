//! From rows to units of codes.

use crate::backend::Backend;
use crate::exact::Component;
use crate::kernel::Kernel;
use crate::kernel::code::{Coded, Header, Pair, ROWS};

/// The units of `rows`, vectors of `dimension` components one after the other.
pub(super) fn encode<T: Component>(rows: &[T], dimension: usize) -> (Vec<Pair>, Vec<Header>) {
    let pairs_per_unit = dimension.div_ceil(2);
    let units = rows.len().div_ceil(ROWS * dimension);
    let mut pairs = vec![Pair([[0; 2]; ROWS]); units * pairs_per_unit];
    let mut headers = vec![Header { scales: [0.0; ROWS], residuals: [0.0; ROWS], norms: [0.0; ROWS] }; units];
    let kernel = Kernel::new(Backend::best());
    let mut codes = vec![0_i8; 2 * pairs_per_unit];
    let units = pairs.chunks_exact_mut(pairs_per_unit).zip(&mut headers);
    for ((pairs, header), rows) in units.zip(rows.chunks(ROWS * dimension)) {
        for (place, row) in rows.chunks_exact(dimension).enumerate() {
            write(header, place, &kernel.coded(row, &mut codes));
            scatter(&codes, pairs, place);
        }
    }
    (pairs, headers)
}

/// Writes the codes of the row at `place` of a unit.
fn scatter(codes: &[i8], pairs: &mut [Pair], place: usize) {
    for (pair, two) in pairs.iter_mut().zip(codes.as_chunks::<2>().0) {
        if let Some(cell) = pair.0.get_mut(place) {
            *cell = *two;
        }
    }
}

/// Writes what is known of the row at `place` of a unit.
fn write(header: &mut Header, place: usize, row: &Coded) {
    let Header { scales, residuals, norms } = header;
    for (values, value) in [(scales, row.scale), (residuals, row.residual), (norms, row.norm)] {
        values.get_mut(place).into_iter().for_each(|cell| *cell = value);
    }
}
