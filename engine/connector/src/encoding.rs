//! Text encodings: which one a file has, and its text as UTF-8, as a stream.
//!
//! A byte order mark decides, then the zero bytes of UTF-16, then validity as UTF-8; only what is left is guessed
//! ([`guess`]). Bytes that have no meaning in the encoding are an error with their place: U+FFFD is never put in.

mod guess;
mod transcode;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use velaria_contract::{Error, ErrorCode, Result};

pub(crate) use self::transcode::Transcoded;

/// How characters are written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    /// UTF-8.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// ISO-8859-1 as the standard has it: every byte is the character of that number. The web reads windows-1252
    /// instead, under the same name; here the two are different.
    Latin1,
    /// Any other, as the Encoding Standard of the web defines it.
    Legacy(&'static Encoding),
}

/// What an option says about the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    This(Charset),
    /// UTF-16 in the byte order that the file shows.
    Utf16,
}

/// The encoding of a file, and why.
#[derive(Debug, Clone)]
pub(crate) struct Detected {
    pub(crate) charset: Charset,
    /// The bytes of the byte order mark.
    pub(crate) bom_bytes: usize,
    /// Why it is this encoding.
    pub(crate) reason: String,
    /// What a person should look at, when it was guessed.
    pub(crate) warning: Option<String>,
}

/// Parts of a file that are looked at.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// The first bytes.
    pub(crate) head: Vec<u8>,
    /// Whether there are no others.
    pub(crate) whole: bool,
    /// Later parts, each of whole lines.
    pub(crate) later: Vec<Vec<u8>>,
}

impl Sample {
    /// The head without its byte order mark and without a line that may be cut, then the later parts.
    fn parts(&self, bom_bytes: usize) -> impl Iterator<Item = &[u8]> {
        let head = self.head.get(bom_bytes..).unwrap_or_default();
        let cut = if self.whole { None } else { memchr::memrchr(b'\n', head) };
        let head = cut.map_or(head, |end| &head[..=end]);
        std::iter::once(head).chain(self.later.iter().map(Vec::as_slice))
    }
}

impl Charset {
    /// The name of the option.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Utf8 => "utf-8".to_owned(),
            Self::Utf16Le => "utf-16le".to_owned(),
            Self::Utf16Be => "utf-16be".to_owned(),
            Self::Latin1 => "iso-8859-1".to_owned(),
            Self::Legacy(encoding) => encoding.name().to_lowercase().replace('_', "-"),
        }
    }

    fn named(name: &str) -> Result<Asked> {
        let plain = name.trim().to_lowercase().replace('_', "-");
        Ok(Asked::This(match plain.as_str() {
            "utf-8" | "utf8" | "utf-8-sig" => Self::Utf8,
            "utf-16" | "utf16" => return Ok(Asked::Utf16),
            "utf-16le" | "utf-16-le" | "utf16le" => Self::Utf16Le,
            "utf-16be" | "utf-16-be" | "utf16be" => Self::Utf16Be,
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "l1" => Self::Latin1,
            "cp932" => Self::Legacy(encoding_rs::SHIFT_JIS),
            "cp936" => Self::Legacy(encoding_rs::GBK),
            "cp949" => Self::Legacy(encoding_rs::EUC_KR),
            "cp950" => Self::Legacy(encoding_rs::BIG5),
            "euckr" => Self::Legacy(encoding_rs::EUC_KR),
            "eucjp" => Self::Legacy(encoding_rs::EUC_JP),
            _ => Self::Legacy(legacy(&plain).ok_or_else(|| unknown(name))?),
        }))
    }

    /// `bytes` as text, unless one of them has no meaning.
    fn decode(self, bytes: &[u8]) -> Option<String> {
        let encoding = match self {
            Self::Utf8 => return std::str::from_utf8(bytes).ok().map(str::to_owned),
            Self::Latin1 => return Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            Self::Legacy(encoding) => encoding,
        };
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
    }
}

