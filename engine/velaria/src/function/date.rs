//! Functions over dates, timestamps and intervals. Timestamps are read as microseconds in UTC.

use std::fmt::Write as _;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Utc};
use datafusion::error::Result;

use super::kernel::{Kind, Row, Spec, Value, invalid, overflow, unreadable};

use Kind::{Date, Float, Int, Interval, Text, Timestamp};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Monday 2000-01-03, where buckets of days and hours begin.
const BUCKET_ORIGIN: i64 = 946_857_600 * SECOND;

/// Days from the start of the Julian calendar count to 1970-01-01.
const JULIAN_EPOCH: f64 = 2_440_588.0;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("date_diff", &[Text, Timestamp, Timestamp], Int, date_diff).or(&["datediff"]),
    Spec::new("date_sub", &[Text, Timestamp, Timestamp], Int, date_sub).or(&["datesub"]),
    Spec::new("age", &[Timestamp, Timestamp], Interval, age),
    Spec::new("dayname", &[Timestamp], Text, |row| text(&row_time(row, 0)?, "%A")),
    Spec::new("monthname", &[Timestamp], Text, |row| text(&row_time(row, 0)?, "%B")),
    Spec::new("last_day", &[Timestamp], Date, last_day),
    Spec::new("add_months", &[Timestamp, Int], Timestamp, |row| {
        timestamp(plus_months(&row_time(row, 0)?, row.int(1))?)
    }),
    Spec::new("century", &[Timestamp], Int, |row| Ok(Value::Int(century(&row_time(row, 0)?, 100)))),
    Spec::new("millennium", &[Timestamp], Int, |row| Ok(Value::Int(century(&row_time(row, 0)?, 1000)))),
    Spec::new("decade", &[Timestamp], Int, |row| Ok(Value::Int(i64::from(row_time(row, 0)?.year().div_euclid(10))))),
    Spec::new("era", &[Timestamp], Int, |row| Ok(Value::Int(i64::from(row_time(row, 0)?.year() > 0)))),
    Spec::new("julian", &[Timestamp], Float, julian),
    Spec::new("make_timestamp", &[Int, Int, Int, Int, Int, Float], Timestamp, make_timestamp),
    Spec::new("strftime", &[Timestamp, Text], Text, |row| text(&row_time(row, 0)?, row.text(1))),
    Spec::new("strptime", &[Text, Text], Timestamp, |row| {
        timestamp(
            parse(row.text(0), row.text(1))?
                .ok_or_else(|| unreadable(format!("cannot read '{}' by the format '{}'", row.text(0), row.text(1))))?,
        )
    }),
    Spec::new("try_strptime", &[Text, Text], Timestamp, |row| {
        parse(row.text(0), row.text(1))?.map_or(Ok(Value::Null), timestamp)
    }),
    Spec::new("time_bucket", &[Interval, Timestamp, Timestamp], Timestamp, time_bucket).optional(1),
    Spec::new("to_millennia", &[Int], Interval, |row| months(row.int(0), 12_000)),
    Spec::new("to_centuries", &[Int], Interval, |row| months(row.int(0), 1200)),
    Spec::new("to_decades", &[Int], Interval, |row| months(row.int(0), 120)),
    Spec::new("to_years", &[Int], Interval, |row| months(row.int(0), 12)),
    Spec::new("to_quarters", &[Int], Interval, |row| months(row.int(0), 3)),
    Spec::new("to_months", &[Int], Interval, |row| months(row.int(0), 1)),
    Spec::new("to_weeks", &[Int], Interval, |row| days(row.int(0), 7)),
    Spec::new("to_days", &[Int], Interval, |row| days(row.int(0), 1)),
    Spec::new("to_hours", &[Int], Interval, |row| microseconds(row.int(0), 3600 * SECOND)),
    Spec::new("to_minutes", &[Int], Interval, |row| microseconds(row.int(0), 60 * SECOND)),
    Spec::new("to_seconds", &[Float], Interval, |row| float_microseconds(row.float(0), 1e6)),
    Spec::new("to_milliseconds", &[Float], Interval, |row| float_microseconds(row.float(0), 1e3)),
    Spec::new("to_microseconds", &[Int], Interval, |row| microseconds(row.int(0), 1)),
];

