//! Times as text: ISO 8601 dates and date-times, and milliseconds since 1970 as digits.

use std::fmt::Write;

const DAY_SECONDS: i64 = 86_400;

/// The time that `text` says, in milliseconds since 1970 in UTC, rounded down; `None` when it says none.
///
/// A date, or a date and a time of day with `T` or a blank between; seconds and their fraction may be missing; without a zone
/// (`Z`, `+02`, `+0200`, `+02:00`) it is UTC. Years that do not have four digits carry a sign. A whole number is milliseconds.
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    if text.as_bytes().get(4) != Some(&b'-')
        && let Ok(milliseconds) = text.parse()
    {
        return Some(milliseconds);
    }
    let mut rest = Rest(text.as_bytes());
    let days = rest.date()?;
    let time = if rest.0.is_empty() { TimeOfDay::default() } else { rest.time_of_day()? };
    let seconds = days * DAY_SECONDS + time.seconds - time.offset_seconds;
    // A leap second is the last one of a day in UTC.
    if !rest.0.is_empty() || (time.is_leap && seconds.rem_euclid(DAY_SECONDS) != 0) {
        return None;
    }
    i64::try_from(i128::from(seconds) * 1_000 + i128::from(time.milliseconds)).ok()
}

/// Writes a time as `YYYY-MM-DDTHH:MM:SS`, with three digits of a fraction if it has one.
pub(super) fn write_ms(milliseconds: i64, text: &mut String) {
    let (seconds, fraction) = (milliseconds.div_euclid(1_000), milliseconds.rem_euclid(1_000));
    let (days, second) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil_from_days(days);
    write_year(year, text);
    push_part(text, '-', month);
    push_part(text, '-', day);
    push_part(text, 'T', second / 3_600);
    push_part(text, ':', second / 60 % 60);
    push_part(text, ':', second % 60);
    if fraction != 0 {
        text.push('.');
        push_digit(text, fraction / 100);
        push_digit(text, fraction / 10 % 10);
        push_digit(text, fraction % 10);
    }
}

fn write_year(year: i64, text: &mut String) {
    if (0..10_000).contains(&year) {
        push_digit(text, year / 1_000);
        push_digit(text, year / 100 % 10);
        push_digit(text, year / 10 % 10);
        push_digit(text, year % 10);
    } else {
        // Writing to a string cannot fail.
        let _ = write!(text, "{year:+05}");
    }
}

fn push_part(text: &mut String, before: char, value: i64) {
    text.push(before);
    push_digit(text, value / 10);
    push_digit(text, value % 10);
}

fn push_digit(text: &mut String, digit: i64) {
    // From 0 to 9.
    text.push(char::from(b'0' + digit as u8));
}

/// A time of day, and how far its zone is ahead of UTC.
#[derive(Default)]
struct TimeOfDay {
    seconds: i64,
    milliseconds: i64,
    offset_seconds: i64,
    is_leap: bool,
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Days since 1970.
    fn date(&mut self) -> Option<i64> {
        let year = self.year()?;
        self.one_of(b"-")?;
        let month = self.two_digits()?;
        self.one_of(b"-")?;
        let day = self.two_digits()?;
        ((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day))
            .then(|| days_from_civil(year, month, day))
    }

    fn time_of_day(&mut self) -> Option<TimeOfDay> {
        self.one_of(b"Tt ")?;
        let hour = self.two_digits()?;
        self.one_of(b":")?;
        let minute = self.two_digits()?;
        let second = if self.one_of(b":").is_some() { self.two_digits()? } else { 0 };
        let milliseconds = if self.one_of(b".,").is_some() { self.milliseconds()? } else { 0 };
        let offset_seconds = self.offset()?;
        (hour < 24 && minute < 60 && second <= 60).then_some(TimeOfDay {
            seconds: hour * 3_600 + minute * 60 + second,
            milliseconds,
            offset_seconds,
            is_leap: second == 60,
        })
    }

