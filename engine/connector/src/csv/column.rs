//! Decodes one column of some records into an array.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Date32Array, Decimal128Array, FixedSizeListArray, Float32Array, Float64Array,
    Int64Array, StringArray, StringViewBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::error::ArrowError;

use super::dialect::DateOrder;
use super::record::Fields;
use super::structure::Index;
use super::value::{self, NumberStyle};
use velaria_vector::text as vector;

/// How the text of a column becomes values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Boolean,
    /// `canonical`: only numbers that keep their text.
    Integer {
        canonical: bool,
    },
    BigInteger,
    Float,
    Date(DateOrder),
    Timestamp {
        unit: TimeUnit,
        zoned: bool,
        order: DateOrder,
    },
    Time,
    Vector(i32),
    /// Text that Arrow casts.
    Cast(DataType),
}

impl Kind {
    /// The word of SQL for the type.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Text => "STRING".to_owned(),
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::Integer { .. } => "INT".to_owned(),
            Self::BigInteger => "DECIMAL(38,0)".to_owned(),
            Self::Float => "DOUBLE".to_owned(),
            Self::Date(_) => "DATE".to_owned(),
            Self::Timestamp { unit: TimeUnit::Nanosecond, zoned: false, .. } => "TIMESTAMP(9)".to_owned(),
            Self::Timestamp { zoned: false, .. } => "TIMESTAMP".to_owned(),
            Self::Timestamp { zoned: true, .. } => "TIMESTAMP WITH TIME ZONE".to_owned(),
            Self::Time => "TIME".to_owned(),
            Self::Vector(size) => format!("FLOAT[{size}]"),
            Self::Cast(data_type) => cast_word(data_type),
        }
    }

    /// How a column whose type was given is read.
    pub(crate) fn declared(data_type: &DataType, order: Option<DateOrder>) -> Self {
        let order = order.unwrap_or_default();
        match data_type {
            DataType::Utf8View => Self::Text,
            DataType::Boolean => Self::Boolean,
            DataType::Int64 => Self::Integer { canonical: false },
            DataType::Float64 => Self::Float,
            DataType::Date32 => Self::Date(order),
            DataType::Timestamp(unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond), zone) => {
                Self::Timestamp { unit: *unit, zoned: zone.is_some(), order }
            }
            DataType::FixedSizeList(item, size) if item.data_type() == &DataType::Float32 => Self::Vector(*size),
            other => Self::Cast(other.clone()),
        }
    }
}

/// The word of SQL for a type that Arrow casts to.
fn cast_word(data_type: &DataType) -> String {
    match data_type {
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("DECIMAL({precision},{scale})")
        }
        other => other.to_string().to_uppercase(),
    }
}

/// The text of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    /// Nothing, without quotes.
    Missing,
    /// The value.
    Plain(&'a str),
    /// The value, which stood in quotes.
    Quoted(&'a str),
    /// The value, which stood in quotes and has a quote in it that is doubled.
    Doubled(&'a str, u8),
}

/// Records with the same number of fields.
pub(crate) trait Records {
    fn rows(&self) -> usize;
    fn text(&self, row: usize, column: usize) -> Text<'_>;
}

/// Records as the index found them.
pub(crate) struct Regular<'a> {
    text: &'a str,
    index: &'a Index,
    columns: usize,
    quote: Option<u8>,
    /// Whether lines may end with a carriage return before the line feed.
    carriage_returns: bool,
}

impl<'a> Regular<'a> {
    pub(crate) fn new(
        text: &'a str,
        index: &'a Index,
        columns: usize,
        quote: Option<u8>,
        carriage_returns: bool,
    ) -> Self {
        Self { text, index, columns, quote: quote.filter(|_| index.has_quotes()), carriage_returns }
    }
}

impl Records for Regular<'_> {
    fn rows(&self) -> usize {
        self.index.rows()
    }

    #[inline(always)]
    fn text(&self, row: usize, column: usize) -> Text<'_> {
        let (start, mut end) = self.index.field(row * self.columns + column);
        let bytes = self.text.as_bytes();
        if self.carriage_returns
            && column + 1 == self.columns
            && end > start
            && bytes.get(end) == Some(&b'\n')
            && bytes.get(end - 1) == Some(&b'\r')
        {
            end -= 1;
        }
        if start >= end {
            return Text::Missing;
        }
        if let Some(quote) = self.quote
            && bytes.get(start) == Some(&quote)
        {
            let inner = self.text.get(start + 1..end - 1).unwrap_or_default();
            return match memchr::memchr(quote, inner.as_bytes()) {
                Some(_) => Text::Doubled(inner, quote),
                None => Text::Quoted(inner),
            };
        }
        self.text.get(start..end).map_or(Text::Missing, Text::Plain)
    }
}