/// The encoding of the standard with this label. Labels that the web reads as another encoding than they say are left out.
fn legacy(label: &str) -> Option<&'static Encoding> {
    let misread = ["ascii", "us-ascii", "ansi-x3.4-1968", "unicode", "ucs-2", "x-user-defined", "replacement"];
    if misread.contains(&label) {
        return None;
    }
    Encoding::for_label_no_replacement(label.as_bytes())
}

fn unknown(name: &str) -> Error {
    let error = Error::new(ErrorCode::InvalidArgument, format!("unknown encoding: {name}"));
    if name.to_lowercase().contains("32") {
        return error.with_hint("UTF-32 is not read: convert the file to UTF-8");
    }
    error.with_hint(
        "there are: utf-8, utf-16, utf-16le, utf-16be, gb18030, gbk, big5, shift-jis, euc-jp, euc-kr, iso-8859-1 \
         (latin-1), windows-1250 to windows-1258 and the others of the web; without the option it is found in the file",
    )
}

/// The encoding of a file with this sample, or the one that `asked` names.
///
/// # Errors
/// `VEL-7001` for a name that is not known and one that the byte order mark contradicts, `VEL-5002` for UTF-32,
/// `VEL-7003` when the sample does not say which of several encodings it is.
pub(crate) fn detect(sample: &Sample, asked: Option<&str>) -> Result<Detected> {
    let asked = asked.map(Charset::named).transpose()?;
    let marked = byte_order_mark(&sample.head)?;
    if let Some(asked) = asked {
        return given(asked, marked, sample);
    }
    if let Some((charset, bom_bytes)) = marked {
        return Ok(found(charset, bom_bytes, "the byte order mark".to_owned()));
    }
    if looks_like_utf32(&sample.head) {
        return Err(utf32());
    }
    if let Some(charset) = utf16_by_zeros(sample) {
        return Ok(found(charset, 0, "every other byte of many is zero".to_owned()));
    }
    match utf8(sample) {
        Some(reason) => Ok(found(Charset::Utf8, 0, reason.to_owned())),
        None => guess::guess(sample),
    }
}

fn found(charset: Charset, bom_bytes: usize, reason: String) -> Detected {
    Detected { charset, bom_bytes, reason, warning: None }
}

fn given(asked: Asked, marked: Option<(Charset, usize)>, sample: &Sample) -> Result<Detected> {
    let reason = || "the option says so".to_owned();
    match (asked, marked) {
        (Asked::Utf16, Some((charset @ (Charset::Utf16Le | Charset::Utf16Be), bom_bytes))) => {
            Ok(found(charset, bom_bytes, reason()))
        }
        (Asked::This(charset), Some((marked, bom_bytes))) if charset == marked => {
            Ok(found(charset, bom_bytes, reason()))
        }
        (_, Some((marked, _))) => {
            let message = format!("the file begins with the byte order mark of {}", marked.name());
            Err(Error::new(ErrorCode::InvalidArgument, message).with_hint("leave out the option encoding"))
        }
        (Asked::Utf16, None) => {
            let charset = utf16_by_zeros(sample).ok_or_else(|| {
                Error::new(ErrorCode::Ambiguous, "the byte order of utf-16 cannot be seen in the file")
                    .with_hint("say encoding=utf-16le or encoding=utf-16be")
            })?;
            Ok(found(charset, 0, reason()))
        }
        (Asked::This(charset), None) => Ok(found(charset, 0, reason())),
    }
}

fn byte_order_mark(head: &[u8]) -> Result<Option<(Charset, usize)>> {
    Ok(match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(utf32()),
        [0xef, 0xbb, 0xbf, ..] => Some((Charset::Utf8, 3)),
        [0xff, 0xfe, ..] => Some((Charset::Utf16Le, 2)),
        [0xfe, 0xff, ..] => Some((Charset::Utf16Be, 2)),
        _ => None,
    })
}

fn utf32() -> Error {
    Error::new(ErrorCode::InvalidEncoding, "the text is UTF-32, which is not read")
        .with_hint("convert the file to UTF-8")
}

