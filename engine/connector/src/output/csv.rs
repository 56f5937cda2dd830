//! CSV that reads back as what it was.
//!
//! A field is quoted when it would not be itself otherwise: with a delimiter, a quote, a line end, or a blank at an end in it.
//! NULL is an empty field and empty text is `""`, so that the two stay apart.

use std::io::{self, Write};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::util::display::ArrayFormatter;
use velaria_contract::{Error, ErrorCode};

use super::{Cell, formatter};

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvStyle {
    /// The byte between two fields.
    pub delimiter: u8,
    /// Whether text that a spreadsheet would run as a formula gets a `'` in front. It does not read back as itself then.
    pub escape_formulas: bool,
}

impl Default for CsvStyle {
    fn default() -> Self {
        Self { delimiter: b',', escape_formulas: false }
    }
}

/// Writes batches as CSV.
#[derive(Debug)]
pub struct CsvWriter<W> {
    out: W,
    style: CsvStyle,
    /// What stands for NULL.
    null: String,
    /// One record.
    line: String,
    /// One field, before it is quoted.
    field: String,
}

impl<W: Write> CsvWriter<W> {
    /// A writer into `out`.
    pub fn new(out: W, style: CsvStyle) -> Self {
        Self { out, style, null: String::new(), line: String::new(), field: String::new() }
    }

    /// This writer with `null` in the place of NULL. Values of the same text are quoted, so that the two stay apart.
    ///
    /// # Errors
    /// `VEL-7001` for a text that would have to be quoted itself.
    pub fn with_null(mut self, null: &str) -> velaria_contract::Result<Self> {
        if !null.is_empty() && needs_quotes(null, self.style.delimiter) {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("not a text for NULL: {null:?}")).with_hint(
                "it has no delimiter, quote or line end in it, no blank at its ends, and no # at its beginning",
            ));
        }
        null.clone_into(&mut self.null);
        Ok(self)
    }

    /// Writes the names of the columns.
    ///
    /// # Errors
    /// What the output says.
    pub fn write_header(&mut self, schema: &Schema) -> io::Result<()> {
        for (index, field) in schema.fields().iter().enumerate() {
            self.field.clear();
            self.field.push_str(field.name());
            self.push(index, true);
        }
        self.end_record()
    }

    /// Writes the rows of `batch`.
    ///
    /// # Errors
    /// An error of Arrow for a value that has no text, and what the output says.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let columns = batch.columns().iter().map(|column| Text::new(column)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                self.field.clear();
                let present = column.write(row, &mut self.field)?;
                if present {
                    self.push(index, column.is_text());
                } else {
                    self.separate(index);
                    self.line.push_str(&self.null);
                }
            }
            self.end_record()?;
        }
        Ok(())
    }

    /// The output, with everything written to it.
    ///
    /// # Errors
    /// What the output says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.line.push(char::from(self.style.delimiter));
        }
    }

    /// Adds the field to the record.
    fn push(&mut self, index: usize, is_text: bool) {
        self.separate(index);
        if is_text && self.style.escape_formulas && self.field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            self.field.insert(0, '\'');
        }
        if self.field != self.null && !needs_quotes(&self.field, self.style.delimiter) {
            self.line.push_str(&self.field);
            return;
        }
        self.line.push('"');
        for (part, text) in self.field.split('"').enumerate() {
            if part > 0 {
                self.line.push_str("\"\"");
            }
            self.line.push_str(text);
        }
        self.line.push('"');
    }

    fn end_record(&mut self) -> io::Result<()> {
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

fn needs_quotes(field: &str, delimiter: u8) -> bool {
    let special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    let at_end = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let bytes = field.as_bytes();
    // A line that begins with # may be taken for a comment, and a byte order mark for the start of a file.
    bytes.is_empty()
        || at_end(bytes.first())
        || at_end(bytes.last())
        || field.starts_with(['#', '\u{feff}'])
        || bytes.iter().any(special)
}

fn push_float(field: &mut String, value: impl std::fmt::Debug) {
    field.push_str(&format!("{value:?}"));
}

/// The text of the values of a column.
struct Text<'a> {
    array: &'a dyn Array,
    formatter: Option<ArrayFormatter<'a>>,
}

impl<'a> Text<'a> {
    fn new(array: &'a dyn Array) -> Result<Self, ArrowError> {
        let nested = array.data_type().is_nested();
        Ok(Self { array, formatter: if nested { None } else { Some(formatter(array)?) } })
    }

