//! A head of text, cut into records and fields as one dialect would have it.
//!
//! This is for looking only: it never fails, counts what a reader would refuse, and keeps places instead of copies.

use std::ops::Range;

/// The signs of one dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
}

/// The records of a text.
#[derive(Debug, Default)]
pub(super) struct Records {
    fields: Vec<Field>,
    records: Vec<Record>,
    /// Quoted fields that are well formed.
    pub(super) quoted: usize,
    /// Quoted fields that go on behind their closing quote, or that never end.
    pub(super) malformed: usize,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    quoted: bool,
}

#[derive(Debug, Clone)]
struct Record {
    fields: Range<usize>,
    line: usize,
    bytes: Range<usize>,
}

/// A field as it stands, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) quoted: bool,
}

impl Records {
    /// The first records of `text`, at most `records_max`. A record that the end of a `partial` text cuts is left out, unless
    /// it is the only one.
    pub(super) fn of(text: &str, partial: bool, signs: Signs, records_max: usize) -> Self {
        let mut reader = Reader { bytes: text.as_bytes(), place: 0, line: 0, signs, found: Self::default() };
        while reader.place < reader.bytes.len() && reader.found.records.len() < records_max {
            let before = (reader.found.malformed, reader.found.quoted);
            let ended = reader.record();
            if partial && !ended && reader.found.records.len() > 1 {
                reader.found.records.pop();
                (reader.found.malformed, reader.found.quoted) = before;
            }
        }
        reader.found
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn width(&self, record: usize) -> usize {
        self.records.get(record).map_or(0, |record| record.fields.len())
    }

    pub(super) fn widths(&self) -> impl Iterator<Item = usize> {
        self.records.iter().map(|record| record.fields.len())
    }

    /// The line on which a record begins, from 0.
    pub(super) fn line(&self, record: usize) -> usize {
        self.records.get(record).map_or(0, |record| record.line)
    }

    /// A record as it stands in `text`.
    pub(super) fn raw<'a>(&self, text: &'a str, record: usize) -> &'a str {
        self.records.get(record).and_then(|record| text.get(record.bytes.clone())).unwrap_or_default()
    }

    /// The fields of a record of `text`.
    pub(super) fn values<'a>(&self, text: &'a str, record: usize) -> impl Iterator<Item = Value<'a>> {
        self.fields_of(record).iter().map(move |field| field.value(text))
    }

    /// One field of a record of `text`.
    pub(super) fn value<'a>(&self, text: &'a str, record: usize, column: usize) -> Option<Value<'a>> {
        self.fields_of(record).get(column).map(|field| field.value(text))
    }

    fn fields_of(&self, record: usize) -> &[Field] {
        self.records.get(record).and_then(|record| self.fields.get(record.fields.clone())).unwrap_or_default()
    }
}

impl Field {
    fn value(self, text: &str) -> Value<'_> {
        Value { text: text.get(self.start..self.end).unwrap_or_default(), quoted: self.quoted }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
    line: usize,
    signs: Signs,
    found: Records,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.place).copied()
    }

    /// Reads one line or, where quotes hold line ends, more; says whether it ended before the text did. Empty lines and
    /// comments are no records.
    fn record(&mut self) -> bool {
        let (start, line, first) = (self.place, self.line, self.found.fields.len());
        if self.peek().is_some() && self.peek() == self.signs.comment {
            self.skip_to_line_end();
            return self.line_end();
        }
        loop {
            self.field();
            if self.peek() != Some(self.signs.delimiter) {
                break;
            }
            self.place += 1;
        }
        let bytes = start..self.place;
        let ended = self.line_end();
        if bytes.is_empty() {
            self.found.fields.truncate(first);
        } else {
            self.found.records.push(Record { fields: first..self.found.fields.len(), line, bytes });
        }
        ended
    }

    fn field(&mut self) {
        if self.peek().is_some() && self.peek() == self.signs.quote {
            return self.quoted_field();
        }
        let start = self.place;
        self.skip_unquoted();
        self.found.fields.push(Field { start, end: self.place, quoted: false });
    }

    fn skip_unquoted(&mut self) {
        let delimiter = self.signs.delimiter;
        let rest = &self.bytes[self.place..];
        self.place += memchr::memchr3(delimiter, b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    fn quoted_field(&mut self) {
        let (quote, escape) = (self.signs.quote, self.signs.escape);
        self.place += 1;
        let start = self.place;
        loop {
            let Some(byte) = self.peek() else {
                self.found.malformed += 1;
                return self.found.fields.push(Field { start, end: self.place, quoted: true });
            };
            self.place += 1;
            if Some(byte) == escape {
                self.place = (self.place + 1).min(self.bytes.len());
            } else if Some(byte) == quote {
                if escape.is_some() || self.peek() != quote {
                    break;
                }
                self.place += 1;
            } else if byte == b'\n' || (byte == b'\r' && self.peek() != Some(b'\n')) {
                self.line += 1;
            }
        }
        let end = self.place - 1;
        self.found.fields.push(Field { start, end, quoted: true });
        match self.peek() {
            None | Some(b'\n' | b'\r') => self.found.quoted += 1,
            Some(byte) if byte == self.signs.delimiter => self.found.quoted += 1,
            Some(_) => {
                self.found.malformed += 1;
                self.skip_unquoted();
            }
        }
    }

    fn skip_to_line_end(&mut self) {
        let rest = &self.bytes[self.place..];
        self.place += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    /// Passes one line end, if there is one.
    fn line_end(&mut self) -> bool {
        let length = match self.bytes.get(self.place..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\r' | b'\n', ..]) => 1,
            _ => return false,
        };
        self.place += length;
        self.line += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(text: &str, partial: bool) -> Vec<usize> {
        let signs = Signs { delimiter: b',', quote: Some(b'"'), escape: None, comment: Some(b'#') };
        Records::of(text, partial, signs, 100).widths().collect()
    }

    #[test]
    fn records_end_at_line_ends_outside_quotes() {
        assert_eq!(widths("a,b\r\n1,\"x\ny\"\r3\n\n# c,d\n,,", false), [2, 2, 1, 3]);
        assert_eq!(widths("a,b\n1,2\n3", true), [2, 2]);
        assert_eq!(widths("a,b", true), [2]);
    }

    #[test]
    fn lines_are_those_of_the_text() {
        let signs = Signs { delimiter: b',', quote: Some(b'"'), escape: None, comment: None };
        let text = "a\r\n\r\n\"x\r\ny\"\nz\n";
        let records = Records::of(text, false, signs, 100);
        assert_eq!((0..records.len()).map(|record| records.line(record)).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(records.value(text, 1, 0).unwrap().text, "x\r\ny");
    }

    #[test]
    fn what_a_reader_would_refuse_is_counted() {
        let count = |text: &str, escape: Option<u8>| {
            let signs = Signs { delimiter: b',', quote: Some(b'"'), escape, comment: None };
            let records = Records::of(text, false, signs, 100);
            (records.quoted, records.malformed)
        };
        assert_eq!(count("\"a\"\"b\",\"c\"\n", None), (2, 0));
        assert_eq!(count("\"a\\\"b\",\"c\"\n", None), (1, 1));
        assert_eq!(count("\"a\\\"b\",\"c\"\n", Some(b'\\')), (2, 0));
        assert_eq!(count("\"open,x\n", None), (0, 1));
    }
}
