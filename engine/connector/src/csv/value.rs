//! The text of one field as a value.

use chrono::NaiveDate;

use super::dialect::DateOrder;

/// How the numbers of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberStyle {
    pub(crate) decimal: u8,
    pub(crate) thousands: Option<char>,
}

impl Default for NumberStyle {
    fn default() -> Self {
        Self { decimal: b'.', thousands: None }
    }
}

impl NumberStyle {
    /// `text` as a number is written elsewhere; `None` when it is none in this style.
    pub(crate) fn plain_text(self, text: &str) -> Option<String> {
        let mut buffer = Vec::new();
        String::from_utf8(self.plain(text.as_bytes(), &mut buffer)?.to_vec()).ok()
    }

    fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// `text` with a point and without groups, in `buffer`; `None` when its groups are not of three digits.
    fn plain<'a>(self, text: &[u8], buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        buffer.clear();
        let (whole, decimals) = match text.iter().position(|byte| *byte == self.decimal) {
            Some(point) => (&text[..point], Some(&text[point + 1..])),
            None => (text, None),
        };
        match self.thousands {
            Some(separator) => ungroup(whole, separator, buffer)?,
            // With another decimal character a point is no part of a number.
            None if whole.contains(&b'.') => return None,
            None => buffer.extend_from_slice(whole),
        }
        if let Some(decimals) = decimals {
            if decimals.contains(&b'.') || decimals.contains(&self.decimal) {
                return None;
            }
            buffer.push(b'.');
            buffer.extend_from_slice(decimals);
        }
        Some(buffer)
    }
}

/// Adds the digits of `1.234.567` to `out`: the first group has one to three digits, the others have three.
fn ungroup(text: &[u8], separator: char, out: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4];
    let separator = separator.encode_utf8(&mut bytes).as_bytes();
    let (sign, mut rest) = match text {
        [sign @ (b'-' | b'+'), rest @ ..] => (Some(*sign), rest),
        _ => (None, text),
    };
    out.extend(sign);
    let mut first = true;
    loop {
        let end = memchr::memmem::find(rest, separator);
        let group = end.map_or(rest, |end| &rest[..end]);
        let grouped = !first || end.is_some();
        let fits = if first { group.len() <= 3 } else { group.len() == 3 };
        if grouped && !(fits && !group.is_empty() && group.iter().all(u8::is_ascii_digit)) {
            return None;
        }
        out.extend_from_slice(group);
        let Some(end) = end else { return Some(()) };
        rest = &rest[end + separator.len()..];
        first = false;
    }
}

/// A whole number. `canonical` refuses what a number would not keep: leading zeros, a plus sign and a negative zero.
#[inline]
pub(crate) fn integer(text: &[u8], canonical: bool) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] if !canonical => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 && canonical {
        return None;
    }
    if canonical && digits[0] == b'0' && (digits.len() > 1 || negative) {
        return None;
    }
    let magnitude = if digits.len() <= 18 { short(digits)? } else { long(digits)? };
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => Some(value),
        (true, Ok(value)) => Some(-value),
        (true, Err(_)) if magnitude == i64::MIN.unsigned_abs() => Some(i64::MIN),
        (_, Err(_)) => None,
    }
}

/// Up to 18 digits, which cannot overflow.
#[inline(always)]
fn short(digits: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    let mut rest = digits;
    if let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        value = eight_digits(*eight)?;
        rest = tail;
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(value)
}

