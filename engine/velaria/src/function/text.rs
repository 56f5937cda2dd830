//! Functions over text. Lengths and places count characters, from 1.

use datafusion::error::Result;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::kernel::{Kind, Row, Spec, Value, invalid};

use Kind::{Bool, Bytes, Countable, Float, Int, Text, TextOrBytes, Texts};

/// Longer texts are refused by the functions whose time grows with the square of the length.
const DISTANCE_CHARACTERS_MAX: usize = 10_000;

/// Wider bars are refused.
const BAR_WIDTH_MAX: f64 = 1000.0;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("len", &[Countable], Int, |row| int(row.count(0))),
    Spec::new("strlen", &[Text], Int, |row| int(row.text(0).len())),
    Spec::new("unicode", &[Text], Int, |row| {
        Ok(Value::Int(row.text(0).chars().next().map_or(-1, |character| i64::from(u32::from(character)))))
    })
    .or(&["ord"]),
    Spec::new("prefix", &[Text, Text], Bool, |row| Ok(Value::Bool(row.text(0).starts_with(row.text(1))))),
    Spec::new("suffix", &[Text, Text], Bool, |row| Ok(Value::Bool(row.text(0).ends_with(row.text(1))))),
    Spec::new("string_split", &[Text, Text], Texts, |row| Ok(Value::Texts(split(row.text(0), row.text(1)))))
        .or(&["str_split", "split"]),
    Spec::new("hex", &[TextOrBytes], Text, |row| text(hex(row.bytes(0)))).or(&["to_hexadecimal"]),
    Spec::new("unhex", &[Text], Bytes, unhex).or(&["from_hex"]),
    Spec::new("bin", &[Int], Text, |row| text(format!("{:b}", row.int(0)))).or(&["to_binary"]),
    Spec::new("to_base", &[Int, Int, Int], Text, to_base).optional(1),
    Spec::new("strip_accents", &[Text], Text, |row| text(strip_accents(row.text(0)))),
    Spec::new("nfc_normalize", &[Text], Text, |row| {
        text(ComposingNormalizerBorrowed::new_nfc().normalize(row.text(0)).into_owned())
    }),
    Spec::new("hamming", &[Text, Text], Int, hamming).or(&["mismatches"]),
    Spec::new("damerau_levenshtein", &[Text, Text], Int, |row| {
        check_distance(row)?;
        int(strsim::damerau_levenshtein(row.text(0), row.text(1)))
    }),
    Spec::new("jaro_similarity", &[Text, Text], Float, |row| {
        check_distance(row)?;
        Ok(Value::Float(strsim::jaro(row.text(0), row.text(1))))
    }),
    Spec::new("jaro_winkler_similarity", &[Text, Text], Float, |row| {
        check_distance(row)?;
        Ok(Value::Float(strsim::jaro_winkler(row.text(0), row.text(1))))
    }),
    Spec::new("jaccard", &[Text, Text], Float, jaccard),
    Spec::new("bar", &[Float, Float, Float, Float], Text, bar).optional(1),
    Spec::new("url_encode", &[Text], Text, |row| text(url_encode(row.text(0)))),
    Spec::new("url_decode", &[Text], Text, |row| text(url_decode(row.text(0))?)),
    Spec::new("format_bytes", &[Int], Text, |row| text(format_bytes(row.int(0)))).or(&["pg_size_pretty"]),
    Spec::new("parse_filename", &[Text], Text, |row| text(file_name(row.text(0)).to_owned())),
    Spec::new("parse_dirpath", &[Text], Text, |row| text(folder(row.text(0)).to_owned())),
    Spec::new("quote_literal", &[Text], Text, |row| text(format!("'{}'", row.text(0).replace('\'', "''")))),
    Spec::new("quote_ident", &[Text], Text, |row| text(format!("\"{}\"", row.text(0).replace('"', "\"\"")))),
];

#[expect(clippy::unnecessary_wraps, reason = "has the shape of what a function returns")]
fn text(value: String) -> Result<Value> {
    Ok(Value::Text(value))
}

