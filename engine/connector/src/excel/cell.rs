//! The cells of a sheet, by column: a kind and 64 bits each.
//!
//! The type of a column is known when its last cell was read. Until then a cell is its kind and a number: the value
//! itself, or that of a text among all texts of the workbook. Texts are kept once, in the form in which Arrow takes
//! them, so that a column of text is made by looking up 16 bytes a cell.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::make_view;
use arrow::buffer::Buffer;
use velaria_contract::{Error, ErrorCode, Result};

use super::reference::Area;

/// What a cell holds, and what its number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Nothing.
    Blank,
    /// A whole number below 2^53.
    Int,
    /// The bits of a number.
    Float,
    /// 0 or 1.
    Bool,
    /// A text.
    Text,
    /// Days since 1970.
    Date,
    /// Milliseconds since 1970.
    DateTime,
    /// Milliseconds since midnight.
    Time,
    /// Milliseconds.
    Duration,
    /// The text of a whole number of more than 53 bits.
    BigInt,
    /// The text of an error.
    Error,
    /// A formula that was never computed.
    NoValue,
    /// A text of no characters: nothing among values, and a text among texts.
    Empty,
}

impl Kind {
    /// Whether a cell shows nothing, so that it makes a sheet no larger.
    pub(super) fn is_blank(self) -> bool {
        matches!(self, Self::Blank | Self::Empty)
    }
}

/// From here on a float may stand for several integers.
const EXACT_MAX: i64 = 1 << 53;

/// The cell that a number is.
pub(super) fn number(value: f64) -> (Kind, i64) {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
    if value.fract() == 0.0 && value.abs() < EXACT_MAX as f64 && !(value == 0.0 && value.is_sign_negative()) {
        return (Kind::Int, value as i64);
    }
    (Kind::Float, value.to_bits().cast_signed())
}

/// Texts, and the views by which Arrow finds them.
#[derive(Debug, Default)]
pub(super) struct TextBlock {
    bytes: Vec<u8>,
    views: Vec<u128>,
}

impl TextBlock {
    /// Up to this length a view holds the text itself.
    const INLINE_BYTES: usize = 12;

    fn push(&mut self, text: &str, block: u32) -> Result<usize> {
        let offset = u32::try_from(self.bytes.len())
            .map_err(|_| Error::new(ErrorCode::MalformedFile, "the texts of the workbook are larger than 4 GiB"))?;
        if text.len() > Self::INLINE_BYTES {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self.views.push(make_view(text.as_bytes(), block, offset));
        Ok(self.views.len() - 1)
    }

    /// Adds a text that all sheets share.
    pub(super) fn push_shared(&mut self, text: &str) -> Result<()> {
        self.push(text, 0).map(|_| ())
    }
}

/// A block of texts that is complete.
#[derive(Debug)]
pub(super) struct SharedTexts {
    bytes: Buffer,
    views: Vec<u128>,
}

impl From<TextBlock> for SharedTexts {
    fn from(block: TextBlock) -> Self {
        Self { bytes: Buffer::from_vec(block.bytes), views: block.views }
    }
}

/// The texts of a sheet: those of its workbook first, then its own.
#[derive(Debug)]
pub(super) struct Texts {
    shared: Arc<SharedTexts>,
    own: TextBlock,
    /// The bytes of `own` once no text is added any more.
    sealed: Buffer,
}

impl Texts {
    pub(super) fn new(shared: Arc<SharedTexts>) -> Self {
        Self { shared, own: TextBlock::default(), sealed: Buffer::default() }
    }

    /// The number of texts that all sheets share.
    pub(super) fn shared_len(&self) -> usize {
        self.shared.views.len()
    }

    /// Adds a text and gives its number.
    pub(super) fn push(&mut self, text: &str) -> Result<i64> {
        let number = self.shared.views.len() + self.own.push(text, 1)?;
        i64::try_from(number).map_err(|_| Error::new(ErrorCode::MalformedFile, "too many texts"))
    }

    /// Ends adding; texts can be read from now on.
    pub(super) fn seal(&mut self) {
        self.sealed = Buffer::from_vec(std::mem::take(&mut self.own.bytes));
    }

