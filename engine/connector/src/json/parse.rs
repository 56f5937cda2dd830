//! JSON text, value by value, without copies: what is read is told to the caller, what is not wanted is checked and passed
//! over.
//!
//! The grammar is that of RFC 8259, to the letter.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

/// How deep arrays and objects may stand in each other: reading them recurses.
const DEPTH_MAX: usize = 128;

/// What is wrong, and at which byte of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) kind: FaultKind,
    pub(super) what: String,
}

/// Whether the text is no JSON, or not the JSON that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    Syntax,
    Type,
    /// A name stands twice in an object.
    Repeated,
}

impl Fault {
    /// This fault, with the value that is there.
    pub(super) fn but_found(mut self, value: &str) -> Self {
        const SHOWN_CHARS: usize = 40;
        let shown: String = value.chars().take(SHOWN_CHARS).collect();
        let more = if shown.len() < value.len() { "…" } else { "" };
        self.what = format!("{}, found {shown}{more}", self.what);
        self
    }

    /// This fault, with the name of the member it is in.
    pub(super) fn inside(mut self, name: &str) -> Self {
        if self.kind == FaultKind::Type && !self.what.starts_with("column ") {
            self.what = format!("column {name}: {}", self.what);
        }
        self
    }
}

pub(super) type Parsed<T> = Result<T, Fault>;

/// The kind of the value that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