#[expect(clippy::unnecessary_wraps, reason = "has the shape of what a function returns")]
fn int(value: usize) -> Result<Value> {
    Ok(Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// An empty separator separates every character.
fn split(value: &str, separator: &str) -> Vec<Option<String>> {
    if separator.is_empty() {
        return value.chars().map(|character| Some(character.to_string())).collect();
    }
    value.split(separator).map(|part| Some(part.to_owned())).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn unhex(row: &Row<'_>) -> Result<Value> {
    let digits: Option<Vec<u8>> = row.text(0).chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
    let Some(digits) = digits else { return Err(invalid(format!("not hexadecimal: '{}'", row.text(0)))) };
    // An odd number of digits is read as if a zero stood in front.
    let padded: Vec<u8> = std::iter::repeat_n(0, digits.len() % 2).chain(digits).collect();
    Ok(Value::Bytes(padded.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()))
}

fn to_base(row: &Row<'_>) -> Result<Value> {
    let (number, base, width) = (row.int(0), row.int(1), row.int(2));
    let (Ok(mut rest), Ok(base @ 2..=36)) = (u64::try_from(number), u32::try_from(base)) else {
        return Err(invalid("to_base takes a number that is not negative and a base of 2 to 36"));
    };
    let Ok(width @ 0..=64) = usize::try_from(width) else {
        return Err(invalid("to_base fills up to at most 64 digits"));
    };
    let mut digits = Vec::new();
    while rest > 0 || digits.is_empty() {
        let digit = u32::try_from(rest % u64::from(base)).unwrap_or_default();
        digits.push(char::from_digit(digit, base).unwrap_or('0').to_ascii_uppercase());
        rest /= u64::from(base);
    }
    while digits.len() < width {
        digits.push('0');
    }
    text(digits.into_iter().rev().collect())
}

fn strip_accents(value: &str) -> String {
    let is_mark = |character: &char| matches!(u32::from(*character), 0x300..=0x36F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F);
    let plain: String = DecomposingNormalizerBorrowed::new_nfd()
        .normalize(value)
        .chars()
        .filter(|character| !is_mark(character))
        .collect();
    ComposingNormalizerBorrowed::new_nfc().normalize(&plain).into_owned()
}

fn hamming(row: &Row<'_>) -> Result<Value> {
    strsim::hamming(row.text(0), row.text(1))
        .map_or_else(|_| Err(invalid("hamming compares texts of the same length")), int)
}

fn check_distance(row: &Row<'_>) -> Result<()> {
    if row.text(0).len().max(row.text(1).len()) <= DISTANCE_CHARACTERS_MAX {
        return Ok(());
    }
    Err(invalid(format!("texts of more than {DISTANCE_CHARACTERS_MAX} bytes cannot be compared by this function")))
}

/// The part of the characters of both texts that both have.
fn jaccard(row: &Row<'_>) -> Result<Value> {
    use std::collections::BTreeSet;
    let (left, right): (BTreeSet<char>, BTreeSet<char>) =
        (row.text(0).chars().collect(), row.text(1).chars().collect());
    if left.is_empty() || right.is_empty() {
        return Err(invalid("jaccard takes texts that are not empty"));
    }
    let common = left.intersection(&right).count();
    let all = left.union(&right).count();
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^21 characters")]
    Ok(Value::Float(common as f64 / all as f64))
}

/// A bar of eighths of a character.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 8000")]
fn bar(row: &Row<'_>) -> Result<Value> {
    let (value, least, most) = (row.float(0), row.float(1), row.float(2));
    let width = if row.has(3) { row.float(3) } else { 80.0 };
    if !(least < most && (1.0..=BAR_WIDTH_MAX).contains(&width)) {
        return Err(invalid("bar takes a least value below the greatest, and a width of 1 to 1000"));
    }
    let part = ((value - least) / (most - least)).clamp(0.0, 1.0);
    let eighths = if part.is_nan() { 0 } else { (part * width * 8.0) as usize };
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied().unwrap_or_default();
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(rest);
    let missing = (width as usize).saturating_sub(bar.chars().count());
    bar.push_str(&" ".repeat(missing));
    text(bar)
}

fn url_encode(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// A per cent sign without two hexadecimal digits stands for itself.
fn url_decode(value: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let code = pair.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid("the decoded text is not UTF-8"))
}

#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn format_bytes(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    let size = bytes.unsigned_abs();
    if size < 1024 {
        return format!("{sign}{size} bytes");
    }
    let mut size = size as f64;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    format!("{sign}{size:.1} {unit}")
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn folder(path: &str) -> &str {
    path.rfind(['/', '\\']).and_then(|end| path.get(..end)).unwrap_or_default()
}
