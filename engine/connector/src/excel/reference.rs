//! Places in a sheet as they are written: `B4`, `B4:C9`, `A:C`, `2:5`.

use velaria_contract::{Error, ErrorCode, Result};

/// The rows of a sheet.
pub(super) const ROWS_MAX: u32 = 1_048_576;
/// The columns of a sheet.
pub(super) const COLUMNS_MAX: u32 = 16_384;

/// A rectangle of cells, both ends included, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) first_row: u32,
    pub(super) last_row: u32,
    pub(super) first_column: u32,
    pub(super) last_column: u32,
}

impl Area {
    /// Every cell of a sheet.
    pub(super) const WHOLE: Self =
        Self { first_row: 0, last_row: ROWS_MAX - 1, first_column: 0, last_column: COLUMNS_MAX - 1 };

    /// Reads `B4:C9`, `B4`, `A:C` or `2:5`; `$` is allowed everywhere.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.replace('$', "");
        let (first, last) = text.split_once(':').unwrap_or((&text, &text));
        let (first, last) = (part(first)?, part(last)?);
        if first.0.is_some() != last.0.is_some() || first.1.is_some() != last.1.is_some() {
            return None;
        }
        let whole = Self::WHOLE;
        let area = Self {
            first_column: first.0.unwrap_or(whole.first_column),
            last_column: last.0.unwrap_or(whole.last_column),
            first_row: first.1.unwrap_or(whole.first_row),
            last_row: last.1.unwrap_or(whole.last_row),
        };
        (area.first_row <= area.last_row && area.first_column <= area.last_column).then_some(area)
    }

    /// Whether the cell is in it.
    pub(super) fn contains(&self, row: u32, column: u32) -> bool {
        (self.first_row..=self.last_row).contains(&row) && (self.first_column..=self.last_column).contains(&column)
    }

    /// The part of it that is in `other` as well.
    pub(super) fn within(&self, other: &Self) -> Option<Self> {
        let area = Self {
            first_row: self.first_row.max(other.first_row),
            last_row: self.last_row.min(other.last_row),
            first_column: self.first_column.max(other.first_column),
            last_column: self.last_column.min(other.last_column),
        };
        (area.first_row <= area.last_row && area.first_column <= area.last_column).then_some(area)
    }
}

/// A column, a row or both.
fn part(text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (column, row) = text.split_at(letters);
    if column.is_empty() && row.is_empty() {
        return None;
    }
    let column = if column.is_empty() { None } else { Some(parse_column(column.as_bytes())?) };
    let row = if row.is_empty() { None } else { Some(parse_row(row.as_bytes())?) };
    Some((column, row))
}

/// The place of a cell such as `B4`.
pub(super) fn parse_cell(bytes: &[u8]) -> Option<(u32, u32)> {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (column, row) = bytes.split_at(letters);
    Some((parse_row(row)?, parse_column(column)?))
}

/// A row number as it is written, from 1.
pub(super) fn parse_row(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 7 {
        return None;
    }
    let mut row = 0;
    for byte in bytes {
        row = row * 10 + u32::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    (1..=ROWS_MAX).contains(&row).then(|| row - 1)
}

/// The letters of a column.
pub(super) fn parse_column(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 3 {
        return None;
    }
    let mut column = 0;
    for byte in bytes {
        column = column * 26 + u32::from(byte.is_ascii_alphabetic().then(|| byte.to_ascii_uppercase() - b'A')?) + 1;
    }
    (column <= COLUMNS_MAX).then(|| column - 1)
}

/// The letters of a column, counted from 0.
pub(super) fn column_name(column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or_default()));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// The name of a cell, both counted from 0.
pub(super) fn cell_name(row: u32, column: u32) -> String {
    format!("{}{}", column_name(column), u64::from(row) + 1)
}

/// The area of the option `range`.
pub(super) fn range_option(text: &str) -> Result<Area> {
    Area::parse(text.trim()).ok_or_else(|| {
        Error::new(ErrorCode::InvalidArgument, format!("option range is not a range of cells: {text:?}"))
            .with_hint("such as B4:C9, A:C or 2:100")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written() {
        for (text, place) in [("A1", (0, 0)), ("b4", (3, 1)), ("AA10", (9, 26)), ("XFD1048576", (1_048_575, 16_383))] {
            assert_eq!(parse_cell(text.as_bytes()), Some(place), "{text}");
            assert_eq!(cell_name(place.0, place.1), text.to_uppercase());
        }
        for text in ["", "A", "1", "A0", "XFE1", "A1048577", "AAAA1", "A1B", "Ä1"] {
            assert_eq!(parse_cell(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn areas_are_read() {
        let area = Area::parse("$B$4:C9").unwrap();
        assert_eq!((area.first_row, area.last_row, area.first_column, area.last_column), (3, 8, 1, 2));
        assert_eq!(Area::parse("A:C").unwrap().last_row, ROWS_MAX - 1);
        assert_eq!(Area::parse("2:5").unwrap().last_column, COLUMNS_MAX - 1);
        assert_eq!(Area::parse("B4").unwrap(), Area::parse("B4:B4").unwrap());
        for text in ["", ":", "C9:B4", "A:5", "B4:", "1:A1", "hello"] {
            assert_eq!(Area::parse(text), None, "{text}");
        }
    }
}
