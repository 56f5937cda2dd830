//! Finds the record of a CSV file that cannot be read, and says where and why.
//!
//! Decoders report lines relative to the part of the file that they were given, or not at all. This module reads the
//! file again from the start, one record at a time, and so always knows the line. It runs only after a failure.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use csv::{ByteRecord, Reader, ReaderBuilder};
use velaria_contract::{Error, ErrorCode, Result};

use super::CsvOptions;
use crate::LocalFile;

/// Refuses a header that is not UTF-8 or that names a column twice.
pub(crate) fn check_header(file: &LocalFile, options: &CsvOptions) -> Result<()> {
    let Some(mut reader) = open(file, options) else { return Ok(()) };
    let mut header = ByteRecord::new();
    match reader.read_byte_record(&mut header) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Ok(()),
    }
    let names: Vec<&str> = header
        .iter()
        .enumerate()
        .map(|(column, bytes)| std::str::from_utf8(bytes).map_err(|_| invalid_encoding(file, &header, column)))
        .collect::<Result<_>>()?;
    let duplicate = names.iter().enumerate().find(|(column, name)| names[..*column].contains(name));
    match duplicate {
        None => Ok(()),
        Some((column, name)) => Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}"))
            .with_hint(format!(
                "column {} of the header of {} repeats an earlier name",
                column + 1,
                file.path().display()
            ))),
    }
}

/// The first record that breaks the rules of the file, or that does not fit `schema`.
pub(crate) fn first_fault(file: &LocalFile, options: &CsvOptions, schema: Option<&Schema>) -> Option<Error> {
    let mut reader = open(file, options)?;
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).ok()? {
        return None;
    }
    let width = record.len();
    while reader.read_byte_record(&mut record).ok()? {
        if record.len() != width {
            return Some(ragged(file, &record, width));
        }
        for (column, bytes) in record.iter().enumerate() {
            let Ok(text) = std::str::from_utf8(bytes) else { return Some(invalid_encoding(file, &record, column)) };
            let Some(field) = schema.and_then(|schema| schema.fields().get(column)) else { continue };
            if !text.is_empty() && !parses(text, field.data_type()) {
                return Some(wrong_type(file, &record, field.name(), text, field.data_type()));
            }
        }
    }
    None
}

fn open(file: &LocalFile, options: &CsvOptions) -> Option<Reader<BufReader<File>>> {
    let content = file.reader().ok()?;
    let mut builder = ReaderBuilder::new();
    builder.delimiter(options.delimiter.unwrap_or(b',')).has_headers(false).flexible(true);
    Some(builder.from_reader(BufReader::new(content)))
}

/// Whether `text` can be read as `data_type`, by the parsers that the decoder uses.
fn parses(text: &str, data_type: &DataType) -> bool {
    match data_type {
        DataType::Int64 => Int64Type::parse(text).is_some(),
        DataType::Float64 => Float64Type::parse(text).is_some(),
        DataType::Boolean => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
        DataType::Date32 => Date32Type::parse(text).is_some(),
        DataType::Timestamp(TimeUnit::Second, _) => TimestampSecondType::parse(text).is_some(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => TimestampMillisecondType::parse(text).is_some(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => TimestampMicrosecondType::parse(text).is_some(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => TimestampNanosecondType::parse(text).is_some(),
        _ => true,
    }
}

fn ragged(file: &LocalFile, record: &ByteRecord, width: usize) -> Error {
    let message = format!("{}: expected {width} fields, found {}", place(file, record), record.len());
    Error::new(ErrorCode::RaggedRow, message)
        .with_hint("every record must have the fields of the header; check quotes and delimiter")
}

fn invalid_encoding(file: &LocalFile, record: &ByteRecord, column: usize) -> Error {
    let start = record.position().map_or(0, |position| position.byte());
    let message = format!("{}: field {} is not valid UTF-8", place(file, record), column + 1);
    Error::new(ErrorCode::InvalidEncoding, message)
        .with_hint(format!("the record starts at byte {start}; convert the file to UTF-8 first"))
}

fn wrong_type(file: &LocalFile, record: &ByteRecord, column: &str, text: &str, data_type: &DataType) -> Error {
    let message = format!("{}: cannot read '{}' in column {column} as {data_type}", place(file, record), excerpt(text));
    Error::new(ErrorCode::Cast, message)
        .with_hint("the type of a column is found in the first 1,000 records; a later record does not fit it")
}

fn place(file: &LocalFile, record: &ByteRecord) -> String {
    let line = record.position().map_or(0, |position| position.line() + blank_lines(file, position.byte()));
    format!("{}:{line}", file.path().display())
}

/// The number of empty lines from `start` on: the reader skips them and counts them to the record that follows.
fn blank_lines(file: &LocalFile, start: u64) -> u64 {
    let Ok(mut content) = file.reader() else { return 0 };
    if content.seek(SeekFrom::Start(start)).is_err() {
        return 0;
    }
    let bytes = BufReader::new(content).bytes().map_while(std::result::Result::ok);
    bytes.take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| *byte == b'\n').fold(0, |lines, _| lines + 1)
}

fn excerpt(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    fn local(path: &std::path::Path) -> LocalFile {
        LocalFile::open(&crate::FileAccess::default(), path.to_str().unwrap()).unwrap()
    }

    fn fault(content: &[u8], schema: Option<&Schema>) -> Option<Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        std::fs::write(&path, content).unwrap();
        first_fault(&local(&path), &CsvOptions::default(), schema)
    }

    #[test]
    fn a_ragged_record_is_named_by_its_line() {
        let error = fault(b"a,b\n1,\"x\ny\"\n3\n", None).unwrap();
        assert_eq!(error.code(), ErrorCode::RaggedRow);
        assert!(error.message().ends_with("x.csv:4: expected 2 fields, found 1"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_by_line_and_field() {
        let error = fault(b"a,b\n1,caf\xe9\n", None).unwrap();
        assert!(error.message().ends_with("x.csv:2: field 2 is not valid UTF-8"), "{error}");
    }

    #[test]
    fn a_value_of_another_type_is_named_with_its_column() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
        let error = fault(b"a\n1\n\nabc\n", Some(&schema)).unwrap();
        assert!(error.message().ends_with("x.csv:4: cannot read 'abc' in column a as Int64"), "{error}");
        assert!(fault(b"a\n1\n2\n", Some(&schema)).is_none());
    }

    #[test]
    fn a_name_that_stands_twice_in_the_header_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        std::fs::write(&path, "a,b,a\n1,2,3\n").unwrap();
        let error = check_header(&local(&path), &CsvOptions::default()).unwrap_err();
        assert_eq!(error.message(), "duplicate column: a");
    }
}
