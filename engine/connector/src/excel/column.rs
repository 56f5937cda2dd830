//! The cells of a column to an Arrow array, of the one type that all of them have.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array, StringArray,
    StringBuilder, StringViewArray, StringViewBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use chrono::{DateTime, NaiveDateTime};
use velaria_contract::{Error, ErrorCode, Result};

use super::cell::{Column, Grid, Kind};
use super::options::{ExcelOptions, OnError};
use super::reference::cell_name;

const DAY_MS: i64 = 86_400_000;

/// How many cells of each kind there are.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Kinds([usize; 13]);

impl Kinds {
    fn of(kinds: &[Kind]) -> Self {
        let mut counts = [0; 13];
        kinds.iter().for_each(|kind| counts[*kind as usize] += 1);
        Self(counts)
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.0[kind as usize]
    }

    /// Whether there are such cells, and of other values at most those of `also`.
    fn are(&self, kind: Kind, also: &[Kind]) -> bool {
        let values = [
            Kind::Int,
            Kind::Float,
            Kind::Bool,
            Kind::Text,
            Kind::Date,
            Kind::DateTime,
            Kind::Time,
            Kind::Duration,
            Kind::BigInt,
        ];
        self.count(kind) > 0
            && values.iter().all(|other| *other == kind || also.contains(other) || self.count(*other) == 0)
    }

    fn values(&self) -> usize {
        self.0.iter().sum::<usize>()
            - [Kind::Blank, Kind::Error, Kind::NoValue, Kind::Empty].iter().map(|kind| self.count(*kind)).sum::<usize>()
    }
}

/// An array, and what there is to say about it.
pub(super) struct Built {
    pub(super) array: ArrayRef,
    pub(super) kinds: Kinds,
    pub(super) note: Option<String>,
}

/// The array of the column at `place`, from `first` to `end`.
pub(super) fn build(
    grid: &mut Grid,
    (place, name): (usize, &str),
    (first, end): (usize, usize),
    options: &ExcelOptions,
) -> Result<Built> {
    let mut column = std::mem::take(&mut grid.columns[place]);
    column.kinds.resize(end, Kind::Blank);
    column.values.resize(end, 0);
    let cells = Cells { grid, column, place, name, first, options };
    let kinds = Kinds::of(cells.kinds());
    if kinds.count(Kind::Error) > 0 && options.errors == OnError::Raise {
        return Err(cells.error_cell());
    }
    let wanted = options.types.iter().find(|(own, _)| own == name).map(|(_, data_type)| data_type);
    if let Some(data_type) = wanted {
        return Ok(Built { array: cells.cast(data_type)?, kinds, note: None });
    }
    let (array, note) = cells.infer(kinds);
    Ok(Built { array, kinds, note })
}

struct Cells<'a> {
    grid: &'a Grid,
    column: Column,
    place: usize,
    name: &'a str,
    first: usize,
    options: &'a ExcelOptions,
}