/// Eight digits at once: pairs, then fours, then all. Lemire, "Quickly parsing eight digits" (2018).
#[inline(always)]
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    let text = u64::from_le_bytes(bytes);
    let are_digits = (text & 0xf0f0_f0f0_f0f0_f0f0) == 0x3030_3030_3030_3030
        && (text.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0) == 0x3030_3030_3030_3030;
    if !are_digits {
        return None;
    }
    let ones = text & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (ones.wrapping_mul(10).wrapping_add(ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

fn long(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A whole number in the style of the file.
pub(crate) fn styled_integer(text: &[u8], canonical: bool, style: NumberStyle, buffer: &mut Vec<u8>) -> Option<i64> {
    if style.is_plain() {
        return integer(text, canonical);
    }
    integer(style.plain(text, buffer)?, canonical)
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A number with a point or an exponent, the nearest double. Numbers beyond the range of doubles are none.
#[inline]
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    simple_float(text).or_else(|| any_float(text))
}

/// Up to 15 digits and no exponent: digits and power of ten are exact doubles, so one division rounds once (Clinger, "How
/// to read floating point numbers accurately", PLDI 1990).
#[inline(always)]
fn simple_float(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut value = 0_u64;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if *byte == b'.' && point.is_none() {
            point = Some(index);
        } else {
            return None;
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point - 1);
    if value > 1 << 53 || point.is_some() && digits.len() == 1 {
        return None;
    }
    let number = value as f64 / POWERS.get(decimals)?;
    Some(if negative { -number } else { number })
}

fn any_float(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let said = text.iter().any(|byte| matches!(byte, b'i' | b'I'));
    (number.is_finite() || number.is_nan() || said).then_some(number)
}

/// A number in the style of the file.
pub(crate) fn styled_float(text: &[u8], style: NumberStyle, buffer: &mut Vec<u8>) -> Option<f64> {
    if style.is_plain() {
        return float(text);
    }
    float(style.plain(text, buffer)?)
}

/// Whether a number is a word: `nan` or `inf`.
pub(crate) fn is_number_word(text: &[u8]) -> bool {
    let word = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    ["nan", "inf", "infinity"].iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// `true` or `false`, in any case.
#[inline]
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// The days since 1970 of a date with a year of four digits.
#[inline]
pub(crate) fn date(text: &[u8], order: DateOrder) -> Option<i32> {
    if order == DateOrder::YearMonthDay
        && let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text
    {
        return days(number(&[*y0, *y1, *y2, *y3])?, number(&[*m0, *m1])?, number(&[*d0, *d1])?);
    }
    let separator = *text.iter().find(|byte| !byte.is_ascii_digit())?;
    if !matches!(separator, b'-' | b'/' | b'.') {
        return None;
    }
    let mut parts = text.split(|byte| *byte == separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || second.len() > 2 {
        return None;
    }
    let (year, month, day) = match order {
        DateOrder::YearMonthDay => (first, second, third),
        DateOrder::DayMonthYear => (third, second, first),
        DateOrder::MonthDayYear => (third, first, second),
    };
    if year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    days(number(year)?, number(month)?, number(day)?)
}

#[inline]
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| value * 10 + u32::from(digit))
    })
}

#[inline]
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let since = date.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(since).ok()
}