/// Whether most characters are written with two or three zero bytes.
fn looks_like_utf32(head: &[u8]) -> bool {
    let (groups, _) = head.as_chunks::<4>();
    let pair = |first: u8, second: u8| u16::from_be_bytes([first, second]);
    let is_wide = |group: &&[u8; 4]| (pair(group[0], group[1]) == 0) != (pair(group[2], group[3]) == 0);
    let wide = groups.iter().filter(is_wide).count();
    groups.len() >= 2 && wide * 2 > groups.len()
}

/// UTF-16 without a mark: line ends, delimiters and digits have a zero byte, always on the same side, and text that is not
/// UTF-16 has hardly any.
fn utf16_by_zeros(sample: &Sample) -> Option<Charset> {
    let (units, odd) = sample.head.as_chunks::<2>();
    if units.is_empty() || (sample.whole && !odd.is_empty()) {
        return None;
    }
    let high_first = units.iter().filter(|unit| unit[0] == 0 && unit[1] != 0).count();
    let low_first = units.iter().filter(|unit| unit[0] != 0 && unit[1] == 0).count();
    let (charset, zeros, other) = if low_first > high_first {
        (Charset::Utf16Le, low_first, high_first)
    } else {
        (Charset::Utf16Be, high_first, low_first)
    };
    let line_end: [u8; 2] = if charset == Charset::Utf16Le { [b'\n', 0] } else { [0, b'\n'] };
    let lines = units.iter().filter(|unit| **unit == line_end).count();
    let certain = if lines == 0 || may_be_single_bytes(&sample.head) {
        zeros * 10 >= units.len() * 9
    } else {
        zeros * 10 >= units.len()
    };
    let even = sample.head.len() - odd.len();
    // The last character of a head may be cut.
    let cut = if sample.whole { 0 } else { 2 };
    let decodes = |end: usize| charset.decode(&sample.head[..end]).is_some();
    (certain && other * 50 <= zeros && (decodes(even) || decodes(even - cut))).then_some(charset)
}

/// Whether `head` could be a text of single bytes, or of UTF-8, with zero bytes in some fields.
fn may_be_single_bytes(head: &[u8]) -> bool {
    let is_text = |byte: &u8| matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' '..=b'~');
    head.iter().all(is_text) || (!head.is_ascii() && std::str::from_utf8(head).is_ok())
}

