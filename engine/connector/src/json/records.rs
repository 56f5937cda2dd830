//! The records of a file, one text each: the lines of NDJSON, or the elements of an array.

use std::io::{self, Read};

use memchr::memchr;
use velaria_contract::{Error, ErrorCode};

/// How the records stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One record a line.
    Lines,
    /// The elements of one JSON array.
    Array,
}

/// How much is read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// A record with more bytes is refused: it would be kept in memory whole, several times.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// What went wrong between two records, and at which byte of the file.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The file cannot be read.
    Io(io::Error),
    /// The file is not what it should be.
    Malformed { at: u64, what: String },
    /// A record is no text.
    Encoding { at: u64 },
    /// A record is too large.
    TooLarge { at: u64 },
}

/// The records of a text, from one place of the file on.
pub(crate) struct Records<R> {
    input: R,
    layout: Layout,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the file the buffer begins.
    offset: u64,
    at_end: bool,
    /// Records that begin here or later belong to somebody else.
    stop: u64,
    place: Place,
}

/// Where in an array the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    First,
    AfterElement,
    AfterComma,
    Behind,
}

/// One record, and where in the file it begins.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) at: u64,
    pub(crate) text: &'a str,
}

impl<R: Read> Records<R> {
    /// The records of `input`, which begins at `offset` of its file; those that begin at `stop` or later are left out.
    pub(crate) fn new(input: R, layout: Layout, offset: u64, stop: u64) -> Self {
        Self { input, layout, buffer: Vec::new(), start: 0, end: 0, offset, at_end: false, stop, place: Place::Before }
    }

    /// Passes over the rest of the line in which the input begins.
    pub(crate) fn skip_line(&mut self) -> Result<(), Broken> {
        self.line().map(|_| ())
    }

    /// The next record that is not blank.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let range = loop {
            let range = match self.layout {
                Layout::Lines => self.line()?,
                Layout::Array => self.element()?,
            };
            match range {
                None => return Ok(None),
                Some((from, to)) if self.buffer.get(from..to).unwrap_or_default().trim_ascii().is_empty() => {}
                Some(range) => break range,
            }
        };
        Ok(Some(Record { at: self.offset + range.0 as u64, text: self.text(range.0, range.1)? }))
    }

    /// The next line, without its end, for which `wanted` is true.
    pub(crate) fn next_line(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<Option<Record<'_>>, Broken> {
        let (from, to) = loop {
            let Some((from, to)) = self.line()? else { return Ok(None) };
            let to = if self.buffer.get(from..to).is_some_and(|line| line.ends_with(b"\r")) { to - 1 } else { to };
            if wanted(self.text(from, to)?) {
                break (from, to);
            }
        };
        Ok(Some(Record { at: self.offset + from as u64, text: self.text(from, to)? }))
    }

    fn text(&self, from: usize, to: usize) -> Result<&str, Broken> {
        std::str::from_utf8(self.buffer.get(from..to).unwrap_or_default())
            .map_err(|error| Broken::Encoding { at: self.offset + (from + error.valid_up_to()) as u64 })
    }

    /// The bounds of the next line in the buffer, without its end.
    fn line(&mut self) -> Result<Option<(usize, usize)>, Broken> {
        let mut looked = 0;
        loop {
            if self.offset + self.start as u64 >= self.stop {
                return Ok(None);
            }
            let rest = self.buffer.get(self.start + looked..self.end).unwrap_or_default();
            if let Some(length) = memchr(b'\n', rest) {
                let range = (self.start, self.start + looked + length);
                self.start = range.1 + 1;
                return Ok(Some(range));
            }
            looked = self.end - self.start;
            if self.at_end {
                let range = (self.start, self.end);
                self.start = self.end;
                return Ok((looked > 0).then_some(range));
            }
            self.fill()?;
        }
    }

    /// Reads more behind what is left in the buffer.
    fn fill(&mut self) -> Result<(), Broken> {
        let left = self.end - self.start;
        if left > RECORD_BYTES_MAX {
            return Err(Broken::TooLarge { at: self.offset + self.start as u64 });
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.offset += self.start as u64;
        (self.start, self.end) = (0, left);
        // A record that does not fit gets as much room again, so that it is not moved for every chunk.
        self.buffer.resize((left * 2).max(left + CHUNK_BYTES), 0);
        let read = loop {
            match self.input.read(self.buffer.get_mut(left..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(Broken::Io)?,
            }
        };
        self.end += read;
        self.at_end = read == 0;
        Ok(())
    }

    /// The bounds of the next element of the array.
    fn element(&mut self) -> Result<Option<(usize, usize)>, Broken> {
        loop {
            let next = self.peek()?;
            let place = match (self.place, next) {
                (Place::Before, Some(b'[')) => Place::First,
                (Place::First | Place::AfterElement, Some(b']')) => Place::Behind,
                (Place::AfterElement, Some(b',')) => Place::AfterComma,
                (Place::First | Place::AfterComma, Some(byte)) if !matches!(byte, b',' | b']') => {
                    self.place = Place::AfterElement;
                    return self.value().map(Some);
                }
                (Place::Behind, None) => return Ok(None),
                (place, found) => return Err(self.misplaced(place, found)),
            };
            self.place = place;
            self.start += 1;
        }
    }

    /// The next byte that is not blank, which stays where it is.
    fn peek(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            let rest = self.buffer.get(self.start..self.end).unwrap_or_default();
            match rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
                Some(blanks) => {
                    self.start += blanks;
                    return Ok(self.buffer.get(self.start).copied());
                }
                None => {
                    self.start = self.end;
                    if self.at_end {
                        return Ok(None);
                    }
                    self.fill()?;
                }
            }
        }
    }

    /// The bounds of the value that begins here. Only its end is looked for; what it is will be found out by its reader.
    fn value(&mut self) -> Result<(usize, usize), Broken> {
        let (mut length, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
        loop {
            while let Some(byte) = self.buffer.get(self.start + length..self.end).and_then(<[u8]>::first) {
                if quoted {
                    (quoted, escaped) = (escaped || *byte != b'"', !escaped && *byte == b'\\');
                } else {
                    match byte {
                        b'"' => quoted = true,
                        b'[' | b'{' => depth += 1,
                        b']' | b'}' if depth > 0 => depth -= 1,
                        b',' | b']' if depth == 0 => {
                            let range = (self.start, self.start + length);
                            self.start = range.1;
                            return Ok(range);
                        }
                        _ => {}
                    }
                }
                length += 1;
            }
            if self.at_end {
                let what = "the array is not closed".to_owned();
                return Err(Broken::Malformed { at: self.offset + self.end as u64, what });
            }
            self.fill()?;
        }
    }

    fn misplaced(&self, place: Place, found: Option<u8>) -> Broken {
        let expected = match place {
            Place::Before => "an array",
            Place::First | Place::AfterComma => "an object",
            Place::AfterElement => "a comma or the end of the array",
            Place::Behind => "the end of the file",
        };
        let found = found.map_or_else(|| "the end".to_owned(), |byte| format!("{:?}", char::from(byte)));
        let what = format!("expected {expected}, found {found}");
        Broken::Malformed { at: self.offset + self.start as u64, what }
    }
}