    fn is_text(&self) -> bool {
        matches!(self.array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    }

    /// Writes the value at `row`, and tells whether there is one.
    fn write(&self, row: usize, field: &mut String) -> Result<bool, ArrowError> {
        if self.array.is_null(row) {
            return Ok(false);
        }
        match (self.array.data_type(), &self.formatter) {
            (DataType::Null, _) => return Ok(false),
            (DataType::Utf8, _) => field.push_str(self.array.as_string::<i32>().value(row)),
            (DataType::LargeUtf8, _) => field.push_str(self.array.as_string::<i64>().value(row)),
            // With a point or an exponent, so that it is no integer when it is read again.
            (DataType::Float32, _) => push_float(field, self.array.as_primitive::<Float32Type>().value(row)),
            (DataType::Float64, _) => push_float(field, self.array.as_primitive::<Float64Type>().value(row)),
            (_, Some(formatter)) => field.push_str(&formatter.value(row).try_to_string()?),
            (_, None) => {
                let cell = Cell { array: self.array, row };
                field.push_str(&serde_json::to_string(&cell).map_err(|error| ArrowError::ExternalError(error.into()))?);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    use super::*;

    fn written(columns: Vec<(&str, ArrayRef)>, style: CsvStyle) -> String {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = CsvWriter::new(Vec::new(), style);
        writer.write_header(batch.schema_ref()).unwrap();
        writer.write(&batch).unwrap();
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    fn text(values: Vec<Option<&str>>) -> ArrayRef {
        Arc::new(StringArray::from(values))
    }

    #[test]
    fn fields_are_quoted_when_they_would_not_be_themselves() {
        let values = text(vec![
            Some("a,b"),
            Some("a\"b"),
            Some("a\nb"),
            Some("\r"),
            Some(" a"),
            Some("a\t"),
            Some(""),
            None,
            Some("é"),
        ]);
        let numbers = Arc::new(Int64Array::from_iter(0..9));
        let out = written(vec![("n", numbers), ("t, u", values)], CsvStyle::default());
        assert_eq!(
            out,
            "n,\"t, u\"\n0,\"a,b\"\n1,\"a\"\"b\"\n2,\"a\nb\"\n3,\"\r\"\n4,\" a\"\n5,\"a\t\"\n6,\"\"\n7,\n8,é\n"
        );
    }

    #[test]
    fn numbers_and_vectors_keep_their_kind() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1e300, f64::NAN]));
        let items = Arc::new(Float32Array::from(vec![1.0, 2.5, 0.1, 4.0, 5.0, 6.0]));
        let field = Arc::new(Field::new_list_field(DataType::Float32, true));
        let vectors: ArrayRef = Arc::new(arrow::array::FixedSizeListArray::new(field, 2, items, None));
        let out = written(vec![("f", floats), ("v", vectors)], CsvStyle::default());
        assert_eq!(out, "f,v\n1.0,\"[1.0,2.5]\"\n1e300,\"[0.1,4.0]\"\nNaN,\"[5.0,6.0]\"\n");
    }

    #[test]
    fn formulas_are_made_harmless_when_asked() {
        let style = CsvStyle { escape_formulas: true, ..CsvStyle::default() };
        let out = written(
            vec![
                ("t", text(vec![Some("=1+1"), Some("@x"), Some("a=b")])),
                ("n", Arc::new(Int64Array::from(vec![-1, 2, 3]))),
            ],
            style,
        );
        assert_eq!(out, "t,n\n'=1+1,-1\n'@x,2\na=b,3\n");
    }

    #[test]
    fn a_word_for_null_is_never_a_value() {
        let values = text(vec![Some("NA"), None, Some(""), Some("NAN")]);
        let batch = RecordBatch::try_from_iter(vec![("NA", values)]).unwrap();
        let mut writer = CsvWriter::new(Vec::new(), CsvStyle::default()).with_null("NA").unwrap();
        writer.write_header(batch.schema_ref()).unwrap();
        writer.write(&batch).unwrap();
        let out = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert_eq!(out, "\"NA\"\n\"NA\"\nNA\n\"\"\nNAN\n");
        for null in ["a,b", "\"", "a\n", " ", "#"] {
            let refused = CsvWriter::new(Vec::new(), CsvStyle::default()).with_null(null);
            assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidArgument, "{null:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(values in proptest::collection::vec("[a,;\"\\n\\r\\t #é]{0,6}", 1..6), delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t')]) {
            let column = text(values.iter().map(|value| Some(value.as_str())).collect());
            let out = written(vec![("x", Arc::clone(&column)), ("y", column)], CsvStyle { delimiter, ..CsvStyle::default() });
            let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(out.as_bytes());
            let read: Vec<(String, String)> = reader.deserialize().map(Result::unwrap).collect();
            prop_assert_eq!(read, values.iter().map(|value| (value.clone(), value.clone())).collect::<Vec<_>>());
        }
    }
}
