//! Record batches into an xlsx sheet.
//!
//! A cell holds a number of 53 bits, a truth value, or a text of 32,767 characters; dates and times are numbers with a
//! format and go to the millisecond. What a cell cannot hold exactly is written as text, and what a sheet cannot hold is an
//! error: nothing is rounded and nothing is cut. Rows go to a temporary file as they come.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Float64Type, Int64Type, Schema, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use velaria_contract::{Error, ErrorCode, Result};

use super::reference::{COLUMNS_MAX, ROWS_MAX, cell_name};
use super::serial::serial_of;

const DAY_MS: i64 = 86_400_000;
/// From here on a float may stand for several integers.
const EXACT_MAX: u64 = 1 << 53;

/// Writes one sheet.
pub struct ExcelWriter {
    workbook: Workbook,
    formats: Formats,
    columns: Vec<String>,
    row: u32,
}

impl std::fmt::Debug for ExcelWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExcelWriter").field("columns", &self.columns).field("row", &self.row).finish_non_exhaustive()
    }
}

struct Formats {
    date: Format,
    moment: Format,
    time: Format,
    duration: Format,
}

impl ExcelWriter {
    /// A sheet that begins with the names of the columns.
    ///
    /// # Errors
    /// `VEL-3001` for more columns than a sheet has, `VEL-6003` when there is no room for temporary files.
    pub fn new(schema: &Schema) -> Result<Self> {
        let mut writer = Self::without_header(schema)?;
        writer.write_header()?;
        Ok(writer)
    }

    /// A sheet that begins with the first row.
    ///
    /// # Errors
    /// Those of [`ExcelWriter::new`].
    pub fn without_header(schema: &Schema) -> Result<Self> {
        let columns: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        if columns.len() > COLUMNS_MAX as usize {
            return Err(too_large(format!("a sheet has at most {COLUMNS_MAX} columns, and not {}", columns.len())));
        }
        let mut workbook = Workbook::new();
        workbook.add_worksheet_with_constant_memory().map_err(failed)?;
        let format = |code: &str| Format::new().set_num_format(code);
        let formats = Formats {
            date: format("yyyy-mm-dd"),
            moment: format("yyyy-mm-dd hh:mm:ss"),
            time: format("hh:mm:ss"),
            duration: format("[hh]:mm:ss"),
        };
        Ok(Self { workbook, formats, columns, row: 0 })
    }

    fn write_header(&mut self) -> Result<()> {
        let sheet = self.workbook.worksheet_from_index(0).map_err(failed)?;
        for (column, name) in self.columns.iter().enumerate() {
            text(sheet, 0, column_number(column), name)?;
        }
        self.row = 1;
        Ok(())
    }

    /// Writes the rows of a batch with the columns of the schema.
    ///
    /// # Errors
    /// `VEL-3001` for more rows than a sheet has or a text that is too long for a cell, `VEL-6003` when there is no room.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        if rows > ROWS_MAX - self.row {
            return Err(too_large(format!("a sheet has at most {ROWS_MAX} rows, its header included")));
        }
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| Cells::new(column, &options)).collect::<Result<Vec<_>>>()?;
        let sheet = self.workbook.worksheet_from_index(0).map_err(failed)?;
        for row in 0..batch.num_rows() {
            for (column, cells) in columns.iter().enumerate() {
                cells.write(sheet, &self.formats, row, (self.row, column_number(column)))?;
            }
            self.row += 1;
        }
        Ok(())
    }

    /// Writes the workbook.
    ///
    /// # Errors
    /// `VEL-6003` when `out` cannot be written.
    pub fn finish(mut self, out: impl Write + Send) -> Result<()> {
        self.workbook.save_to_writer(out).map_err(failed)
    }
}