impl Broken {
    /// The error, with the place in the file that `place` gives for a byte of it.
    pub(crate) fn into_error(self, place: impl FnOnce(u64) -> String) -> Error {
        match self {
            Self::Io(error) => match error.downcast::<Error>() {
                Ok(error) => error,
                Err(error) => Error::new(ErrorCode::Io, "cannot read the file").with_hint(error.to_string()),
            },
            Self::Malformed { at, what } => Error::new(ErrorCode::MalformedFile, format!("{}: {what}", place(at))),
            Self::Encoding { at } => Error::new(ErrorCode::InvalidEncoding, format!("{}: not valid UTF-8", place(at)))
                .with_hint(format!("byte {at} of the file begins no character")),
            Self::TooLarge { at } => {
                Error::new(ErrorCode::MalformedFile, format!("{}: a record is too large", place(at)))
                    .with_hint(format!("a record has at most {} MiB", RECORD_BYTES_MAX >> 20))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    fn all(text: &str, layout: Layout, stop: u64) -> Result<Vec<(u64, String)>, String> {
        let mut records = Records::new(Slowly(text.as_bytes()), layout, 0, stop);
        let mut found = Vec::new();
        loop {
            match records.next() {
                Ok(Some(record)) => found.push((record.at, record.text.to_owned())),
                Ok(None) => return Ok(found),
                Err(broken) => return Err(broken.into_error(|at| at.to_string()).message().to_owned()),
            }
        }
    }

    fn texts(text: &str, layout: Layout) -> Vec<String> {
        all(text, layout, u64::MAX).unwrap().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn lines_end_where_they_end_and_blank_ones_are_no_records() {
        assert_eq!(texts("a\r\n\n  \nb", Layout::Lines), ["a\r", "b"]);
        assert_eq!(texts("", Layout::Lines), Vec::<String>::new());
        assert_eq!(all("a\nb\nc\n", Layout::Lines, 2).unwrap(), [(0, "a".to_owned())]);
        assert_eq!(all("a\nb\nc\n", Layout::Lines, 3).unwrap().len(), 2);
    }

    #[test]
    fn elements_of_an_array_are_found_whatever_is_in_them() {
        assert_eq!(texts(" [ ] \n", Layout::Array), Vec::<String>::new());
        let text = "[{\"a\": \"],}\\\"\"},\n {\"b\": [1, {\"c\": []}]} , 3]";
        assert_eq!(texts(text, Layout::Array), ["{\"a\": \"],}\\\"\"}", "{\"b\": [1, {\"c\": []}]} ", "3"]);
        for (text, what) in [
            ("{}", "0: expected an array, found '{'"),
            ("[{},]", "4: expected an object, found ']'"),
            ("[,{}]", "1: expected an object, found ','"),
            ("[{}", "3: the array is not closed"),
            ("[{}] x", "5: expected the end of the file, found 'x'"),
            ("", "0: expected an array, found the end"),
        ] {
            assert_eq!(all(text, Layout::Array, u64::MAX).unwrap_err(), what, "{text}");
        }
    }
}