/// A time of day in nanoseconds, with the number of digits of its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeOfDay {
    pub(crate) nanoseconds: i64,
    pub(crate) digits: usize,
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction`.
pub(crate) fn time(text: &[u8]) -> Option<TimeOfDay> {
    let [h0, h1, b':', m0, m1, rest @ ..] = text else { return None };
    let (hour, minute) = (number(&[*h0, *h1])?, number(&[*m0, *m1])?);
    let (second, fraction) = match rest {
        [] => (0, &[][..]),
        [b':', s0, s1] => (number(&[*s0, *s1])?, &[][..]),
        [b':', s0, s1, b'.', fraction @ ..] if !fraction.is_empty() => (number(&[*s0, *s1])?, fraction),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
        return None;
    }
    let scale = 10_i64.pow(9 - u32::try_from(fraction.len()).ok()?);
    let nanoseconds = if fraction.is_empty() { 0 } else { i64::from(number(fraction)?) * scale };
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some(TimeOfDay { nanoseconds: seconds * 1_000_000_000 + nanoseconds, digits: fraction.len() })
}

/// A date and a time of day, perhaps with a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    pub(crate) days: i32,
    pub(crate) time: TimeOfDay,
    /// The seconds that the zone is ahead of UTC, when the text has a zone.
    pub(crate) offset: Option<i32>,
}

impl Instant {
    /// Microseconds since 1970, in UTC when there is a zone. A finer fraction is none.
    pub(crate) fn microseconds(self) -> Option<i64> {
        let nanoseconds = self.time.nanoseconds;
        (nanoseconds % 1000 == 0).then(|| self.seconds() * 1_000_000 + nanoseconds / 1000)
    }

    /// Nanoseconds since 1970, when they fit.
    pub(crate) fn nanoseconds(self) -> Option<i64> {
        self.seconds().checked_mul(1_000_000_000)?.checked_add(self.time.nanoseconds)
    }

    /// The seconds of day and zone, without the time of day.
    fn seconds(self) -> i64 {
        i64::from(self.days) * 86_400 - i64::from(self.offset.unwrap_or(0))
    }
}

/// A date, `T` or a blank, and a time of day, with `Z` or an offset; or a date alone, which is its midnight.
pub(crate) fn timestamp(text: &[u8], order: DateOrder) -> Option<Instant> {
    let midnight = TimeOfDay { nanoseconds: 0, digits: 0 };
    let Some(split) = text.iter().position(|byte| matches!(byte, b'T' | b' ')) else {
        return Some(Instant { days: date(text, order)?, time: midnight, offset: None });
    };
    let (day, rest) = (&text[..split], &text[split + 1..]);
    let (clock, offset) = zone(rest)?;
    Some(Instant { days: date(day, order)?, time: time(clock)?, offset })
}

/// The time of day in front of a zone, and the seconds that the zone is ahead of UTC.
fn zone(text: &[u8]) -> Option<(&[u8], Option<i32>)> {
    if let Some(clock) = text.strip_suffix(b"Z") {
        return Some((clock, Some(0)));
    }
    let Some(sign) = text.iter().position(|byte| matches!(byte, b'+' | b'-')) else { return Some((text, None)) };
    let (clock, offset) = text.split_at(sign);
    let (hours, minutes) = match offset {
        [_, h0, h1, b':', m0, m1] | [_, h0, h1, m0, m1] => (number(&[*h0, *h1])?, number(&[*m0, *m1])?),
        [_, h0, h1] => (number(&[*h0, *h1])?, 0),
        _ => return None,
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    Some((clock.trim_ascii_end(), Some(if offset[0] == b'-' { -seconds } else { seconds })))
}

/// A whole number of at most 38 digits.
pub(crate) fn big_integer(text: &[u8]) -> Option<i128> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || digits.len() > 38 || digits[0] == b'0' && text.len() > 1 {
        return None;
    }
    let value = digits
        .iter()
        .try_fold(0_i128, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i128::from(byte - b'0')))?;
    Some(if digits.len() < text.len() { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_keep_their_text() {
        for (text, value) in [("0", 0), ("-7", -7), ("12345678", 12_345_678), ("9223372036854775807", i64::MAX)] {
            assert_eq!(integer(text.as_bytes(), true), Some(value), "{text}");
        }
        assert_eq!(integer(b"-9223372036854775808", true), Some(i64::MIN));
        for text in ["", "-", "+5", "007", "-0", "9223372036854775808", "1.0", "12345678x", "1 ", "x2345678"] {
            assert_eq!(integer(text.as_bytes(), true), None, "{text}");
        }
        assert_eq!(integer(b"+007", false), Some(7));
    }

    #[test]
    fn groups_have_three_digits() {
        let german = NumberStyle { decimal: b',', thousands: Some('.') };
        let read = |text: &str| styled_float(text.as_bytes(), german, &mut Vec::new());
        assert_eq!(read("1.234,5"), Some(1234.5));
        assert_eq!(read("-1.234.567"), Some(-1_234_567.0));
        assert_eq!(read("0,25"), Some(0.25));
        for text in ["1.23,5", "1.2345", ".123", "1..234", "1,2,3", "1,234.5"] {
            assert_eq!(read(text), None, "{text}");
        }
        let comma = NumberStyle { decimal: b',', thousands: None };
        assert_eq!(styled_float(b"1.5", comma, &mut Vec::new()), None);
    }

    #[test]
    fn numbers_out_of_range_are_none() {
        assert_eq!(float(b"1e999"), None);
        assert_eq!(float(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(float(b"."), None);
        assert_eq!(float(b"1e5"), Some(1e5));
    }

    #[test]
    fn dates_are_real_days_in_the_order_of_the_column() {
        use DateOrder::{DayMonthYear, MonthDayYear, YearMonthDay};
        assert_eq!(date(b"1970-01-02", YearMonthDay), Some(1));
        assert_eq!(date(b"31.12.1969", DayMonthYear), Some(-1));
        assert_eq!(date(b"1/2/1970", MonthDayYear), Some(1));
        assert_eq!(date(b"2/1/1970", DayMonthYear), Some(1));
        for text in ["2024-02-30", "2024-13-01", "31/12/24", "1/2", "20240101", "2024-1", "1/2/1970/3"] {
            assert_eq!(date(text.as_bytes(), DayMonthYear), None, "{text}");
        }
    }

    #[test]
    fn timestamps_know_their_zone() {
        let read = |text: &str| timestamp(text.as_bytes(), DateOrder::YearMonthDay);
        assert_eq!(read("1970-01-01 00:00:01").unwrap().microseconds(), Some(1_000_000));
        assert_eq!(read("1970-01-01T01:00:00.5+01:00").unwrap().microseconds(), Some(500_000));
        assert_eq!(read("1970-01-01T00:00:00Z").unwrap().offset, Some(0));
        assert_eq!(read("1970-01-01T00:00:00.000000001").unwrap().microseconds(), None);
        assert_eq!(read("1970-01-01T00:00:00.000000001").unwrap().nanoseconds(), Some(1));
        for text in ["1970-01-01 24:00:00", "1970-01-01 10", "1970-01-01T10:00:00+1", "1970-01-01 10:00:00 PM"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn floats_are_those_of_the_standard_library(text in "-?[0-9]{0,20}(\\.[0-9]{0,12})?(e-?[0-9]{1,2})?") {
            let expected = text.parse::<f64>().ok();
            prop_assert_eq!(float(text.as_bytes()).map(f64::to_bits), expected.map(f64::to_bits));
        }

        #[test]
        fn integers_are_those_of_the_standard_library(text in "[-+]?[0-9]{0,21}x?") {
            prop_assert_eq!(integer(text.as_bytes(), false), text.parse::<i64>().ok());
        }
    }
}
