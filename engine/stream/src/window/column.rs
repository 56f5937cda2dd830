//! Columns of event time: to whole numbers in the unit of their windows, and back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, PrimitiveArray, StringBuilder};
use arrow::compute::max;
use arrow::datatypes::{
    ArrowTimestampType, DataType, Date32Type, Date64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use velaria_contract::{Error, ErrorCode, Result};

use super::text::{parse_ms, write_ms};
use super::{DAY_MS, no_time};

/// The times of a column, in the unit of the window column `windows` over it.
pub(crate) fn times_column(times: &ArrayRef, windows: &DataType) -> Result<Int64Array> {
    match (times.data_type(), windows) {
        (DataType::Date32, DataType::Date32) => Ok(times.as_primitive::<Date32Type>().unary(i64::from)),
        (DataType::Timestamp(TimeUnit::Second, _), DataType::Timestamp(TimeUnit::Millisecond, _)) => {
            milliseconds(times)
        }
        (DataType::Timestamp(..), _) => raw(times),
        _ => milliseconds(times),
    }
}

/// The window column of type `windows` for starts in its unit.
pub(crate) fn starts_column(starts: Int64Array, windows: &DataType) -> Result<ArrayRef> {
    Ok(match windows {
        DataType::Int64 => Arc::new(starts),
        DataType::Date64 => Arc::new(starts.reinterpret_cast::<Date64Type>()),
        DataType::Date32 => Arc::new(days(&starts)?),
        DataType::Utf8 => written(&starts),
        DataType::Timestamp(unit, zone) => {
            let zone = zone.clone();
            match unit {
                TimeUnit::Second => Arc::new(zoned::<TimestampSecondType>(&starts, zone)),
                TimeUnit::Millisecond => Arc::new(zoned::<TimestampMillisecondType>(&starts, zone)),
                TimeUnit::Microsecond => Arc::new(zoned::<TimestampMicrosecondType>(&starts, zone)),
                TimeUnit::Nanosecond => Arc::new(zoned::<TimestampNanosecondType>(&starts, zone)),
            }
        }
        other => return Err(no_time(other)),
    })
}

/// Milliseconds since 1970, rounded down.
pub(super) fn milliseconds(times: &ArrayRef) -> Result<Int64Array> {
    match times.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            raw(times)?.try_unary(|seconds| seconds.checked_mul(1_000).ok_or_else(|| too_far(seconds, "seconds")))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => Ok(raw(times)?.unary(|time| time.div_euclid(1_000))),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Ok(raw(times)?.unary(|time| time.div_euclid(1_000_000))),
        DataType::Date32 => Ok(times.as_primitive::<Date32Type>().unary(|day| i64::from(day) * DAY_MS as i64)),
        DataType::Utf8 => read(times.as_string::<i32>().iter()),
        DataType::LargeUtf8 => read(times.as_string::<i64>().iter()),
        DataType::Utf8View => read(times.as_string_view().iter()),
        _ => raw(times),
    }
}

/// The largest time in milliseconds, rounded down.
pub(super) fn max_milliseconds(times: &ArrayRef) -> Result<Option<i64>> {
    match times.data_type() {
        DataType::Timestamp(unit, _) => {
            let floor = |time: i64| match unit {
                TimeUnit::Second => time.saturating_mul(1_000),
                TimeUnit::Millisecond => time,
                TimeUnit::Microsecond => time.div_euclid(1_000),
                TimeUnit::Nanosecond => time.div_euclid(1_000_000),
            };
            Ok(max(&raw(times)?).map(floor))
        }
        _ => Ok(max(&milliseconds(times)?)),
    }
}

/// The numbers of a column that keeps 64 bits, as they are and without a copy.
fn raw(times: &ArrayRef) -> Result<Int64Array> {
    fn of<T: ArrowPrimitiveType<Native = i64>>(times: &ArrayRef) -> Int64Array {
        times.as_primitive::<T>().reinterpret_cast::<Int64Type>()
    }
    Ok(match times.data_type() {
        DataType::Int64 => of::<Int64Type>(times),
        DataType::Date64 => of::<Date64Type>(times),
        DataType::Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(times),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(times),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(times),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of::<TimestampNanosecondType>(times),
        other => return Err(no_time(other)),
    })
}

fn zoned<T: ArrowTimestampType>(starts: &Int64Array, zone: Option<Arc<str>>) -> PrimitiveArray<T> {
    starts.reinterpret_cast::<T>().with_timezone_opt(zone)
}

fn days(starts: &Int64Array) -> Result<PrimitiveArray<Date32Type>> {
    starts.try_unary(|day| i32::try_from(day).map_err(|_| too_far(day, "days")))
}

/// Text as times. Rows that follow each other often have the same time: such text is read once.
fn read<'a>(texts: impl ExactSizeIterator<Item = Option<&'a str>>) -> Result<Int64Array> {
    let mut last = ("", None);
    let mut times = Int64Array::builder(texts.len());
    for text in texts {
        let Some(text) = text else {
            times.append_null();
            continue;
        };
        if last.1.is_none() || last.0 != text {
            last = (text, Some(parse_ms(text).ok_or_else(|| unreadable(text))?));
        }
        times.append_option(last.1);
    }
    Ok(times.finish())
}

/// Starts as text. A few are there again and again: their texts are kept.
fn written(starts: &Int64Array) -> ArrayRef {
    let mut known: [(Option<i64>, String); KNOWN_STARTS] = std::array::from_fn(|_| (None, String::new()));
    let mut column = StringBuilder::with_capacity(starts.len(), starts.len() * "1970-01-01T00:00:00".len());
    for start in starts {
        let Some(time) = start else {
            column.append_null();
            continue;
        };
        let (written, text) = &mut known[place_of(time)];
        if *written != start {
            text.clear();
            write_ms(time, text);
            *written = start;
        }
        column.append_value(text);
    }
    Arc::new(column.finish())
}

const KNOWN_STARTS: usize = 64;

/// Below [`KNOWN_STARTS`]: the upper six bits of a product that spreads neighbours.
fn place_of(start: i64) -> usize {
    (start.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize
}

fn unreadable(text: &str) -> Error {
    let shown: String = text.chars().take(60).collect();
    Error::new(ErrorCode::Cast, format!("cannot read '{shown}' as a time"))
        .with_hint("a time is text like '2026-01-31', '2026-01-31T12:00:00.5+02:00', or milliseconds since 1970")
}

fn too_far(time: i64, unit: &str) -> Error {
    Error::new(ErrorCode::Overflow, format!("a time of {time} {unit} since 1970 is too far away for its windows"))
}