fn row_time(row: &Row<'_>, place: usize) -> Result<NaiveDateTime> {
    time(row.timestamp(place))
}

fn time(microseconds: i64) -> Result<NaiveDateTime> {
    DateTime::from_timestamp_micros(microseconds)
        .map(|time| time.naive_utc())
        .ok_or_else(|| overflow("the timestamp is out of range"))
}

#[expect(clippy::unnecessary_wraps, reason = "has the shape of what a function returns")]
fn timestamp(time: NaiveDateTime) -> Result<Value> {
    Ok(Value::Timestamp(time.and_utc().timestamp_micros()))
}

/// The parts by which differences are counted.
#[derive(Clone, Copy)]
enum Part {
    Microseconds(i64),
    Weeks,
    Months(i64),
}

fn part(name: &str) -> Result<Part> {
    Ok(match name.to_ascii_lowercase().trim_end_matches('s') {
        "microsecond" | "u" => Part::Microseconds(1),
        "millisecond" | "m" if name.len() != 1 => Part::Microseconds(1000),
        "second" | "sec" => Part::Microseconds(SECOND),
        "minute" | "min" => Part::Microseconds(60 * SECOND),
        "hour" | "h" => Part::Microseconds(3600 * SECOND),
        "day" | "d" | "dayofmonth" => Part::Microseconds(DAY),
        "week" | "w" => Part::Weeks,
        "month" | "mon" => Part::Months(1),
        "quarter" => Part::Months(3),
        "year" | "yr" | "y" => Part::Months(12),
        "decade" => Part::Months(120),
        "century" | "centurie" => Part::Months(1200),
        "millennium" | "millennia" => Part::Months(12_000),
        _ => return Err(invalid(format!("unknown part of a date: '{name}'"))),
    })
}

fn months_of(time: &NaiveDateTime) -> i64 {
    i64::from(time.year()) * 12 + i64::from(time.month0())
}

/// How many starts of a part lie between the two.
fn date_diff(row: &Row<'_>) -> Result<Value> {
    let (start, end) = (row.timestamp(1), row.timestamp(2));
    let crossed =
        |first: i64, last: i64| last.checked_sub(first).ok_or_else(|| overflow("the difference does not fit INT"));
    Ok(Value::Int(match part(row.text(0))? {
        Part::Microseconds(unit) => crossed(start.div_euclid(unit), end.div_euclid(unit))?,
        // Weeks have no start here: they are counted in days, as DuckDB does.
        Part::Weeks => crossed(start.div_euclid(DAY), end.div_euclid(DAY))? / 7,
        Part::Months(unit) => months_of(&time(end)?).div_euclid(unit) - months_of(&time(start)?).div_euclid(unit),
    }))
}

/// How many whole parts lie between the two.
fn date_sub(row: &Row<'_>) -> Result<Value> {
    let (start, end) = (row.timestamp(1), row.timestamp(2));
    let distance = || end.checked_sub(start).ok_or_else(|| overflow("the difference does not fit INT"));
    Ok(Value::Int(match part(row.text(0))? {
        Part::Microseconds(unit) => distance()? / unit,
        Part::Weeks => distance()? / (7 * DAY),
        Part::Months(unit) => whole_months(&time(start)?, &time(end)?) / unit,
    }))
}

fn whole_months(start: &NaiveDateTime, end: &NaiveDateTime) -> i64 {
    if end < start {
        return -whole_months(end, start);
    }
    let months = months_of(end) - months_of(start);
    let reached = (end.day(), end.time()) >= (start.day(), start.time())
        // The last day of a shorter month completes it.
        || (is_last_day(end) && end.day() < start.day() && end.time() >= start.time());
    months - i64::from(!reached)
}

