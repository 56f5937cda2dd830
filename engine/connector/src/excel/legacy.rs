//! The other formats of workbooks, xls, xlsb and ods, by calamine.
//!
//! calamine trusts what a file claims in some places, so claims are checked here first where that can be done; what it
//! does not tell is left out: it does not tell a date from a midnight, nor a formula without a value from an empty cell.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use calamine::{DataType, Ods, OdsError, Range, Reader, SheetType, SheetVisible, Xls, XlsError, Xlsb, XlsbError};
use velaria_contract::{Error, ErrorCode, Result};

use super::cell::{Grid, Kind, number};
use super::number_format::Class;
use super::package::Package;
use super::reference::{Area, COLUMNS_MAX, ROWS_MAX};
use super::serial::Epoch;
use super::sheet::{float, iso_value};
use super::xml::Event;

type Input = BufReader<File>;

/// An open workbook.
pub(super) enum Legacy {
    Xls(Box<Xls<Input>>),
    Xlsb(Box<Xlsb<Input>>),
    Ods(Box<Ods<Input>>),
}

impl Legacy {
    pub(super) fn xls(file: File, path: &Path) -> Result<Self> {
        let book = Xls::new(BufReader::new(file)).map_err(|error| match error {
            XlsError::Password => encrypted(path),
            error => damaged(path, error),
        })?;
        Ok(Self::Xls(Box::new(book)))
    }

    pub(super) fn xlsb(file: File, path: &Path) -> Result<Self> {
        let book = Xlsb::new(BufReader::new(file)).map_err(|error| match error {
            XlsbError::Password => encrypted(path),
            error => damaged(path, error),
        })?;
        Ok(Self::Xlsb(Box::new(book)))
    }

    pub(super) fn ods(file: File, path: &Path, package: &mut Package, cells_max: u64) -> Result<Self> {
        check_repeats(package, cells_max)?;
        let book = Ods::new(BufReader::new(file)).map_err(|error| match error {
            OdsError::Password => encrypted(path),
            error => damaged(path, error),
        })?;
        Ok(Self::Ods(Box::new(book)))
    }

    /// The names of the sheets with cells, and whether they are hidden.
    pub(super) fn sheets(&self) -> Vec<(String, bool)> {
        let sheets = match self {
            Self::Xls(book) => book.sheets_metadata(),
            Self::Xlsb(book) => book.sheets_metadata(),
            Self::Ods(book) => book.sheets_metadata(),
        };
        let cells = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
        cells.map(|sheet| (sheet.name.clone(), sheet.visible != SheetVisible::Visible)).collect()
    }

    /// Reads a sheet: cells into `grid`, and the merged areas.
    pub(super) fn read(&mut self, path: &Path, name: &str, grid: &mut Grid) -> Result<Vec<Area>> {
        match self {
            Self::Xls(book) => {
                let mut cells = Cells { grid, epoch: epoch(book.has_1904_epoch()), texts: HashMap::new() };
                let range = book.worksheet_range(name).map_err(|error| damaged(path, error))?;
                cells.put_range(&range)?;
                let area = |place: calamine::Dimensions| Area {
                    first_row: place.start.0,
                    last_row: place.end.0,
                    first_column: place.start.1,
                    last_column: place.end.1,
                };
                let merged = book.merge_cells_by_sheet_name(name).map_err(|error| damaged(path, error))?;
                Ok(merged.into_iter().map(area).collect())
            }
            Self::Xlsb(book) => {
                let mut cells = Cells { grid, epoch: epoch(book.has_1904_epoch()), texts: HashMap::new() };
                let mut reader = book.worksheet_cells_reader(name).map_err(|error| damaged(path, error))?;
                while let Some(cell) = reader.next_cell().map_err(|error| damaged(path, error))? {
                    let (row, column) = cell.get_position();
                    cells.put(row, column, cell.get_value())?;
                }
                Ok(Vec::new())
            }
            Self::Ods(book) => {
                let mut cells = Cells { grid, epoch: Epoch::Year1900, texts: HashMap::new() };
                let range = book.worksheet_range(name).map_err(|error| damaged(path, error))?;
                cells.put_range(&range)?;
                Ok(Vec::new())
            }
        }
    }
}

struct Cells<'a> {
    grid: &'a mut Grid,
    epoch: Epoch,
    /// The numbers of the texts that are known already.
    texts: HashMap<String, i64>,
}