    /// Four digits, or a sign and four to nine.
    fn year(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"+-") {
            None => return Some(self.two_digits()? * 100 + self.two_digits()?),
            Some(b'-') => -1,
            Some(_) => 1,
        };
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length).filter(|_| (4..=9).contains(&length))?;
        self.0 = rest;
        Some(sign * digits.iter().fold(0, |year, digit| year * 10 + i64::from(digit - b'0')))
    }

    /// The digits of a fraction; what is smaller than a millisecond is cut off.
    fn milliseconds(&mut self) -> Option<i64> {
        let mut milliseconds = 0;
        let mut weight = 100;
        let mut rest = self.0;
        while let Some((digit, after)) = rest.split_first().filter(|(byte, _)| byte.is_ascii_digit()) {
            milliseconds += i64::from(digit - b'0') * weight;
            weight /= 10;
            rest = after;
        }
        let found = rest.len() < self.0.len();
        self.0 = rest;
        found.then_some(milliseconds)
    }

    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-") {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Some(0),
        };
        let hours = self.two_digits()?;
        let minutes = match self.one_of(b":") {
            None if self.0.is_empty() => 0,
            _ => self.two_digits()?,
        };
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
    }

    fn two_digits(&mut self) -> Option<i64> {
        match self.0 {
            [tens, ones, rest @ ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => {
                self.0 = rest;
                Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
            }
            _ => None,
        }
    }

    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first().filter(|(first, _)| wanted.contains(first))?;
        self.0 = rest;
        Some(*first)
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that a leap day is the last one.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // The months from March on have 31, 30, 31, 30, 31 days, again and again: 153 in five.
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - DAYS_TO_1970
}

/// From the first of March of the year 0.
const DAYS_TO_1970: i64 = 719_468;
const DAYS_IN_400_YEARS: i64 = 146_097;

/// Year, month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days.div_euclid(DAYS_IN_400_YEARS), days.rem_euclid(DAYS_IN_400_YEARS));
    // Every fourth year is longer by a day, every hundredth is not, and the last day of an era is a leap day again.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(milliseconds: i64) -> String {
        let mut text = String::new();
        write_ms(milliseconds, &mut text);
        text
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        let noon = 1_769_860_800_000;
        for text in [
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00",
            "2026-01-31t12:00:00z",
            "2026-01-31T12:00",
            " 2026-01-31 12:00 ",
            "2026-01-31T12:00:00.000",
            "2026-01-31T14:00:00+02:00",
            "2026-01-31T14:00:00+02",
            "2026-01-31T06:30:00-0530",
            "2026-01-31 12:00:00,0009",
            "+2026-01-31T12:00:00",
            "1769860800000",
            "+1769860800000",
        ] {
            assert_eq!(parse_ms(text), Some(noon), "{text}");
        }
        assert_eq!(parse_ms("2026-01-31"), Some(noon - 43_200_000));
        assert_eq!(parse_ms("1969-12-31T23:59:59.9999"), Some(-1));
        assert_eq!(parse_ms("-5"), Some(-5));
        assert_eq!(parse_ms("2024"), Some(2024));
        assert_eq!(parse_ms("2024-02-29"), Some(1_709_164_800_000));
        assert_eq!(parse_ms("2016-12-31T23:59:60Z"), parse_ms("2017-01-01"));
        assert_eq!(parse_ms("2017-01-01T05:29:60+05:30"), parse_ms("2017-01-01"));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            " ",
            "x",
            "-",
            "2026-",
            "2026-1-1",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "2026-01-32",
            "2026-01-00",
            "2026-01-31T",
            "2026-01-31T24:00",
            "2026-01-31T12:60",
            "2026-01-31T12:00:61",
            "2026-01-31T12:00:60",
            "2026-01-31T12:00:00.",
            "2026-01-31T12:00:00+",
            "2026-01-31T12:00:00+2",
            "2026-01-31T12:00:00+02:",
            "1e3",
            "1.5",
            "2026-01-31T12:00:00Zx",
            "2026-01-31x",
            "99999999999999999999",
            "+999999999-12-31",
            "２026-01-01",
            "+-5",
            "2026-01-31T12:00:00+24:00",
        ] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_written_with_a_fraction_only_if_it_has_one() {
        assert_eq!(written(0), "1970-01-01T00:00:00");
        assert_eq!(written(-1), "1969-12-31T23:59:59.999");
        assert_eq!(written(1_709_164_800_020), "2024-02-29T00:00:00.020");
        assert_eq!(written(i64::MAX), "+292278994-08-17T07:12:55.807");
        assert_eq!(written(i64::MIN), "-292275055-05-16T16:47:04.192");
        assert_eq!(written(-62_167_219_200_001), "-0001-12-31T23:59:59.999");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(milliseconds in prop_oneof![any::<i64>(), -70_000_000_000_000_i64..260_000_000_000_000]) {
            prop_assert_eq!(parse_ms(&written(milliseconds)), Some(milliseconds));
        }

        #[test]
        fn times_of_the_calendar_are_those_of_arrow(milliseconds in -62_000_000_000_000_i64..250_000_000_000_000) {
            let expected = arrow::temporal_conversions::timestamp_ms_to_datetime(milliseconds).unwrap();
            let fraction = if milliseconds % 1_000 == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%.3f" };
            prop_assert_eq!(written(milliseconds), expected.format(fraction).to_string());
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:.,+ -]{0,30}|.{0,12}") {
            let _ = parse_ms(&text);
        }
    }
}