fn is_last_day(time: &NaiveDateTime) -> bool {
    time.date().succ_opt().is_none_or(|next| next.day() == 1)
}

/// Years, months, days and the time between, as people count them.
fn age(row: &Row<'_>) -> Result<Value> {
    let (end, start) = (row_time(row, 0)?, row_time(row, 1)?);
    let (early, late, sign) = if end < start { (end, start, -1) } else { (start, end, 1) };
    let mut months = months_of(&late) - months_of(&early);
    let mut days = i64::from(late.day()) - i64::from(early.day());
    let mut nanoseconds = (late.time() - early.time()).num_nanoseconds().unwrap_or_default();
    if nanoseconds < 0 {
        nanoseconds += DAY * 1000;
        days -= 1;
    }
    if days < 0 {
        days += i64::from(early.num_days_in_month());
        months -= 1;
    }
    interval(months * sign, days * sign, nanoseconds * sign)
}

fn last_day(row: &Row<'_>) -> Result<Value> {
    let time = row_time(row, 0)?;
    let last = time.date().with_day(u32::from(time.num_days_in_month()));
    last.map(|date| Value::Date(date.to_epoch_days())).ok_or_else(|| overflow("the date is out of range"))
}

fn plus_months(time: &NaiveDateTime, months: i64) -> Result<NaiveDateTime> {
    let count = u32::try_from(months.unsigned_abs()).map(Months::new);
    let moved = count
        .ok()
        .and_then(|count| if months < 0 { time.checked_sub_months(count) } else { time.checked_add_months(count) });
    moved.ok_or_else(|| overflow("the date is out of range"))
}

fn century(time: &NaiveDateTime, years: i64) -> i64 {
    let year = i64::from(time.year());
    if year > 0 { (year - 1) / years + 1 } else { year / years - 1 }
}

#[expect(clippy::cast_precision_loss, reason = "a float has room for microseconds of all years that people date")]
fn julian(row: &Row<'_>) -> Result<Value> {
    let time = row.timestamp(0);
    Ok(Value::Float(JULIAN_EPOCH + time.div_euclid(DAY) as f64 + time.rem_euclid(DAY) as f64 / DAY as f64))
}

#[expect(clippy::cast_possible_truncation, reason = "between 0 and 60,000,000")]
fn make_timestamp(row: &Row<'_>) -> Result<Value> {
    let place = |index| u32::try_from(row.int(index)).ok();
    let seconds = row.float(5);
    let moment = || {
        let date = NaiveDate::from_ymd_opt(i32::try_from(row.int(0)).ok()?, place(1)?, place(2)?)?;
        let time = date.and_hms_opt(place(3)?, place(4)?, 0)?;
        (0.0..60.0).contains(&seconds).then_some(time)
    };
    let time = moment().ok_or_else(|| invalid("make_timestamp takes a date and time that exist"))?;
    Ok(Value::Timestamp(time.and_utc().timestamp_micros() + (seconds * 1e6).round() as i64))
}

/// `%f` is six digits of fraction, as in Python.
fn text(time: &NaiveDateTime, format: &str) -> Result<Value> {
    let format = translate(format, "%6f");
    let mut text = String::new();
    if StrftimeItems::new(&format).any(|item| matches!(item, Item::Error)) {
        return Err(invalid("unknown format of a timestamp"));
    }
    write!(text, "{}", time.and_utc().format(&format)).map_err(|_| invalid("unknown format of a timestamp"))?;
    Ok(Value::Text(text))
}

/// `format` with another word for `%f`.
fn translate(format: &str, fraction: &str) -> String {
    let mut result = String::with_capacity(format.len());
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        match (character, character == '%') {
            (_, true) => match characters.next() {
                Some('f') => result.push_str(fraction),
                Some(next) => result.extend(['%', next]),
                None => result.push('%'),
            },
            (other, false) => result.push(other),
        }
    }
    result
}