impl Cells<'_> {
    fn kinds(&self) -> &[Kind] {
        &self.column.kinds[self.first..]
    }

    fn values(&self) -> &[i64] {
        &self.column.values[self.first..]
    }

    fn infer(self, kinds: Kinds) -> (ArrayRef, Option<String>) {
        let errors_are_text = kinds.count(Kind::Error) > 0 && self.options.errors == OnError::Text;
        if self.options.all_text || errors_are_text {
            return (self.shown(), None);
        }
        if kinds.are(Kind::Text, &[]) || kinds.values() == 0 {
            return (self.texts(), None);
        }
        if kinds.are(Kind::Float, &[Kind::Int, Kind::BigInt]) && self.are_floats(kinds) {
            return (self.floats(), None);
        }
        if kinds.are(Kind::Int, &[]) {
            return (self.integers(), None);
        }
        if kinds.are(Kind::Bool, &[]) {
            let values: BooleanBuffer = self.values().iter().map(|value| *value != 0).collect();
            return (Arc::new(BooleanArray::new(values, self.nulls())), None);
        }
        if kinds.are(Kind::Date, &[]) || kinds.are(Kind::DateTime, &[Kind::Date]) {
            return self.dates(kinds);
        }
        let micros =
            |cells: &Self| cells.values().iter().map(|ms| ms.saturating_mul(1000)).collect::<ScalarBuffer<i64>>();
        if kinds.are(Kind::Time, &[]) {
            return (Arc::new(Time64MicrosecondArray::new(micros(&self), self.nulls())), None);
        }
        if kinds.are(Kind::Duration, &[Kind::Time]) {
            return (Arc::new(DurationMicrosecondArray::new(micros(&self), self.nulls())), None);
        }
        let note = if kinds.are(Kind::BigInt, &[Kind::Int]) {
            format!("column {} has integers beyond 2^53, which are kept as text", self.name)
        } else {
            format!("column {} has values of several types, which are kept as text", self.name)
        };
        (self.shown(), Some(note))
    }

    fn nulls(&self) -> Option<NullBuffer> {
        self.nulls_but(&[])
    }

    /// Which cells are no values; those of `also` are.
    fn nulls_but(&self, also: &[Kind]) -> Option<NullBuffer> {
        let none = [Kind::Blank, Kind::Error, Kind::NoValue, Kind::Empty];
        let valid = |kind: &Kind| also.contains(kind) || !none.contains(kind);
        let kinds = self.kinds();
        (!kinds.iter().all(valid))
            .then(|| NullBuffer::from(BooleanBuffer::collect_bool(kinds.len(), |row| valid(&kinds[row]))))
    }

    /// Whether every large integer is what a float is written as: among floats it is one.
    fn are_floats(&self, kinds: Kinds) -> bool {
        let exact = |text: &str| text.parse::<f64>().is_ok_and(|value| value.to_string() == text);
        kinds.count(Kind::BigInt) == 0
            || self
                .kinds()
                .iter()
                .zip(self.values())
                .all(|(kind, value)| *kind != Kind::BigInt || exact(&self.grid.texts.get(*value)))
    }

    fn integers(self) -> ArrayRef {
        let nulls = self.nulls();
        let length = self.kinds().len();
        let values = ScalarBuffer::from(self.column.values).slice(self.first, length);
        Arc::new(Int64Array::new(values, nulls))
    }

    #[expect(clippy::cast_precision_loss, reason = "integers of this kind have at most 53 bits")]
    fn floats(&self) -> ArrayRef {
        let value = |(kind, value): (&Kind, &i64)| match kind {
            Kind::Int => *value as f64,
            Kind::BigInt => self.grid.texts.get(*value).parse().unwrap_or(f64::NAN),
            _ => f64::from_bits(value.cast_unsigned()),
        };
        let values: Vec<f64> = self.kinds().iter().zip(self.values()).map(value).collect();
        Arc::new(Float64Array::new(values.into(), self.nulls()))
    }

    fn texts(&self) -> ArrayRef {
        let view = |(kind, value): (&Kind, &i64)| match kind {
            Kind::Text => self.grid.texts.view(*value),
            _ => 0,
        };
        let views: Vec<u128> = self.kinds().iter().zip(self.values()).map(view).collect();
        match StringViewArray::try_new(views.into(), self.grid.texts.blocks(), self.nulls_but(&[Kind::Empty])) {
            Ok(array) => Arc::new(array),
            // Not for texts that were checked when they were read; the slow way makes no assumption.
            Err(_) => self.shown(),
        }
    }

    /// Dates, or dates with times when there are some; texts when a format was given.
    fn dates(&self, kinds: Kinds) -> (ArrayRef, Option<String>) {
        if let Some(format) = &self.options.date_format {
            let times =
                self.kinds().iter().zip(self.values()).any(|(kind, ms)| *kind == Kind::DateTime && ms % DAY_MS != 0);
            let kept = ["%H", "%I", "%T", "%X", "%c", "%R", "%r", "%s", "%+"].iter().any(|item| format.contains(item));
            let note =
                (times && !kept).then(|| format!("column {} has times of day, which date_format drops", self.name));
            return (self.formatted(format), note);
        }
        if kinds.count(Kind::DateTime) == 0 {
            let days: ScalarBuffer<i32> =
                self.values().iter().map(|days| i32::try_from(*days).unwrap_or_default()).collect();
            return (Arc::new(Date32Array::new(days, self.nulls())), None);
        }
        let micros: ScalarBuffer<i64> = self.moments().map(|ms| ms.saturating_mul(1000)).collect();
        (Arc::new(TimestampMicrosecondArray::new(micros, self.nulls())), None)
    }

    /// Milliseconds since 1970.
    fn moments(&self) -> impl Iterator<Item = i64> {
        self.kinds().iter().zip(self.values()).map(|(kind, value)| match kind {
            Kind::Date => value.saturating_mul(DAY_MS),
            _ => *value,
        })
    }

    fn formatted(&self, format: &str) -> ArrayRef {
        use std::fmt::Write;
        let mut builder = StringBuilder::new();
        for (kind, ms) in self.kinds().iter().zip(self.moments()) {
            let moment =
                DateTime::from_timestamp_millis(ms).map(|moment: DateTime<_>| -> NaiveDateTime { moment.naive_utc() });
            match (kind, moment) {
                (Kind::Date | Kind::DateTime, Some(moment)) => {
                    // Writing to text cannot fail: the format was checked.
                    let _ = write!(builder, "{}", moment.format(format));
                    builder.append_value("");
                }
                _ => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }

    /// What the cells show, as text.
    fn shown(&self) -> ArrayRef {
        let mut builder = StringViewBuilder::with_capacity(self.kinds().len());
        self.show_each(|text| builder.append_option(text));
        Arc::new(builder.finish())
    }

    fn show_each(&self, mut each: impl FnMut(Option<&str>)) {
        let mut text = String::new();
        for (kind, value) in self.kinds().iter().zip(self.values()) {
            match kind {
                Kind::Blank | Kind::NoValue => each(None),
                Kind::Error if self.options.errors != OnError::Text => each(None),
                _ => {
                    text.clear();
                    self.grid.show((*kind, *value), &mut text);
                    each(Some(&text));
                }
            }
        }
    }

    /// The column as the type that was asked for. It is read from what the cells show, so that nothing is rounded on the
    /// way.
    fn cast(&self, data_type: &DataType) -> Result<ArrayRef> {
        if matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return Ok(self.shown());
        }
        let mut builder = StringBuilder::new();
        self.show_each(|text| builder.append_option(text.filter(|text| !text.is_empty()).map(str::trim)));
        let texts: StringArray = builder.finish();
        let array = cast_with_options(&texts, data_type, &CastOptions::default()).map_err(|error| {
            Error::new(ErrorCode::Unsupported, format!("cannot read column {} as {data_type}", self.name))
                .with_source(error)
        })?;
        match (0..texts.len()).find(|row| array.is_null(*row) && texts.is_valid(*row)) {
            None => Ok(array),
            Some(row) => Err(self.wrong_type(row, texts.value(row), data_type)),
        }
    }

    fn wrong_type(&self, row: usize, text: &str, data_type: &DataType) -> Error {
        const SHOWN_CHARS: usize = 40;
        let excerpt: String = text.chars().take(SHOWN_CHARS).collect();
        let message = format!("{}: cannot read '{excerpt}' in column {} as {data_type}", self.cell(row), self.name);
        Error::new(ErrorCode::Cast, message).with_hint("give the column another type, or leave its type to the reader")
    }

    fn error_cell(&self) -> Error {
        let row = self.kinds().iter().position(|kind| *kind == Kind::Error).unwrap_or(0);
        let mut text = String::new();
        self.grid.show((Kind::Error, self.values()[row]), &mut text);
        Error::new(ErrorCode::InvalidValue, format!("{}: the cell has the error {text}", self.cell(row)))
            .with_hint("errors=null reads errors as NULL, errors=text as text")
    }

    fn cell(&self, row: usize) -> String {
        let row = u32::try_from(row + self.first).unwrap_or(0) + self.grid.area.first_row;
        cell_name(row, u32::try_from(self.place).unwrap_or(0) + self.grid.area.first_column)
    }
}