/// Records that were split one by one.
pub(crate) struct Irregular<'a> {
    values: &'a str,
    fields: &'a Fields,
    columns: usize,
}

impl<'a> Irregular<'a> {
    pub(crate) fn new(values: &'a str, fields: &'a Fields, columns: usize) -> Self {
        Self { values, fields, columns }
    }
}

impl Records for Irregular<'_> {
    fn rows(&self) -> usize {
        self.fields.spans.len() / self.columns.max(1)
    }

    fn text(&self, row: usize, column: usize) -> Text<'_> {
        let Some(span) = self.fields.spans.get(row * self.columns + column) else { return Text::Missing };
        let text = self.values.get(span.start..span.end).unwrap_or_default();
        match (text.is_empty(), span.quoted) {
            (true, false) => Text::Missing,
            (_, true) => Text::Quoted(text),
            (false, false) => Text::Plain(text),
        }
    }
}

/// What the columns of a file have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    pub(crate) numbers: NumberStyle,
    /// The texts that stand for NULL when they are not quoted.
    pub(crate) nulls: Vec<String>,
}

/// The rows of a column whose text is no value of its type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Misfits {
    pub(crate) rows: Vec<usize>,
}

/// Decodes `column` of those `rows`, in order. A text that is no value of the type becomes NULL and a misfit.
///
/// # Errors
/// When Arrow cannot build the array.
pub(crate) fn decode<R: Records>(
    records: &R,
    column: usize,
    kind: &Kind,
    style: &Style,
    rows: impl Iterator<Item = usize> + Clone,
    misfits: &mut Misfits,
) -> Result<ArrayRef, ArrowError> {
    let mut cells = Cells { records, column, nulls: &style.nulls, misfits, scratch: String::new() };
    let numbers = style.numbers;
    let mut buffer = Vec::new();
    Ok(match kind {
        Kind::Text => cells.text(rows),
        Kind::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(rows.size_hint().0);
            cells.each(rows, |text| value::boolean(text.as_bytes()), |cell| builder.append_option(cell));
            Arc::new(builder.finish())
        }
        Kind::Integer { canonical } if numbers == NumberStyle::default() => {
            let canonical = *canonical;
            let (values, nulls) = cells.numbers(rows, |text| value::integer(text.as_bytes(), canonical));
            Arc::new(Int64Array::try_new(values.into(), nulls)?)
        }
        Kind::Integer { canonical } => {
            let read = |text: &str| value::styled_integer(text.as_bytes(), *canonical, numbers, &mut buffer);
            let (values, nulls) = cells.numbers(rows, read);
            Arc::new(Int64Array::try_new(values.into(), nulls)?)
        }
        Kind::BigInteger => {
            let (values, nulls) = cells.numbers(rows, |text| value::big_integer(text.as_bytes()));
            Arc::new(Decimal128Array::try_new(values.into(), nulls)?.with_precision_and_scale(38, 0)?)
        }
        Kind::Float if numbers == NumberStyle::default() => {
            let (values, nulls) = cells.numbers(rows, |text| value::float(text.as_bytes()));
            Arc::new(Float64Array::try_new(values.into(), nulls)?)
        }
        Kind::Float => {
            let (values, nulls) =
                cells.numbers(rows, |text| value::styled_float(text.as_bytes(), numbers, &mut buffer));
            Arc::new(Float64Array::try_new(values.into(), nulls)?)
        }
        Kind::Date(order) => {
            let (values, nulls) = cells.numbers(rows, |text| value::date(text.as_bytes(), *order));
            Arc::new(Date32Array::try_new(values.into(), nulls)?)
        }
        Kind::Time => {
            let read = |text: &str| {
                value::time(text.as_bytes()).filter(|time| time.digits <= 6).map(|time| time.nanoseconds / 1000)
            };
            let (values, nulls) = cells.numbers(rows, read);
            Arc::new(Time64MicrosecondArray::try_new(values.into(), nulls)?)
        }
        Kind::Timestamp { unit, zoned, order } => cells.timestamps(rows, *unit, *zoned, *order)?,
        Kind::Vector(size) => cells.vectors(rows, *size)?,
        Kind::Cast(data_type) => cells.cast(rows, data_type, numbers)?,
    })
}