/// A column in one of the forms that cells have.
enum Cells<'a> {
    Bool(ArrayRef),
    Int(ArrayRef),
    Float(ArrayRef),
    Date(ArrayRef, ArrayFormatter<'a>),
    /// Microseconds, whether there may be more digits, and the texts for what a cell cannot hold.
    Moment(ArrayRef, &'a ArrayRef, ArrayFormatter<'a>),
    Time(ArrayRef, ArrayFormatter<'a>),
    Duration(ArrayRef, &'a ArrayRef, ArrayFormatter<'a>),
    Text(&'a ArrayRef, ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    fn new(column: &'a ArrayRef, options: &'a FormatOptions<'a>) -> Result<Self> {
        let shown = || ArrayFormatter::try_new(column, options).map_err(unsupported);
        let to = |data_type: &DataType| cast(column, data_type).map_err(unsupported);
        let micros = TimeUnit::Microsecond;
        Ok(match column.data_type() {
            DataType::Boolean => Self::Bool(ArrayRef::clone(column)),
            data_type if data_type.is_signed_integer() => Self::Int(to(&DataType::Int64)?),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Self::Int(to(&DataType::Int64)?),
            DataType::Float16 | DataType::Float32 => {
                // By way of their digits: 0.1 stays 0.1.
                Self::Float(cast(&to(&DataType::Utf8)?, &DataType::Float64).map_err(unsupported)?)
            }
            DataType::Float64 => Self::Float(ArrayRef::clone(column)),
            DataType::Date32 => Self::Date(ArrayRef::clone(column), shown()?),
            DataType::Timestamp(_, None) => Self::Moment(to(&DataType::Timestamp(micros, None))?, column, shown()?),
            DataType::Time32(_) | DataType::Time64(_) => {
                Self::Time(to(&DataType::Time64(TimeUnit::Nanosecond))?, shown()?)
            }
            DataType::Duration(_) => Self::Duration(to(&DataType::Duration(micros))?, column, shown()?),
            _ => Self::Text(column, shown()?),
        })
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Bool(array) | Self::Int(array) | Self::Float(array) | Self::Date(array, _) | Self::Time(array, _) => {
                array
            }
            Self::Moment(_, array, _) | Self::Duration(_, array, _) | Self::Text(array, _) => *array,
        }
    }

    fn write(&self, sheet: &mut Worksheet, formats: &Formats, row: usize, place: (u32, u16)) -> Result<()> {
        if self.array().is_null(row) {
            return Ok(());
        }
        let serial =
            |sheet: &mut Worksheet, serial: Option<f64>, format: &Format, shown: &ArrayFormatter<'_>| match serial {
                Some(serial) => {
                    sheet.write_number_with_format(place.0, place.1, serial, format).map(|_| ()).map_err(failed)
                }
                None => text(sheet, place.0, place.1, &shown.value(row).to_string()),
            };
        match self {
            Self::Bool(array) => {
                sheet.write_boolean(place.0, place.1, array.as_boolean().value(row)).map(|_| ()).map_err(failed)
            }
            Self::Int(array) => integer(sheet, place, array.as_primitive::<Int64Type>().value(row)),
            Self::Float(array) => float(sheet, place, array.as_primitive::<Float64Type>().value(row)),
            Self::Date(array, shown) => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row));
                serial(sheet, serial_of(days * DAY_MS), &formats.date, shown)
            }
            Self::Moment(array, given, shown) => {
                let ms = whole_ms(array.as_primitive::<TimestampMicrosecondType>().value(row), given, row);
                serial(sheet, ms.and_then(serial_of), &formats.moment, shown)
            }
            Self::Time(array, shown) => {
                let nanos = array.as_primitive::<Time64NanosecondType>().value(row);
                serial(sheet, (nanos % 1_000_000 == 0).then(|| days(nanos / 1_000_000)), &formats.time, shown)
            }
            Self::Duration(array, given, shown) => {
                let ms = whole_ms(array.as_primitive::<DurationMicrosecondType>().value(row), given, row);
                serial(sheet, ms.filter(|ms| ms.unsigned_abs() < EXACT_MAX / 1000).map(days), &formats.duration, shown)
            }
            Self::Text(_, shown) => text(sheet, place.0, place.1, &shown.value(row).to_string()),
        }
    }
}

/// The milliseconds of a moment that has no finer part.
fn whole_ms(micros: i64, given: &ArrayRef, row: usize) -> Option<i64> {
    let nanoseconds = matches!(
        given.data_type(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) | DataType::Duration(TimeUnit::Nanosecond)
    );
    let finer = nanoseconds
        && cast(&given.slice(row, 1), &DataType::Int64)
            .is_ok_and(|array| array.as_primitive::<Int64Type>().value(0) % 1_000_000 != 0);
    (!finer && micros % 1000 == 0).then_some(micros / 1000)
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 where it is exact")]
fn days(ms: i64) -> f64 {
    ms as f64 / 86_400_000.0
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 where it is exact")]
fn integer(sheet: &mut Worksheet, (row, column): (u32, u16), value: i64) -> Result<()> {
    if value.unsigned_abs() >= EXACT_MAX {
        return text(sheet, row, column, &value.to_string());
    }
    sheet.write_number(row, column, value as f64).map(|_| ()).map_err(failed)
}

fn float(sheet: &mut Worksheet, (row, column): (u32, u16), value: f64) -> Result<()> {
    if !value.is_finite() {
        return text(sheet, row, column, &value.to_string());
    }
    sheet.write_number(row, column, value).map(|_| ()).map_err(failed)
}

fn text(sheet: &mut Worksheet, row: u32, column: u16, value: &str) -> Result<()> {
    match sheet.write_string(row, column, value) {
        Ok(_) => Ok(()),
        Err(XlsxError::MaxStringLengthExceeded) => Err(Error::new(
            ErrorCode::Unsupported,
            format!("cell {}: a text of {} characters", cell_name(row, u32::from(column)), value.chars().count()),
        )
        .with_hint("a cell holds at most 32,767 characters; write csv or parquet instead")),
        Err(error) => Err(failed(error)),
    }
}

fn column_number(column: usize) -> u16 {
    u16::try_from(column).unwrap_or(u16::MAX)
}

fn too_large(message: String) -> Error {
    Error::new(ErrorCode::Unsupported, message).with_hint("write csv or parquet instead")
}

fn unsupported(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorCode::Unsupported, "cannot write this column into a workbook").with_source(error)
}

fn failed(error: XlsxError) -> Error {
    Error::new(ErrorCode::Io, "cannot write the workbook").with_hint(error.to_string()).with_source(error)
}
