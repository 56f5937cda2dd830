//! How a CSV file is written: what the caller said, and what is known after the head of the file was looked at.

use arrow::datatypes::DataType;
use velaria_contract::{Error, ErrorCode, Result};

use crate::ReadOptions;

/// The names of the options of CSV.
pub const CSV_OPTIONS: [&str; 22] = [
    "delimiter",
    "quote",
    "escape",
    "comment",
    "header",
    "skip_rows",
    "decimal",
    "thousands",
    "date_order",
    "null_values",
    "encoding",
    "compression",
    "columns",
    "types",
    "all_text",
    "bad_rows",
    "on_type_error",
    "strict_quotes",
    "trim",
    "vectors",
    "max_field_bytes",
    "sample_bytes",
];

/// What the caller said about a CSV file. `None` is to be found in the file.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CsvOptions {
    /// The byte between two fields.
    pub delimiter: Option<u8>,
    /// The byte around a field; `Some(None)` when no field is quoted.
    pub quote: Option<Option<u8>>,
    /// The byte before a quote that is data; `Some(None)` when such a quote is doubled.
    pub escape: Option<Option<u8>>,
    /// The byte that begins a line which is no record; `Some(None)` when there are none.
    pub comment: Option<Option<u8>>,
    /// Whether the first record holds the names of the columns.
    pub header: Option<bool>,
    /// The number of lines before the header, or before the first record when there is no header.
    pub skip_rows: Option<u64>,
    /// The byte before the decimals of a number.
    pub decimal: Option<u8>,
    /// The character between groups of three digits; `Some(None)` when there is none.
    pub thousands: Option<Option<char>>,
    /// The order of the parts of a date.
    pub date_order: Option<DateOrder>,
    /// The texts that stand for NULL when they are not quoted. An empty field always does.
    pub null_values: Vec<String>,
    /// The name of the encoding.
    pub encoding: Option<String>,
    /// The name of the compression, `none` included.
    pub compression: Option<String>,
    /// The names of the columns, instead of those of the header.
    pub columns: Option<Vec<String>>,
    /// The types of columns, by name, instead of those that are found.
    pub types: Vec<(String, DataType)>,
    /// Whether every column without a given type is text.
    pub all_text: bool,
    /// What happens to a record with too few or too many fields, or one that cannot be split into fields.
    pub bad_rows: BadRows,
    /// What happens when a value does not have the type that was found for its column.
    pub on_type_error: OnTypeError,
    /// Whether a quote inside an unquoted field, or text behind a closing quote, is a bad row; otherwise it is data.
    pub strict_quotes: Option<bool>,
    /// Whether blanks around unquoted fields are dropped.
    pub trim: bool,
    /// Whether a column of `[1 2 3]` or `[1,2,3]` is a column of vectors.
    pub vectors: Option<bool>,
    /// The most bytes of one field.
    pub max_field_bytes: Option<u64>,
    /// The most bytes that are looked at to find the types.
    pub sample_bytes: Option<u64>,
}

/// What happens to a record that does not have as many fields as there are columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BadRows {
    /// The query fails with the line.
    #[default]
    Error,
    /// Missing fields are NULL; a record with too many fields still fails.
    Fill,
    /// The record is left out and can be asked for.
    Collect,
}

/// What happens when a value does not have the type that was found for its column in the head of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnTypeError {
    /// The column gets a wider type and the file is read again.
    #[default]
    Widen,
    /// The query fails with the line.
    Error,
    /// The value is NULL.
    Null,
}

/// The order of the parts of a date that is all numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DateOrder {
    /// `2024-12-31`.
    #[default]
    YearMonthDay,
    /// `31.12.2024`.
    DayMonthYear,
    /// `12/31/2024`.
    MonthDayYear,
}

/// How a CSV file is written, with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between two fields.
    pub delimiter: u8,
    /// The byte around a field.
    pub quote: Option<u8>,
    /// The byte before a quote that is data; a doubled quote when there is none.
    pub escape: Option<u8>,
    /// The byte that begins a line which is no record.
    pub comment: Option<u8>,
    /// Whether the first record holds the names of the columns.
    pub header: bool,
    /// The number of lines before the header, or before the first record.
    pub skip_rows: u64,
    /// The byte before the decimals of a number.
    pub decimal: u8,
    /// The character between groups of three digits.
    pub thousands: Option<char>,
    /// The order of the parts of a date, when it was said or found.
    pub date_order: Option<DateOrder>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            comment: None,
            header: true,
            skip_rows: 0,
            decimal: b'.',
            thousands: None,
            date_order: None,
        }
    }
}

