//! A pull reader for the XML of workbooks.
//!
//! A sheet has five tags a cell, and that is all the time it takes to read one: this reader hands out slices of its
//! buffer and never copies. It knows what office files use: elements, attributes, text, CDATA, comments. A document type
//! is refused, so that no entity can expand or name another file.

use std::borrow::Cow;
use std::io::Read;

use memchr::{memchr, memchr3, memmem};
use velaria_contract::{Error, ErrorCode, Result};

const BUFFER_BYTES: usize = 128 << 10;
/// Longer tags and texts are refused: a cell holds at most 32,767 characters.
const TOKEN_BYTES_MAX: usize = 32 << 20;

/// The next thing in the document.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// `<name …>`, or `<name …/>` when it is `empty`.
    Open { name: &'a [u8], attributes: Attributes<'a>, empty: bool },
    /// `</name>`
    Close(&'a [u8]),
    /// Text with its entities.
    Text(&'a [u8]),
    /// Text that stands for itself.
    Raw(&'a [u8]),
    /// The end of the document.
    End,
}

/// Reads one document.
#[derive(Debug)]
pub(super) struct XmlReader<R> {
    input: R,
    /// The part of the file, for errors.
    part: String,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// Bytes before `buffer`.
    before: u64,
    depth: u64,
}

/// Where a token is in the buffer.
enum Token {
    Text(usize, usize),
    Raw(usize, usize),
    Tag(usize, usize),
    End,
}

impl<R: Read> XmlReader<R> {
    pub(super) fn new(input: R, part: &str) -> Result<Self> {
        let buffer = vec![0; BUFFER_BYTES];
        let mut reader =
            Self { input, part: part.to_owned(), buffer, start: 0, end: 0, ended: false, before: 0, depth: 0 };
        reader.fill()?;
        match reader.unread() {
            [0xEF, 0xBB, 0xBF, ..] => reader.start = 3,
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, ..] | [_, 0, ..] => {
                return Err(reader.malformed("is not in UTF-8"));
            }
            _ => {}
        }
        Ok(reader)
    }

    /// An error at the place that was read last.
    pub(super) fn malformed(&self, what: &str) -> Error {
        let place = self.before + self.start as u64;
        Error::new(ErrorCode::MalformedFile, format!("{} {what}", self.part))
            .with_hint(format!("near byte {place} of that part"))
    }

    /// The next token. Blank text is handed out as well.
    pub(super) fn next(&mut self) -> Result<Event<'_>> {
        match self.token()? {
            Token::End => {
                if self.depth > 0 {
                    return Err(self.malformed("ends too early"));
                }
                Ok(Event::End)
            }
            Token::Text(from, to) => Ok(Event::Text(&self.buffer[from..to])),
            Token::Raw(from, to) => Ok(Event::Raw(&self.buffer[from..to])),
            Token::Tag(from, to) => self.tag(from, to),
        }
    }

    fn tag(&mut self, from: usize, to: usize) -> Result<Event<'_>> {
        let bytes = &self.buffer[from..to];
        if let [b'/', name @ ..] = bytes {
            let Some(depth) = self.depth.checked_sub(1) else {
                return Err(self.malformed("closes an element that is not open"));
            };
            self.depth = depth;
            return Ok(Event::Close(local(name.trim_ascii_end())));
        }
        let (bytes, empty) = match bytes {
            [open @ .., b'/'] => (open, true),
            open => (open, false),
        };
        self.depth += u64::from(!empty);
        let split = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
        let (name, attributes) = bytes.split_at(split);
        Ok(Event::Open { name: local(name), attributes: Attributes { bytes: attributes }, empty })
    }

    fn token(&mut self) -> Result<Token> {
        loop {
            match self.unread() {
                [] => {
                    if !self.fill()? {
                        return Ok(Token::End);
                    }
                }
                [b'<', b'!' | b'?', ..] => {
                    if let Some(token) = self.declaration()? {
                        return Ok(token);
                    }
                }
                [b'<'] => self.more("ends inside a tag")?,
                [b'<', ..] => {
                    let length = self.find(1, "ends inside a tag", tag_end)?;
                    let from = self.start + 1;
                    self.start += length + 1;
                    return Ok(Token::Tag(from, from + length - 1));
                }
                _ => return self.text(),
            }
        }
    }

    fn text(&mut self) -> Result<Token> {
        loop {
            let unread = self.unread();
            if let Some(length) = near(unread, |byte| byte == b'<', |far| memchr(b'<', far)) {
                return Ok(self.take_text(length));
            }
            let length = unread.len();
            if !self.fill()? {
                return Ok(self.take_text(length));
            }
        }
    }

    fn take_text(&mut self, length: usize) -> Token {
        let from = self.start;
        self.start += length;
        Token::Text(from, from + length)
    }

    /// Comments and processing instructions are skipped, CDATA is text.
    fn declaration(&mut self) -> Result<Option<Token>> {
        const CDATA: &[u8] = b"<![CDATA[";
        while self.unread().len() < CDATA.len() && self.fill()? {}
        let unread = self.unread();
        let close: &[u8] = if unread.starts_with(b"<?") {
            b"?>"
        } else if unread.starts_with(b"<!--") {
            b"-->"
        } else if unread.starts_with(CDATA) {
            b"]]>"
        } else {
            return Err(self.malformed("declares a document type").with_hint("office files have none"));
        };
        let raw = close == b"]]>";
        let skip = if raw { CDATA.len() } else { close.len() };
        let length = self.find(skip, "ends inside a comment or declaration", |bytes| memmem::find(bytes, close))?;
        let from = self.start + skip;
        let to = self.start + length;
        self.start = to + close.len();
        Ok(raw.then_some(Token::Raw(from, to)))
    }

    /// The place from the start of the token at which `end` finds the end after `skip` bytes, with as much read as that
    /// needs.
    fn find(&mut self, skip: usize, cut: &str, end: impl Fn(&[u8]) -> Option<usize>) -> Result<usize> {
        loop {
            let unread = self.unread();
            if let Some(length) = unread.get(skip..).and_then(&end) {
                return Ok(skip + length);
            }
            self.more(cut)?;
        }
    }

    fn more(&mut self, cut: &str) -> Result<()> {
        if self.fill()? { Ok(()) } else { Err(self.malformed(cut)) }
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads on, behind what is unread. `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.before += self.start as u64;
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.end >= TOKEN_BYTES_MAX {
                return Err(self.malformed("holds a text that is longer than a cell can be"));
            }
            self.buffer.resize(self.end * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(length) => {
                    self.end += length;
                    return Ok(true);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.malformed("is damaged").with_source(error)),
            }
        }
    }
}

/// The place of the `>` that ends a tag, which is none inside a quoted value.
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = from + near(rest, |byte| matches!(byte, b'>' | b'"' | b'\''), |far| memchr3(b'>', b'"', b'\'', far))?;
        match bytes[at] {
            b'>' => return Some(at),
            quote => from = at + 2 + near(&bytes[at + 1..], |byte| byte == quote, |far| memchr(quote, far))?,
        }
    }
}

/// The place of a byte that is nearly always one of the next few: for those a loop is faster than a wide search.
#[inline]
fn near(bytes: &[u8], is: impl Fn(u8) -> bool, far: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
    const NEAR_BYTES: usize = 16;
    let (head, rest) = bytes.split_at(bytes.len().min(NEAR_BYTES));
    head.iter().position(|byte| is(*byte)).or_else(|| far(rest).map(|at| at + head.len()))
}

/// A name without its namespace prefix: writers choose prefixes freely.
fn local(name: &[u8]) -> &[u8] {
    match name.iter().position(|byte| *byte == b':') {
        Some(at) => &name[at + 1..],
        None => name,
    }
}

/// The attributes of a tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The value of an attribute as it is written, by its name without prefix.
    pub(super) fn value(self, name: &[u8]) -> Option<&'a [u8]> {
        self.into_iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The value of an attribute as text.
    pub(super) fn text(self, name: &[u8]) -> Option<String> {
        self.value(name).map(|value| unescape(value).into_owned())
    }

    /// The value of an attribute that is a number.
    pub(super) fn number<T: std::str::FromStr>(self, name: &[u8]) -> Option<T> {
        std::str::from_utf8(self.value(name)?).ok()?.trim().parse().ok()
    }

    /// The value of an attribute that is on or off.
    pub(super) fn flag(self, name: &[u8]) -> bool {
        matches!(self.value(name), Some(b"1" | b"true" | b"on"))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.bytes.trim_ascii_start();
        let equals = near(bytes, |byte| byte == b'=', |far| memchr(b'=', far))?;
        let value = bytes[equals + 1..].trim_ascii_start();
        let (quote, value) = value.split_first()?;
        let end = near(value, |byte| byte == *quote, |far| memchr(*quote, far))?;
        self.bytes = &value[end + 1..];
        Some((local(bytes[..equals].trim_ascii_end()), &value[..end]))
    }
}

/// Text without its entities, its line ends as one character.
pub(super) fn unescape(bytes: &[u8]) -> Cow<'_, str> {
    let given = String::from_utf8_lossy(bytes);
    if memchr::memchr2(b'&', b'\r', bytes).is_none() {
        return given;
    }
    let text = given.replace("\r\n", "\n").replace('\r', "\n");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = rest.find(';').and_then(|end| Some((entity(&rest[1..end])?, end)));
        match found {
            Some((character, end)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain.into()
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (head, rest) = self.0.split_at(length);
            buffer[..length].copy_from_slice(head);
            self.0 = rest;
            Ok(length)
        }
    }

    fn events(text: &str, step: usize) -> Result<Vec<String>> {
        let mut reader = XmlReader::new(Drip(text.as_bytes(), step), "part")?;
        let mut events = Vec::new();
        loop {
            events.push(match reader.next()? {
                Event::Open { name, attributes, empty } => {
                    let attributes: Vec<_> = attributes
                        .map(|(name, value)| format!("{}={}", String::from_utf8_lossy(name), unescape(value)))
                        .collect();
                    format!("+{}[{}]{empty}", String::from_utf8_lossy(name), attributes.join(","))
                }
                Event::Close(name) => format!("-{}", String::from_utf8_lossy(name)),
                Event::Text(text) => format!("t{}", unescape(text)),
                Event::Raw(text) => format!("r{}", String::from_utf8_lossy(text)),
                Event::End => return Ok(events),
            });
        }
    }

    #[test]
    fn events_do_not_depend_on_how_the_bytes_arrive() {
        let text =
            "<?xml version='1.0'?><!-- <a> --><x:a b=\"1>2\" x:c = 'd'><e/>t&amp;&#x41;&no;\r\n<![CDATA[<&]]></x:a >";
        let whole = events(text, 1000).unwrap();
        assert_eq!(whole, ["+a[b=1>2,c=d]false", "+e[]true", "tt&A&no;\n", "r<&", "-a"]);
        for step in 1..20 {
            assert_eq!(events(text, step).unwrap(), whole, "{step}");
        }
    }

    #[test]
    fn what_is_cut_or_declares_types_is_refused() {
        for text in
            ["<a", "<a>", "<a><b></b>", "</a>", "<!-- ", "<![CDATA[x", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "\u{0}"]
        {
            for step in [1, 7, 100] {
                assert_eq!(events(text, step).unwrap_err().code(), ErrorCode::MalformedFile, "{text}");
            }
        }
    }
}