/// Why the sample is UTF-8, if it is.
fn utf8(sample: &Sample) -> Option<&'static str> {
    let (mut characters, mut faults) = (0_usize, 0_usize);
    for part in sample.parts(0) {
        for chunk in part.utf8_chunks() {
            characters += chunk.valid().bytes().filter(|byte| *byte >= 0xc0).count();
            faults += usize::from(!chunk.invalid().is_empty());
        }
    }
    let cut_at_end = sample.whole && std::str::from_utf8(&sample.head).is_err_and(|error| error.error_len().is_none());
    match (characters, faults) {
        (0, 0) => Some("the text is ASCII as far as it was looked at"),
        (_, 0) => Some("the text is valid UTF-8"),
        // A few damaged bytes do not make a text something else; the reader says where they are.
        (good, bad) if good >= 4 * bad => Some("nearly all of the text is valid UTF-8"),
        (_, 1) if cut_at_end => Some("the text is UTF-8 that ends inside a character"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Sample {
        Sample { head: bytes.to_vec(), whole: true, later: Vec::new() }
    }

    fn name_of(bytes: &[u8]) -> String {
        detect(&whole(bytes), None).unwrap().charset.name()
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn a_byte_order_mark_decides() {
        let detected = detect(&whole(b"\xef\xbb\xbfa\n"), None).unwrap();
        assert_eq!((detected.charset, detected.bom_bytes), (Charset::Utf8, 3));
        assert_eq!(name_of(b"\xff\xfea\0"), "utf-16le");
        assert_eq!(name_of(b"\xfe\xff\0a"), "utf-16be");
        for bytes in [&b"\xff\xfe\0\0a\0\0\0"[..], b"\0\0\xfe\xff\0\0\0a", b"a\0\0\0b\0\0\0\n\0\0\0"] {
            let error = detect(&whole(bytes), None).unwrap_err();
            assert_eq!(error.message(), "the text is UTF-32, which is not read");
        }
    }

    #[test]
    fn utf16_without_a_mark_is_known_by_its_zero_bytes() {
        for text in ["a,b\n1,x\n", "名前,都市\r\n田中,東京\r\n1,2\r\n", "姓名;城市\n张三;北京\n"] {
            assert_eq!(name_of(&utf16(text, false)), "utf-16le", "{text}");
            assert_eq!(name_of(&utf16(text, true)), "utf-16be", "{text}");
        }
    }

    #[test]
    fn zero_bytes_in_fields_do_not_make_utf16() {
        for bytes in
            [&b"a,b\n1,x\0y\n"[..], b"a\0b\n", b"\0\0\0\0\n\n", b"ab\0y", b"x\0\0\0y\n1\n2\n", b"a,b\n\0,\0\n\0,\0\n"]
        {
            assert_eq!(name_of(bytes), "utf-8", "{bytes:?}");
        }
    }

    #[test]
    fn a_head_that_ends_inside_a_character_is_what_it_is() {
        let text = "名前,都市\n".repeat(10);
        for end in 20..60 {
            let sample = |bytes: &[u8]| Sample { head: bytes[..end].to_vec(), whole: false, later: Vec::new() };
            assert_eq!(detect(&sample(text.as_bytes()), None).unwrap().charset, Charset::Utf8, "{end}");
            assert_eq!(detect(&sample(&utf16(&text, false)), None).unwrap().charset, Charset::Utf16Le, "{end}");
        }
    }

    #[test]
    fn utf8_with_few_damaged_bytes_stays_utf8() {
        assert_eq!(name_of("naïve, café, über, señor, \u{fffd}".as_bytes()), "utf-8");
        assert_eq!(name_of(b"na\xc3\xafve caf\xc3\xa9 \xc3\xbcber se\xc3\xb1or x\xff\n"), "utf-8");
        assert_eq!(name_of(b"a\ncaf\xc3"), "utf-8");
    }

    #[test]
    fn names_are_those_that_people_write() {
        for (name, is) in [
            ("UTF-8", "utf-8"),
            ("GBK", "gbk"),
            ("gb2312", "gbk"),
            ("GB18030", "gb18030"),
            ("Shift_JIS", "shift-jis"),
            ("sjis", "shift-jis"),
            ("euc_kr", "euc-kr"),
            ("Big5", "big5"),
            ("cp1252", "windows-1252"),
            ("Windows-1251", "windows-1251"),
            ("latin1", "iso-8859-1"),
            ("ISO-8859-1", "iso-8859-1"),
            ("iso-8859-2", "iso-8859-2"),
            ("utf-16le", "utf-16le"),
        ] {
            let Asked::This(charset) = Charset::named(name).unwrap() else { panic!("{name}") };
            assert_eq!(charset.name(), is, "{name}");
            let Asked::This(again) = Charset::named(&charset.name()).unwrap() else { panic!("{name}") };
            assert_eq!(again, charset);
        }
        for name in ["", "utf-32", "ascii", "klingon"] {
            assert_eq!(Charset::named(name).unwrap_err().code(), ErrorCode::InvalidArgument, "{name}");
        }
    }

    #[test]
    fn an_option_wins_unless_the_mark_says_otherwise() {
        let detected = detect(&whole("é\n".as_bytes()), Some("latin-1")).unwrap();
        assert_eq!(detected.charset, Charset::Latin1);
        let error = detect(&whole(b"\xef\xbb\xbfa\n"), Some("gbk")).unwrap_err();
        assert_eq!(error.message(), "the file begins with the byte order mark of utf-8");
        assert_eq!(detect(&whole(b"\xff\xfea\0"), Some("utf-16")).unwrap().charset, Charset::Utf16Le);
        assert_eq!(detect(&whole(b"\0a\0\n"), Some("utf-16")).unwrap().charset, Charset::Utf16Be);
        assert_eq!(detect(&whole(b"\x61\x62"), Some("utf-16")).unwrap_err().code(), ErrorCode::Ambiguous);
    }
}
