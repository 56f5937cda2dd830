//! What is wrong with a CSV file, with the line.

use std::io::Read;

use velaria_contract::{Error, ErrorCode};

use super::batch::{Layout, Trouble};
use super::column::Kind;
use super::file::CsvFile;
use super::record::{Fault, Fields, Found, Splitter};
use crate::LocalFile;
use velaria_vector::text::{self as vector, VectorFault};

/// How many characters of a value are shown.
const SHOWN_CHARS: usize = 40;
/// How much is read to show a record again.
const RECORD_BYTES_MAX: u64 = 64 << 10;

/// The error for `trouble`; the file is read again up to it, to count lines.
pub(crate) fn describe(file: &CsvFile, trouble: &Trouble, layout: &Layout) -> Error {
    match trouble {
        Trouble::Record { offset, fault: Fault::Encoding } => encoding(file.local(), file.byte_of(*offset)),
        Trouble::Record { offset, fault } => {
            let line = line_of(file, *offset);
            let columns = layout.columns.len();
            say(file.local(), line, *offset, *fault, columns)
        }
        Trouble::Misfit { offset, column } => misfit(file, *offset, *column, layout),
        Trouble::Failed(error) => Error::new(ErrorCode::Internal, error.strip_backtrace()),
    }
}

/// The error for a record of `text`, the beginning of the file.
pub(crate) fn record(local: &LocalFile, text: &[u8], start: usize, fault: Fault, columns: usize) -> Error {
    let line = 1 + lines(text.get(..start).unwrap_or_default(), &mut false);
    say(local, line, start as u64, fault, columns)
}

fn say(local: &LocalFile, line: u64, offset: u64, fault: Fault, columns: usize) -> Error {
    let place = format!("{}:{line}", local.path().display());
    let fields = |count: usize| if count == 1 { "1 field".to_owned() } else { format!("{count} fields") };
    match fault {
        Fault::Width(found) => {
            Error::new(ErrorCode::RaggedRow, format!("{place}: expected {}, found {found}", fields(columns)))
                .with_hint(
                    "every record must have the fields of the header; check quotes and delimiter; bad_rows says what else to do",
                )
        }
        Fault::TextAfterQuote => Error::new(ErrorCode::RaggedRow, format!("{place}: text behind a closing quote"))
            .with_hint("a quote inside of a quoted field is doubled; strict_quotes: false takes the text as it is"),
        Fault::QuoteInField => Error::new(ErrorCode::RaggedRow, format!("{place}: a quote inside of a field without quotes"))
            .with_hint("quote the field and double the quote, or give strict_quotes: false, or quote: '' if nothing is quoted"),
        Fault::Unterminated => Error::new(ErrorCode::RaggedRow, format!("{place}: the quote that opens here is never closed"))
            .with_hint("close it, or give quote: '' if nothing is quoted"),
        Fault::TooLarge => Error::new(ErrorCode::RaggedRow, format!("{place}: field too large"))
            .with_hint("a quote may be open; max_field_bytes allows longer fields"),
        Fault::Encoding => encoding(local, offset),
    }
}

/// The error for a byte that is no UTF-8.
pub(crate) fn encoding(local: &LocalFile, offset: u64) -> Error {
    Error::new(ErrorCode::InvalidEncoding, format!("{}: byte {offset} is not UTF-8", local.path().display()))
        .with_hint("give the encoding of the file, such as encoding: latin-1")
}

/// The error for a file without a first record.
pub(crate) fn no_columns(local: &LocalFile) -> Error {
    Error::new(ErrorCode::EmptyFile, format!("file has no columns: {}", local.path().display()))
        .with_hint("a file needs at least a header line to have columns")
}

/// `error` with the path of the file in front, unless it is there.
pub(crate) fn in_file(local: &LocalFile, error: Error) -> Error {
    let path = local.path().display().to_string();
    if error.message().contains(&path) {
        return error;
    }
    let named = Error::new(error.code(), format!("{path}: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

fn misfit(file: &CsvFile, offset: u64, column: usize, layout: &Layout) -> Error {
    let line = line_of(file, offset);
    let place = format!("{}:{line}", file.local().path().display());
    let Some(declared) = layout.columns.get(column) else {
        return Error::new(ErrorCode::Internal, format!("{place}: no column {column}"));
    };
    let value = value_at(file, offset, column).unwrap_or_default();
    let name = &declared.name;
    if let Kind::Vector(dimensions) = declared.kind {
        return Error::new(
            ErrorCode::InvalidValue,
            format!("{place}: column {name}: {}", vector_fault(&value, dimensions)),
        )
        .with_hint("every vector of a column has the same number of finite numbers; vectors: false reads text");
    }
    let shown: String = value.chars().take(SHOWN_CHARS).collect();
    Error::new(ErrorCode::Cast, format!("{place}: cannot read '{shown}' in column {name} as {}", declared.kind.word()))
        .with_hint("give the type in types, a word for missing values in null_values, or on_type_error: null")
}

fn vector_fault(text: &str, dimensions: i32) -> String {
    match vector::parse(text.as_bytes(), &mut Vec::<f32>::new()) {
        Ok(found) => format!("dimension mismatch: {found} != {dimensions}"),
        Err(VectorFault::Brackets) => "not a vector in brackets".to_owned(),
        Err(VectorFault::Empty) => "a vector with an empty place".to_owned(),
        Err(VectorFault::NotANumber(part)) => format!("'{part}' is not a number"),
        Err(VectorFault::NotFinite(part)) => format!("'{part}' is not a finite 32-bit number"),
    }
}

/// The line of the byte at `offset` of the text, from 1 on.
fn line_of(file: &CsvFile, offset: u64) -> u64 {
    let Some(text) = up_to(file, offset) else { return 1 };
    let mut reader = text;
    let mut buffer = vec![0; 256 << 10];
    let mut line = 1;
    let mut after_return = false;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => return line,
            Ok(count) => line += lines(&buffer[..count], &mut after_return),
        }
    }
}

fn up_to(file: &CsvFile, offset: u64) -> Option<Box<dyn Read + Send>> {
    let reader = file.text_reader().ok()?;
    Some(Box::new(reader.take(offset)))
}

/// The line ends in `text`; `after_return` says whether the text before ended with a carriage return.
pub(crate) fn lines(text: &[u8], after_return: &mut bool) -> u64 {
    let mut count = 0;
    for place in memchr::memchr2_iter(b'\n', b'\r', text) {
        let is_second = text[place] == b'\n'
            && match place.checked_sub(1) {
                Some(before) => text[before] == b'\r',
                None => *after_return,
            };
        count += u64::from(!is_second);
    }
    if let Some(last) = text.last() {
        *after_return = *last == b'\r';
    }
    count
}

/// The text of one field of the record at `offset`.
fn value_at(file: &CsvFile, offset: u64, column: usize) -> Option<String> {
    let mut reader = file.text_reader().ok()?;
    std::io::copy(&mut reader.by_ref().take(offset), &mut std::io::sink()).ok()?;
    let mut text = Vec::new();
    reader.take(RECORD_BYTES_MAX).read_to_end(&mut text).ok()?;
    let mut fields = Fields::default();
    let found: Option<Found> = Splitter::new(file.rules(), &text, 0).next(usize::MAX, &mut fields);
    found?;
    let span = fields.spans.get(column)?;
    Some(String::from_utf8_lossy(fields.value(*span)).into_owned())
}

/// The line ends in front of the first record behind the header.
pub(crate) fn lines_before_data(file: &CsvFile) -> u64 {
    line_of(file, file.data_start()) - 1
}