    /// The view of a text.
    pub(super) fn view(&self, number: i64) -> u128 {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let own = || self.own.views.get(number.checked_sub(self.shared.views.len())?);
        self.shared.views.get(number).or_else(own).copied().unwrap_or_default()
    }

    /// A text.
    pub(super) fn get(&self, number: i64) -> Cow<'_, str> {
        let view = self.view(number).to_le_bytes();
        let word = |at: usize| u32::from_le_bytes([view[at], view[at + 1], view[at + 2], view[at + 3]]) as usize;
        let length = word(0);
        if length <= TextBlock::INLINE_BYTES {
            return String::from_utf8_lossy(&view[4..4 + length]).into_owned().into();
        }
        let block = if word(8) == 0 { &self.shared.bytes } else { &self.sealed };
        String::from_utf8_lossy(&block[word(12)..word(12) + length])
    }

    /// The bytes that views point into, by block.
    pub(super) fn blocks(&self) -> Vec<Buffer> {
        vec![self.shared.bytes.clone(), self.sealed.clone()]
    }
}

/// The cells of one column, from the first row of the area on; what is behind the last is blank.
#[derive(Debug, Default)]
pub(super) struct Column {
    pub(super) kinds: Vec<Kind>,
    pub(super) values: Vec<i64>,
}

impl Column {
    pub(super) fn get(&self, row: usize) -> (Kind, i64) {
        match self.kinds.get(row) {
            Some(kind) => (*kind, self.values[row]),
            None => (Kind::Blank, 0),
        }
    }
}

/// The cells of an area of a sheet.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) area: Area,
    pub(super) columns: Vec<Column>,
    /// The number of rows up to the last one with a value.
    pub(super) rows: usize,
    pub(super) texts: Texts,
    cells_max: u64,
    columns_used: u64,
    rows_expected: usize,
}

impl Grid {
    pub(super) fn new(area: Area, shared: Arc<SharedTexts>, cells_max: u64) -> Self {
        let (columns, texts) = (Vec::new(), Texts::new(shared));
        Self { area, columns, rows: 0, texts, cells_max, columns_used: 0, rows_expected: 0 }
    }

    /// Takes room for so many rows when a column begins. The number must be bounded by what was read.
    pub(super) fn expect_rows(&mut self, rows: usize) {
        self.rows_expected = rows;
    }

    /// Puts a cell in its place, which is inside the area.
    ///
    /// # Errors
    /// `VEL-5008` when the rectangle of used cells becomes too large.
    pub(super) fn put(&mut self, row: u32, column: u32, (kind, value): (Kind, i64)) -> Result<()> {
        let row = (row - self.area.first_row) as usize;
        let column = (column - self.area.first_column) as usize;
        let fits = self.columns.get(column).is_some_and(|column| !column.kinds.is_empty()) && row < self.rows;
        if !fits {
            self.make_room(row, column)?;
        }
        let column = &mut self.columns[column];
        if row >= column.kinds.len() {
            column.kinds.resize(row, Kind::Blank);
            column.values.resize(row, 0);
            column.kinds.push(kind);
            column.values.push(value);
        } else {
            column.kinds[row] = kind;
            column.values[row] = value;
        }
        Ok(())
    }

    /// Leaves out the rows at the end that show nothing.
    pub(super) fn trim(&mut self) {
        let shown = |column: &Column| column.kinds.iter().rposition(|kind| !kind.is_blank()).map_or(0, |last| last + 1);
        self.rows = self.columns.iter().map(shown).max().unwrap_or(0);
    }

    fn make_room(&mut self, row: usize, column: usize) -> Result<()> {
        if column >= self.columns.len() {
            self.columns.resize_with(column + 1, Column::default);
        }
        let first = self.columns[column].kinds.is_empty();
        self.columns_used += u64::from(first);
        self.rows = self.rows.max(row + 1);
        let cells = (self.rows as u64).saturating_mul(self.columns_used);
        if cells > self.cells_max {
            let message = format!("the used cells of the sheet span more than {} cells", self.cells_max);
            return Err(Error::new(ErrorCode::MalformedFile, message)
                .with_hint("read a part of it with range, or allow more with max_cells"));
        }
        if first {
            let expected = self.rows_expected.min(usize::try_from(self.cells_max / self.columns_used).unwrap_or(0));
            self.columns[column].kinds.reserve(expected);
            self.columns[column].values.reserve(expected);
        }
        Ok(())
    }