impl Cells<'_> {
    fn put_range<T: DataType + calamine::CellType>(&mut self, range: &Range<T>) -> Result<()> {
        let Some((first_row, first_column)) = range.start() else { return Ok(()) };
        for (row, column, value) in range.used_cells() {
            let place = |first: u32, at: usize| u32::try_from(at).unwrap_or(u32::MAX).saturating_add(first);
            self.put(place(first_row, row), place(first_column, column), value)?;
        }
        Ok(())
    }

    fn put(&mut self, row: u32, column: u32, value: &impl DataType) -> Result<()> {
        if row >= ROWS_MAX || column >= COLUMNS_MAX {
            let message = "has more rows or columns than a sheet can have";
            return Err(Error::new(ErrorCode::MalformedFile, message));
        }
        if !self.grid.area.contains(row, column) {
            return Ok(());
        }
        match self.value(value)? {
            (Kind::Blank, _) => Ok(()),
            cell => self.grid.put(row, column, cell),
        }
    }

    fn value(&mut self, value: &impl DataType) -> Result<(Kind, i64)> {
        if let Some(moment) = value.get_datetime() {
            let serial = moment.as_f64();
            let class = if moment.is_duration() {
                Class::Duration
            } else if serial.fract() == 0.0 {
                Class::Date
            } else {
                Class::DateTime
            };
            return float(serial, class, self.epoch, self.grid);
        }
        if let Some(text) = value.get_datetime_iso().or_else(|| value.get_duration_iso()) {
            return iso_value(text, self.grid);
        }
        if let Some(text) = value.get_string() {
            return if text.is_empty() { Ok((Kind::Empty, 0)) } else { Ok((Kind::Text, self.text(text)?)) };
        }
        if let Some(value) = value.get_bool() {
            return Ok((Kind::Bool, i64::from(value)));
        }
        if let Some(error) = value.get_error() {
            return Ok((Kind::Error, self.text(&error.to_string())?));
        }
        if let Some(value) = value.get_int() {
            return if value.unsigned_abs() < 1 << 53 {
                Ok((Kind::Int, value))
            } else {
                Ok((Kind::BigInt, self.text(&value.to_string())?))
            };
        }
        Ok(value.get_float().map_or((Kind::Blank, 0), number))
    }

    fn text(&mut self, text: &str) -> Result<i64> {
        if let Some(number) = self.texts.get(text) {
            return Ok(*number);
        }
        let number = self.grid.texts.push(text)?;
        self.texts.insert(text.to_owned(), number);
        Ok(number)
    }
}

fn epoch(is_1904: bool) -> Epoch {
    if is_1904 { Epoch::Year1904 } else { Epoch::Year1900 }
}

/// Refuses an ods whose cells are repeated to more than `cells_max`: they would all be made.
fn check_repeats(package: &mut Package, cells_max: u64) -> Result<()> {
    let mut xml = package.required("content.xml")?;
    let (mut rows, mut cells, mut total) = (1_u64, 0_u64, 0_u64);
    loop {
        match xml.next()? {
            Event::Open { name: b"table-row", attributes, .. } => {
                (rows, cells) = (attributes.number(b"number-rows-repeated").unwrap_or(1), 0);
            }
            Event::Open { name: b"table-cell", attributes, .. } => {
                let repeated = attributes.number::<u64>(b"number-columns-repeated").unwrap_or(1);
                let blank = attributes.value(b"value-type").is_none() && attributes.value(b"formula").is_none();
                cells = cells.saturating_add(if blank { 0 } else { repeated });
            }
            Event::Close(b"table-row") => {
                total = total.saturating_add(rows.saturating_mul(cells));
                if total > cells_max {
                    return Err(xml.malformed("has more cells than are read").with_hint("allow more with max_cells"));
                }
            }
            Event::End => return Ok(()),
            Event::Open { .. } | Event::Close(_) | Event::Text(_) | Event::Raw(_) => {}
        }
    }
}

/// The error for a workbook with a password.
pub(super) fn encrypted(path: &Path) -> Error {
    Error::new(ErrorCode::Unsupported, format!("{}: the workbook is encrypted", path.display()))
        .with_hint("save it without a password first")
}

fn damaged(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorCode::MalformedFile, format!("{}: the workbook is damaged", path.display()))
        .with_hint(error.to_string())
        .with_source(error)
}