struct Cells<'a, R> {
    records: &'a R,
    column: usize,
    nulls: &'a [String],
    misfits: &'a mut Misfits,
    scratch: String,
}

impl<R: Records> Cells<'_, R> {
    /// Calls `add` with the value of every row.
    #[inline(always)]
    fn each<T>(
        &mut self,
        rows: impl Iterator<Item = usize>,
        mut read: impl FnMut(&str) -> Option<T>,
        mut add: impl FnMut(Option<T>),
    ) {
        for row in rows {
            let text = match self.records.text(row, self.column) {
                Text::Missing => {
                    add(None);
                    continue;
                }
                Text::Plain(text) if !self.nulls.is_empty() && self.nulls.iter().any(|null| null == text) => {
                    add(None);
                    continue;
                }
                Text::Plain(text) => text,
                // Only a text can be empty and not NULL.
                Text::Quoted("") => {
                    add(None);
                    continue;
                }
                Text::Quoted(text) => text,
                Text::Doubled(text, quote) => undouble(text, quote, &mut self.scratch),
            };
            let value = read(text);
            if value.is_none() {
                self.misfits.rows.push(row);
            }
            add(value);
        }
    }

    #[inline(always)]
    fn numbers<T: Default>(
        &mut self,
        rows: impl Iterator<Item = usize>,
        read: impl FnMut(&str) -> Option<T>,
    ) -> (Vec<T>, Option<NullBuffer>) {
        let mut values = Vec::with_capacity(rows.size_hint().0);
        let mut missing: Vec<usize> = Vec::new();
        self.each(rows, read, |value| {
            if value.is_none() {
                missing.push(values.len());
            }
            values.push(value.unwrap_or_default());
        });
        let nulls = (!missing.is_empty()).then(|| {
            let mut valid = vec![true; values.len()];
            missing.iter().for_each(|row| valid[*row] = false);
            NullBuffer::from(valid)
        });
        (values, nulls)
    }

    fn text(&mut self, rows: impl Iterator<Item = usize>) -> ArrayRef {
        let mut builder = StringViewBuilder::with_capacity(rows.size_hint().0);
        for row in rows {
            match self.records.text(row, self.column) {
                Text::Missing => builder.append_null(),
                Text::Plain(text) if !self.nulls.is_empty() && self.nulls.iter().any(|null| null == text) => {
                    builder.append_null();
                }
                Text::Plain(text) | Text::Quoted(text) => builder.append_value(text),
                Text::Doubled(text, quote) => builder.append_value(undouble(text, quote, &mut self.scratch)),
            }
        }
        Arc::new(builder.finish())
    }

    fn timestamps(
        &mut self,
        rows: impl Iterator<Item = usize>,
        unit: TimeUnit,
        zoned: bool,
        order: DateOrder,
    ) -> Result<ArrayRef, ArrowError> {
        let read = |text: &str| {
            let instant = value::timestamp(text.as_bytes(), order)?;
            if instant.offset.is_some() != zoned {
                return None;
            }
            if unit == TimeUnit::Nanosecond { instant.nanoseconds() } else { instant.microseconds() }
        };
        let (values, nulls) = self.numbers(rows, read);
        let zone = zoned.then(|| Arc::<str>::from("UTC"));
        Ok(if unit == TimeUnit::Nanosecond {
            Arc::new(TimestampNanosecondArray::try_new(values.into(), nulls)?.with_timezone_opt(zone))
        } else {
            Arc::new(TimestampMicrosecondArray::try_new(values.into(), nulls)?.with_timezone_opt(zone))
        })
    }

    fn vectors(&mut self, rows: impl Iterator<Item = usize>, size: i32) -> Result<ArrayRef, ArrowError> {
        let width = usize::try_from(size).unwrap_or_default();
        let mut values: Vec<f32> = Vec::with_capacity(rows.size_hint().0 * width);
        let mut valid: Vec<bool> = Vec::with_capacity(rows.size_hint().0);
        let mut parsed: Vec<f32> = Vec::with_capacity(width);
        let read = |text: &str| {
            parsed.clear();
            let fits = vector::parse(text.as_bytes(), &mut parsed).is_ok_and(|dimensions| dimensions == width);
            fits.then(|| values.extend_from_slice(&parsed)).is_some().then_some(())
        };
        // `values` is written by `read`; the rows without a vector are filled in below.
        self.each(rows, read, |value| valid.push(value.is_some()));
        let values = spread(values, &valid, width);
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
        Ok(Arc::new(FixedSizeListArray::try_new(item, size, Arc::new(Float32Array::from(values)), nulls)?))
    }

    /// Text that Arrow casts to the type that was asked for.
    fn cast(
        &mut self,
        rows: impl Iterator<Item = usize> + Clone,
        to: &DataType,
        numbers: NumberStyle,
    ) -> Result<ArrayRef, ArrowError> {
        let styled = to.is_numeric() && numbers != NumberStyle::default();
        let mut texts: Vec<Option<String>> = Vec::with_capacity(rows.size_hint().0);
        let keeps_empty = matches!(to, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary);
        for row in rows.clone() {
            texts.push(match self.records.text(row, self.column) {
                Text::Missing => None,
                Text::Plain(text) if self.nulls.iter().any(|null| null == text) => None,
                Text::Quoted("") if !keeps_empty => None,
                Text::Plain(text) | Text::Quoted(text) => Some(text.to_owned()),
                Text::Doubled(text, quote) => Some(undouble(text, quote, &mut self.scratch).to_owned()),
            });
        }
        if styled {
            // What is no number in this style is none in any.
            let plain = |text: &String| numbers.plain_text(text).unwrap_or_else(|| format!("{text}?"));
            texts.iter_mut().flatten().for_each(|text| *text = plain(text));
        }
        let texts = StringArray::from(texts);
        let array = cast_with_options(&texts, to, &CastOptions { safe: true, ..CastOptions::default() })?;
        let misfit = |(place, _): &(usize, usize)| array.is_null(*place) && !texts.is_null(*place);
        self.misfits.rows.extend(rows.enumerate().filter(misfit).map(|(_, row)| row));
        Ok(array)
    }
}

/// The vectors of the valid rows with zeros where a row has none.
fn spread(values: Vec<f32>, valid: &[bool], width: usize) -> Vec<f32> {
    if !valid.contains(&false) {
        return values;
    }
    let mut vectors = values.chunks_exact(width.max(1));
    let zeros = vec![0.0; width];
    valid.iter().flat_map(|valid| if *valid { vectors.next().unwrap_or(&zeros) } else { &zeros }).copied().collect()
}

/// `text` with every doubled quote once.
pub(crate) fn undouble<'a>(text: &str, quote: u8, scratch: &'a mut String) -> &'a str {
    scratch.clear();
    let quote = char::from(quote);
    let mut rest = text;
    while let Some(place) = rest.find(quote) {
        scratch.push_str(&rest[..=place]);
        rest = rest[place + 1..].strip_prefix(quote).unwrap_or(&rest[place + 1..]);
    }
    scratch.push_str(rest);
    scratch
}
