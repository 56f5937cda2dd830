//! How a table that is wider than the screen is made to fit: long cells are cut, then columns in the middle are left out.

use comfy_table::{ColumnConstraint, Table as TextTable, Width};

use super::ELISION;

/// A column is not made narrower than this; rather columns are left out.
const CELL_WIDTH_MIN: usize = 8;
/// The blanks beside a cell.
const PADDING: usize = 2;
/// The blanks beside a cell, and the line after it.
const FRAME: usize = PADDING + 1;

/// Which columns are shown, and how wide they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    places: Vec<Place>,
    /// The widths of the cells, by place; nothing where no cell is cut.
    widths: Option<Vec<usize>>,
}

/// What stands in one place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The column of this number.
    Column(usize),
    /// A mark for columns that are left out.
    Elision,
}

impl Layout {
    /// All columns as wide as they are.
    pub(super) fn whole(columns: usize) -> Self {
        Self { places: (0..columns).map(Place::Column).collect(), widths: None }
    }

    /// The layout in which columns of `widths` fit into `width_max`; nothing when they do as they are.
    pub(super) fn fitting(widths: &[u16], width_max: usize) -> Option<Self> {
        let widths: Vec<usize> = widths.iter().map(|width| usize::from(*width)).collect();
        if framed(widths.iter().copied()) <= width_max {
            return None;
        }
        let shown = shown_columns(&widths, width_max);
        let left = shown.div_ceil(2);
        let elided = shown < widths.len();
        let right = widths.len() - (shown - left)..widths.len();
        let middle = elided.then_some(Place::Elision);
        let places: Vec<Place> = (0..left).map(Place::Column).chain(middle).chain(right.map(Place::Column)).collect();
        let natural: Vec<usize> = places.iter().map(|place| place.width(&widths)).collect();
        let cap = cap(&natural, width_max);
        Some(Self { places, widths: Some(natural.into_iter().map(|width| width.min(cap)).collect()) })
    }

    /// What stands in a row, from the left.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// The number of columns that are shown.
    pub(super) fn shown(&self) -> usize {
        self.places.iter().filter(|place| matches!(place, Place::Column(_))).count()
    }

    /// Whether cells may be cut.
    pub(super) fn is_narrow(&self) -> bool {
        self.widths.is_some()
    }

    /// Makes the columns of `text` as wide as they may be.
    pub(super) fn constrain(&self, text: &mut TextTable) {
        let Some(widths) = &self.widths else { return };
        // Cells are cut where they are too long, and not between two words: no cell has this character.
        text.set_truncation_indicator(ELISION).set_delimiter('\0');
        for (column, width) in text.column_iter_mut().zip(widths) {
            let width = u16::try_from(width + PADDING).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
}

impl Place {
    fn width(self, widths: &[usize]) -> usize {
        match self {
            Self::Column(index) => widths.get(index).copied().unwrap_or_default(),
            Self::Elision => 1,
        }
    }
}

/// The width of a row of cells with its frame.
fn framed(widths: impl Iterator<Item = usize>) -> usize {
    1 + widths.map(|width| width + FRAME).sum::<usize>()
}

/// The most columns, from both ends, that fit when none is wider than it has to be; one is shown in any case.
fn shown_columns(widths: &[usize], width_max: usize) -> usize {
    let fits = |shown: &usize| {
        let left = shown.div_ceil(2);
        let ends = widths[..left].iter().chain(&widths[widths.len() - (shown - left)..]);
        let elision = (*shown < widths.len()).then_some(1);
        framed(ends.map(|width| (*width).min(CELL_WIDTH_MIN)).chain(elision)) <= width_max
    };
    (1..=widths.len()).rev().find(fits).unwrap_or(1.min(widths.len()))
}

/// The greatest width of a cell with which cells of `widths` fit.
fn cap(widths: &[usize], width_max: usize) -> usize {
    let fits = |cap: &usize| framed(widths.iter().map(|width| *width.min(cap))) <= width_max;
    (CELL_WIDTH_MIN..=width_max).rev().find(fits).unwrap_or(CELL_WIDTH_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(widths: &[u16], width_max: usize) -> (Vec<Place>, Vec<usize>) {
        let layout = Layout::fitting(widths, width_max).unwrap();
        (layout.places, layout.widths.unwrap())
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(Layout::fitting(&[4, 4], 15), None);
        assert!(Layout::fitting(&[4, 4], 14).is_some());
    }

    #[test]
    fn long_columns_are_cut_first() {
        let (places, widths) = fitting(&[4, 100, 50], 60);
        assert_eq!(places, [Place::Column(0), Place::Column(1), Place::Column(2)]);
        assert_eq!(widths, [4, 23, 23]);
    }

    #[test]
    fn columns_in_the_middle_are_left_out() {
        let (places, widths) = fitting(&[20; 10], 60);
        let (left, right) = ([0, 1, 2].map(Place::Column), [8, 9].map(Place::Column));
        assert_eq!(places, [&left[..], &[Place::Elision], &right].concat());
        assert!(framed(widths.into_iter()) <= 60);
    }

    #[test]
    fn one_column_is_shown_however_narrow_the_screen_is() {
        let (places, widths) = fitting(&[20, 20], 1);
        assert_eq!((places, widths), (vec![Place::Column(0), Place::Elision], vec![8, 1]));
    }
}