/// The timestamp that `value` shows, or nothing where it does not follow the format.
fn parse(value: &str, format: &str) -> Result<Option<NaiveDateTime>> {
    // `%.f` reads a fraction of any length, with its point.
    let format = translate(&format.replace(".%f", "%.f"), "%f");
    if StrftimeItems::new(&format).any(|item| matches!(item, Item::Error)) {
        return Err(invalid("unknown format of a timestamp"));
    }
    let zoned = || DateTime::parse_from_str(value, &format).ok().map(|time| time.with_timezone(&Utc).naive_utc());
    let time = || NaiveDateTime::parse_from_str(value, &format).ok();
    let date = || NaiveDate::parse_from_str(value, &format).ok()?.and_hms_opt(0, 0, 0);
    Ok(zoned().or_else(time).or_else(date))
}

/// The start of the bucket of a width that `time` lies in.
fn time_bucket(row: &Row<'_>) -> Result<Value> {
    let (width, at) = (row.interval(0), row.timestamp(1));
    let out_of_range = || overflow("the bucket is out of range");
    if width.months > 0 && width.days == 0 && width.nanoseconds == 0 {
        let origin = if row.has(2) { time(row.timestamp(2))? } else { time(10_957 * DAY)? };
        return bucket_of_months(&origin, &time(at)?, i64::from(width.months));
    }
    let size = i64::from(width.days).checked_mul(DAY).and_then(|days| days.checked_add(width.nanoseconds / 1000));
    let size = size.ok_or_else(out_of_range)?;
    if width.months != 0 || size <= 0 {
        return Err(invalid("the width of a bucket is a positive interval, either of months or of days and time"));
    }
    let origin = if row.has(2) { row.timestamp(2) } else { BUCKET_ORIGIN };
    let offset = at.checked_sub(origin).ok_or_else(out_of_range)?;
    let start = at.checked_sub(offset.rem_euclid(size)).ok_or_else(out_of_range)?;
    Ok(Value::Timestamp(start))
}

fn bucket_of_months(origin: &NaiveDateTime, at: &NaiveDateTime, width: i64) -> Result<Value> {
    let distance = months_of(at) - months_of(origin);
    let start = plus_months(origin, distance.div_euclid(width) * width)?;
    // Within the month in which a bucket starts, the time may still be before that start.
    timestamp(if start > *at { plus_months(origin, (distance.div_euclid(width) - 1) * width)? } else { start })
}

fn months(count: i64, unit: i64) -> Result<Value> {
    interval(count.checked_mul(unit).ok_or_else(interval_overflow)?, 0, 0)
}

fn days(count: i64, unit: i64) -> Result<Value> {
    interval(0, count.checked_mul(unit).ok_or_else(interval_overflow)?, 0)
}

fn microseconds(count: i64, unit: i64) -> Result<Value> {
    let nanoseconds = count.checked_mul(unit).and_then(|microseconds| microseconds.checked_mul(1000));
    interval(0, 0, nanoseconds.ok_or_else(interval_overflow)?)
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
fn float_microseconds(count: f64, unit: f64) -> Result<Value> {
    let found = (count * unit).round();
    // NaN is in no range.
    if found.abs() < 9.2e18 { microseconds(found as i64, 1) } else { Err(interval_overflow()) }
}

fn interval(months: i64, days: i64, nanoseconds: i64) -> Result<Value> {
    match (i32::try_from(months), i32::try_from(days)) {
        (Ok(months), Ok(days)) => Ok(Value::Interval(IntervalMonthDayNano { months, days, nanoseconds })),
        _ => Err(interval_overflow()),
    }
}

fn interval_overflow() -> datafusion::error::DataFusionError {
    overflow("the interval is out of range")
}