impl CsvOptions {
    /// The options of CSV among `options`; `type_of` reads the name of a type.
    ///
    /// # Errors
    /// `VEL-7001` for a name that is not one of [`CSV_OPTIONS`] and for a value that cannot be.
    pub fn from_options(options: &ReadOptions, type_of: impl Fn(&str) -> Result<DataType>) -> Result<Self> {
        options.check("csv", &CSV_OPTIONS)?;
        let types = options.map("types")?.unwrap_or_default();
        let parsed = Self {
            delimiter: options.parsed("delimiter", "a single character", delimiter)?,
            quote: options.parsed("quote", "one character, or empty for none", byte_or_none)?,
            escape: options.parsed("escape", "one character, or empty for none", byte_or_none)?,
            comment: options.parsed("comment", "one character, or empty for none", byte_or_none)?,
            header: options.flag("header")?,
            skip_rows: options.count("skip_rows")?,
            decimal: options.parsed("decimal", "'.' or ','", |text| match text {
                "." => Some(b'.'),
                "," => Some(b','),
                _ => None,
            })?,
            thousands: options.parsed("thousands", "one character, or empty for none", char_or_none)?,
            date_order: options.parsed("date_order", "ymd, dmy or mdy", |text| match text {
                "ymd" => Some(DateOrder::YearMonthDay),
                "dmy" => Some(DateOrder::DayMonthYear),
                "mdy" => Some(DateOrder::MonthDayYear),
                _ => None,
            })?,
            null_values: options.list("null_values")?.unwrap_or_default(),
            encoding: options.text("encoding").map(str::to_owned),
            compression: options.text("compression").map(str::to_owned),
            columns: options.list("columns")?,
            types: types.into_iter().map(|(name, word)| Ok((name, type_of(&word)?))).collect::<Result<Vec<_>>>()?,
            all_text: options.flag("all_text")?.unwrap_or_default(),
            bad_rows: options
                .parsed("bad_rows", "error, fill or collect", |text| match text {
                    "error" => Some(BadRows::Error),
                    "fill" => Some(BadRows::Fill),
                    "collect" => Some(BadRows::Collect),
                    _ => None,
                })?
                .unwrap_or_default(),
            on_type_error: options
                .parsed("on_type_error", "widen, error or null", |text| match text {
                    "widen" => Some(OnTypeError::Widen),
                    "error" => Some(OnTypeError::Error),
                    "null" => Some(OnTypeError::Null),
                    _ => None,
                })?
                .unwrap_or_default(),
            strict_quotes: options.flag("strict_quotes")?,
            trim: options.flag("trim")?.unwrap_or_default(),
            vectors: options.flag("vectors")?,
            max_field_bytes: options.count("max_field_bytes")?,
            sample_bytes: options.count("sample_bytes")?,
        };
        parsed.check()
    }

    /// The same options with the delimiter that `text` is.
    ///
    /// # Errors
    /// `VEL-7001` unless the text is exactly one byte that can separate fields.
    pub fn with_delimiter(mut self, text: &str) -> Result<Self> {
        self.delimiter = Some(delimiter(text).ok_or_else(|| {
            Error::new(ErrorCode::InvalidArgument, "delimiter must be a single character")
                .with_hint("one ASCII character that is neither a quote nor a line end")
        })?);
        Ok(self)
    }

    fn check(self) -> Result<Self> {
        if self.delimiter.is_some() && self.quote == Some(self.delimiter) {
            return Err(Error::new(ErrorCode::InvalidArgument, "delimiter and quote are the same character"));
        }
        if self.thousands.flatten().map(u32::from) == self.decimal.map(u32::from) && self.decimal.is_some() {
            return Err(Error::new(ErrorCode::InvalidArgument, "decimal and thousands are the same character"));
        }
        Ok(self)
    }
}

fn delimiter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
        _ if text == "\\t" => Some(b'\t'),
        _ => None,
    }
}

fn byte_or_none(text: &str) -> Option<Option<u8>> {
    match text.as_bytes() {
        [] => Some(None),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(Some(*byte)),
        _ => None,
    }
}

fn char_or_none(text: &str) -> Option<Option<char>> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Some(None),
        (Some(only), None) if !only.is_alphanumeric() => Some(Some(only)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: ReadOptions) -> Result<CsvOptions> {
        CsvOptions::from_options(&options, |_| Ok(DataType::Int64))
    }

    #[test]
    fn a_delimiter_is_one_byte_that_can_separate() {
        assert_eq!(CsvOptions::default().with_delimiter("|").unwrap().delimiter, Some(b'|'));
        for text in ["", "ab", "é", "\"", "\n"] {
            let error = CsvOptions::default().with_delimiter(text).unwrap_err();
            assert_eq!(error.message(), "delimiter must be a single character", "{text:?}");
        }
    }

    #[test]
    fn options_are_read_from_words() {
        let options = ReadOptions::new()
            .with("delimiter", ";")
            .with("quote", "")
            .with("decimal", ",")
            .with("types", r#"{"a": "INT"}"#)
            .with("bad_rows", "collect");
        let options = parse(options).unwrap();
        assert_eq!(options.delimiter, Some(b';'));
        assert_eq!(options.quote, Some(None));
        assert_eq!(options.types, [("a".to_owned(), DataType::Int64)]);
        assert_eq!(options.bad_rows, BadRows::Collect);
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(parse(ReadOptions::new().with("delimiter", ";").with("quote", ";")).is_err());
        assert!(parse(ReadOptions::new().with("decimal", ",").with("thousands", ",")).is_err());
        assert!(parse(ReadOptions::new().with("bad_rows", "drop")).is_err());
    }
}
