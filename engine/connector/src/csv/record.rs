//! Splits text into records one byte at a time: the specification of [`super::structure`], and what reads the text that is
//! not regular.
//!
//! Records end with `\n`, `\r\n` or `\r`. A field that begins with a quote ends with one; inside, a doubled quote (or one
//! behind the escape character) is data. Lines that begin with the comment character and, where there is more than one
//! column, empty lines are no records.

use super::dialect::Dialect;

/// Why a record cannot be split into the fields of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has another number of fields than there are columns.
    Width(usize),
    /// Something stands between a closing quote and the end of its field.
    TextAfterQuote,
    /// A quote stands inside of a field that does not begin with one.
    QuoteInField,
    /// The text ends inside of a quoted field.
    Unterminated,
    /// A field is longer than it may be.
    TooLarge,
    /// The bytes are not UTF-8.
    Encoding,
}

/// Where one field is in the values of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) quoted: bool,
}

/// The fields of one or more records, without quotes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) values: Vec<u8>,
    pub(crate) spans: Vec<Span>,
}

impl Fields {
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.spans.clear();
    }

    /// The value of a field.
    pub(crate) fn value(&self, span: Span) -> &[u8] {
        self.values.get(span.start..span.end).unwrap_or_default()
    }
}

/// One record of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its first byte.
    pub(crate) start: usize,
    /// The first byte behind its line end.
    pub(crate) end: usize,
    /// The number of its fields.
    pub(crate) width: usize,
    /// What is wrong with its quotes. Its text then is the line that it begins with.
    pub(crate) fault: Option<Fault>,
}

/// How records are split.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) dialect: Dialect,
    /// Whether text behind a closing quote is a fault.
    pub(crate) strict_end: bool,
    /// Whether a quote inside of a field without quotes is a fault.
    pub(crate) strict_field: bool,
    /// Whether blanks around unquoted fields are dropped.
    pub(crate) trim: bool,
    pub(crate) max_field_bytes: usize,
}

/// Reads records from a text.
#[derive(Debug)]
pub(crate) struct Splitter<'a> {
    rules: &'a Rules,
    text: &'a [u8],
    position: usize,
}

impl<'a> Splitter<'a> {
    pub(crate) fn new(rules: &'a Rules, text: &'a [u8], position: usize) -> Self {
        Self { rules, text, position }
    }

    /// Where the next record begins, or a line that is none.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The next record of a table with `columns` columns; its fields are added to `fields`.
    pub(crate) fn next(&mut self, columns: usize, fields: &mut Fields) -> Option<Found> {
        loop {
            let start = self.position;
            let first = *self.text.get(start)?;
            if Some(first) == self.rules.dialect.comment {
                self.position = after_line(self.text, start);
                continue;
            }
            let (values, spans) = (fields.values.len(), fields.spans.len());
            let fault = self.record(fields).err();
            if fault.is_some() {
                fields.values.truncate(values);
                fields.spans.truncate(spans);
                self.position = after_line(self.text, start);
            }
            let width = fields.spans.len() - spans;
            if columns > 1 && is_blank(&fields.spans[spans..]) {
                fields.spans.truncate(spans);
                fields.values.truncate(values);
                continue;
            }
            return Some(Found { start, end: self.position, width, fault });
        }
    }

    fn record(&mut self, fields: &mut Fields) -> Result<(), Fault> {
        loop {
            let quoted = self.peek().is_some() && self.peek() == self.rules.dialect.quote;
            let start = fields.values.len();
            if quoted {
                self.quoted(&mut fields.values)?;
            } else {
                self.plain(&mut fields.values)?;
            }
            if fields.values.len() - start > self.rules.max_field_bytes {
                return Err(Fault::TooLarge);
            }
            let mut span = Span { start, end: fields.values.len(), quoted };
            if self.rules.trim && !quoted {
                span = trimmed(&fields.values, span);
            }
            fields.spans.push(span);
            match self.peek() {
                Some(byte) if byte == self.rules.dialect.delimiter => self.position += 1,
                Some(b'\r') if self.text.get(self.position + 1) == Some(&b'\n') => {
                    self.position += 2;
                    return Ok(());
                }
                Some(_) => {
                    self.position += 1;
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }

    /// The text of a field up to its end, which is not read.
    fn plain(&mut self, values: &mut Vec<u8>) -> Result<(), Fault> {
        let dialect = &self.rules.dialect;
        while let Some(byte) = self.peek() {
            if byte == dialect.delimiter || matches!(byte, b'\n' | b'\r') {
                break;
            }
            if Some(byte) == dialect.quote && self.rules.strict_field {
                return Err(Fault::QuoteInField);
            }
            values.push(byte);
            self.position += 1;
        }
        Ok(())
    }

    /// The text between quotes and, unless that is a fault, what follows up to the end of the field.
    fn quoted(&mut self, values: &mut Vec<u8>) -> Result<(), Fault> {
        let dialect = &self.rules.dialect;
        self.position += 1;
        loop {
            let Some(byte) = self.peek() else { return Err(Fault::Unterminated) };
            self.position += 1;
            if Some(byte) == dialect.escape && dialect.escape != dialect.quote {
                let Some(escaped) = self.peek() else { return Err(Fault::Unterminated) };
                // Only quote and escape are escaped; before anything else the character stands for itself.
                if Some(escaped) != dialect.quote && Some(escaped) != dialect.escape {
                    values.push(byte);
                }
                values.push(escaped);
                self.position += 1;
            } else if Some(byte) != dialect.quote {
                values.push(byte);
            } else if self.peek() == dialect.quote {
                values.push(byte);
                self.position += 1;
            } else {
                break;
            }
        }
        match self.peek() {
            None | Some(b'\n' | b'\r') => Ok(()),
            Some(byte) if byte == dialect.delimiter => Ok(()),
            Some(_) if self.rules.strict_end => Err(Fault::TextAfterQuote),
            Some(_) => self.plain(values),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }
}

fn is_blank(spans: &[Span]) -> bool {
    matches!(spans, [only] if only.start == only.end && !only.quoted)
}

fn trimmed(values: &[u8], span: Span) -> Span {
    let text = values.get(span.start..span.end).unwrap_or_default();
    let start = span.start + (text.len() - text.trim_ascii_start().len());
    Span { start, end: start + text.trim_ascii().len(), quoted: span.quoted }
}

/// The start of the line behind the one at `position`, whatever quotes say.
pub(crate) fn after_line(text: &[u8], position: usize) -> usize {
    let rest = text.get(position..).unwrap_or_default();
    match memchr::memchr2(b'\n', b'\r', rest) {
        None => text.len(),
        Some(end) if rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n') => position + end + 2,
        Some(end) => position + end + 1,
    }
}