/// A number as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    /// Neither a point nor an exponent.
    pub(super) whole: bool,
}

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// The kind of the next value, which stays where it is.
    pub(super) fn kind(&mut self) -> Parsed<Kind> {
        self.blanks();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::Text),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            _ => Err(self.unexpected("a value")),
        }
    }

    pub(super) fn null(&mut self) -> Parsed<()> {
        self.word("null")
    }

    pub(super) fn bool(&mut self) -> Parsed<bool> {
        if self.peek() == Some(b't') { self.word("true").map(|()| true) } else { self.word("false").map(|()| false) }
    }

    pub(super) fn number(&mut self) -> Parsed<Number<'a>> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'+' | b'-')) {
            return Err(self.unexpected("the end of the number"));
        }
        Ok(Number { text: self.text.get(start..self.at).unwrap_or_default(), whole })
    }

    pub(super) fn text(&mut self) -> Parsed<Cow<'a, str>> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.end_of_run()?;
        let run = self.text.get(start..end).unwrap_or_default();
        if self.take(b'"') {
            return Ok(Cow::Borrowed(run));
        }
        let mut owned = run.to_owned();
        loop {
            if self.take(b'"') {
                return Ok(Cow::Owned(owned));
            }
            owned.push(self.escape()?);
            let start = self.at;
            let end = self.end_of_run()?;
            owned.push_str(self.text.get(start..end).unwrap_or_default());
        }
    }

    /// Reads `[…]`, calling `item` before each of the values.
    pub(super) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        self.expect(b'[')?;
        self.deeper()?;
        self.blanks();
        if !self.take(b']') {
            loop {
                self.blanks();
                item(self)?;
                self.blanks();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.unexpected("a comma or the end of the array"));
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads `{…}`, calling `entry` with each of the names, before its value.
    pub(super) fn object(&mut self, mut entry: impl FnMut(&mut Self, Cow<'a, str>) -> Parsed<()>) -> Parsed<()> {
        self.expect(b'{')?;
        self.deeper()?;
        self.blanks();
        if !self.take(b'}') {
            loop {
                self.blanks();
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected("a name in double quotes"));
                }
                let name = self.text()?;
                self.blanks();
                if !self.take(b':') {
                    return Err(self.unexpected("a colon"));
                }
                self.blanks();
                entry(self, name)?;
                self.blanks();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.unexpected("a comma or the end of the object"));
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Passes over the next value and gives its text.
    pub(super) fn skip(&mut self) -> Parsed<&'a str> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Null => self.null()?,
            Kind::Bool => self.bool().map(|_| ())?,
            Kind::Number => self.number().map(|_| ())?,
            Kind::Text => self.text().map(|_| ())?,
            Kind::Array => self.array(|parser| parser.skip().map(|_| ()))?,
            Kind::Object => self.object(|parser, _| parser.skip().map(|_| ()))?,
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self) -> Parsed<()> {
        self.blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(self.unexpected("the end of the line")) }
    }

    /// A fault about the value that comes next.
    pub(super) fn not_wanted(&self, what: impl Into<String>) -> Fault {
        Fault { at: self.at, kind: FaultKind::Type, what: what.into() }
    }

    fn unexpected(&self, expected: &str) -> Fault {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => format!("{found:?}"),
            None => "the end".to_owned(),
        };
        Fault { at: self.at, kind: FaultKind::Syntax, what: format!("expected {expected}, found {found}") }
    }

    fn malformed(&self, what: &str) -> Fault {
        Fault { at: self.at, kind: FaultKind::Syntax, what: what.to_owned() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&format!("{:?}", char::from(byte)))) }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> Parsed<()> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Parsed<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(self.malformed("values are nested too deep")) } else { Ok(()) }
    }

    /// Goes to the quote or backslash that ends a run of plain characters.
    fn end_of_run(&mut self) -> Parsed<usize> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let Some(length) = memchr2(b'"', b'\\', rest) else {
            return Err(self.malformed("a text is not closed"));
        };
        let run = rest.get(..length).unwrap_or_default();
        let control = match memchr3(b'\n', b'\r', b'\t', run) {
            Some(found) => Some(found),
            None => run.iter().position(|byte| *byte < 0x20),
        };
        if let Some(control) = control {
            self.at += control;
            return Err(self.malformed("a control character stands in a text"));
        }
        self.at += length;
        Ok(self.at)
    }

    fn escape(&mut self) -> Parsed<char> {
        let start = self.at;
        self.expect(b'\\')?;
        let code = self.peek();
        self.at += usize::from(code.is_some_and(|byte| byte.is_ascii()));
        Ok(match code {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => {
                self.at = start;
                return Err(self.malformed("an unknown escape stands in a text"));
            }
        })
    }

    fn unicode(&mut self, start: usize) -> Parsed<char> {
        let first = self.hex()?;
        let code = match first {
            0xD800..=0xDBFF if self.take(b'\\') && self.take(b'u') => {
                let second = self.hex()?;
                (0xDC00..=0xDFFF).contains(&second).then(|| 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            }
            other => Some(other),
        };
        code.and_then(char::from_u32).ok_or_else(|| {
            self.at = start;
            self.malformed("half of a surrogate pair stands in a text")
        })
    }

    fn hex(&mut self) -> Parsed<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.unexpected("four hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn skip(text: &str) -> Parsed<String> {
        let mut parser = Parser::new(text);
        let value = parser.skip()?.to_owned();
        parser.end()?;
        Ok(value)
    }

    #[test]
    fn what_is_no_json_is_refused_at_its_byte() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("01", 1),
            ("1.", 2),
            ("-", 1),
            ("\"a", 1),
            ("\"\\x\"", 1),
            ("\"\\ud800\"", 1),
            ("\"\u{1}\"", 1),
            ("nul", 0),
            ("1 2", 2),
            ("{a:1}", 1),
            ("\"\\u12é4\"", 3),
            ("+1", 0),
            ("NaN", 0),
        ] {
            assert_eq!(skip(text).unwrap_err().at, at, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(skip(&deep).unwrap_err().what, "values are nested too deep");
    }

    #[test]
    fn escapes_are_the_characters_that_they_stand_for() {
        let mut parser = Parser::new(r#""a\"\\\/\b\f\n\r\té😀b""#);
        assert_eq!(parser.text().unwrap(), "a\"\\/\u{8}\u{c}\n\r\té😀b");
        let mut parser = Parser::new("\"plain é\"");
        assert!(matches!(parser.text().unwrap(), Cow::Borrowed("plain é")));
    }

    proptest! {
        #[test]
        fn agrees_with_the_other_parser(text in r#"[\[\]{}:,"0-9eE.+\-\\untrfals a]{0,24}"#) {
            prop_assert_eq!(skip(&text).is_ok(), serde_json::from_str::<serde_json::Value>(&text).is_ok() || is_big(&text));
        }

        #[test]
        fn texts_come_back(text in "\\PC*|[\\x00-\\x7f]*") {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(Parser::new(&written).text().unwrap(), text);
        }
    }

    /// Numbers beyond the range of a double are JSON; the other parser refuses them.
    fn is_big(text: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(text).is_err_and(|error| error.to_string().contains("out of range"))
    }
}