    /// Writes what a cell shows behind `out`. A blank cell shows nothing.
    pub(super) fn show(&self, (kind, value): (Kind, i64), out: &mut String) {
        let _ = match kind {
            Kind::Blank | Kind::NoValue | Kind::Empty => Ok(()),
            Kind::Int => write!(out, "{value}"),
            Kind::Float => show_float(f64::from_bits(value.cast_unsigned()), out),
            Kind::Bool => out.write_str(if value == 0 { "FALSE" } else { "TRUE" }),
            Kind::Text | Kind::BigInt | Kind::Error => out.write_str(&self.texts.get(value)),
            Kind::Date => show_date(value, out),
            Kind::DateTime => show_date(value.div_euclid(86_400_000), out)
                .and_then(|()| out.write_char(' '))
                .and_then(|()| show_time(value.rem_euclid(86_400_000), out)),
            Kind::Time => show_time(value, out),
            Kind::Duration => {
                let sign = if value < 0 { "-" } else { "" };
                out.write_str(sign).and_then(|()| show_time(value.saturating_abs(), out))
            }
        };
    }
}

fn show_float(value: f64, out: &mut String) -> std::fmt::Result {
    if value != 0.0 && !(1e-7..1e17).contains(&value.abs()) { write!(out, "{value:e}") } else { write!(out, "{value}") }
}

fn show_date(days: i64, out: &mut String) -> std::fmt::Result {
    let days = i32::try_from(days).unwrap_or(i32::MAX);
    match arrow::temporal_conversions::date32_to_datetime(days) {
        Some(date) => write!(out, "{}", date.date()),
        None => write!(out, "{days}"),
    }
}

/// Hours, minutes and seconds, with milliseconds when there are some.
pub(super) fn show_time(ms: i64, out: &mut String) -> std::fmt::Result {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    if ms == 0 { Ok(()) } else { write!(out, ".{ms:03}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(cells_max: u64) -> Grid {
        Grid::new(Area::WHOLE, Arc::new(TextBlock::default().into()), cells_max)
    }

    fn shown(cell: (Kind, i64)) -> String {
        let mut text = String::new();
        grid(100).show(cell, &mut text);
        text
    }

    #[test]
    fn cells_show_what_the_spreadsheet_shows() {
        assert_eq!(shown(number(7.0)), "7");
        assert_eq!(shown(number(-7.25)), "-7.25");
        assert_eq!(shown(number(1e20)), "1e20");
        assert_eq!(shown((Kind::Bool, 1)), "TRUE");
        assert_eq!(shown((Kind::Date, 19_905)), "2024-07-01");
        assert_eq!(shown((Kind::DateTime, 19_905 * 86_400_000 + 1)), "2024-07-01 00:00:00.001");
        assert_eq!(shown((Kind::Duration, -30 * 3_600_000)), "-30:00:00");
    }

    #[test]
    fn texts_are_kept_whole() {
        let given = ["", "short", "exactly12byt", "a longer text with ümläuts", "another long text"];
        let mut shared = TextBlock::default();
        given.iter().for_each(|text| shared.push_shared(text).unwrap());
        let mut texts = Texts::new(Arc::new(shared.into()));
        let own: Vec<i64> = given.iter().map(|text| texts.push(text).unwrap()).collect();
        texts.seal();
        for ((text, shared), own) in given.iter().zip(0..).zip(own) {
            assert_eq!((texts.get(shared), texts.get(own)), ((*text).into(), (*text).into()));
        }
    }

    #[test]
    fn a_far_away_cell_is_refused_before_its_rectangle_is_allocated() {
        let mut grid = grid(1_000_000);
        grid.put(0, 0, (Kind::Int, 1)).unwrap();
        grid.put(999_999, 0, (Kind::Int, 1)).unwrap();
        assert_eq!(grid.put(0, 16_383, (Kind::Int, 1)).unwrap_err().code(), ErrorCode::MalformedFile);
    }
}
