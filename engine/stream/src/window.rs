//! Windows of event time: where they start, what their column looks like, and event time in milliseconds.
//!
//! A window is `[k * SLIDE, k * SLIDE + EVERY)` for every whole number `k`, counted from 1970 in UTC, also before it. Starts are
//! computed in the unit of the time column, so that nothing of a time is cut off. What is done with rows is left to the operator.

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, TimeUnit};
use velaria_contract::{Error, ErrorCode, Result};

mod column;
mod grid;
mod text;

pub(crate) use column::{starts_column, times_column};
pub(crate) use grid::Grid;

/// The largest number of windows that a row may be in.
pub const MAX_WINDOWS_PER_ROW: u64 = 10_000;

const DAY_MS: u64 = 86_400_000;

/// The type of the window column over a time column of type `time`; `None` when that is no type of time.
///
/// It is the type of the time column where that can hold the starts: a date or a timestamp in seconds becomes one in milliseconds
/// for windows of no whole days or seconds. Text stays text.
#[must_use]
pub fn window_type(time: &DataType, every_ms: u64, slide_ms: u64) -> Option<DataType> {
    let whole = |unit_ms: u64| every_ms.is_multiple_of(unit_ms) && slide_ms.is_multiple_of(unit_ms);
    let milliseconds = |zone| DataType::Timestamp(TimeUnit::Millisecond, zone);
    match time {
        DataType::Timestamp(TimeUnit::Second, zone) if !whole(1_000) => Some(milliseconds(zone.clone())),
        DataType::Timestamp(..) | DataType::Int64 => Some(time.clone()),
        DataType::Date32 | DataType::Date64 if whole(DAY_MS) => Some(time.clone()),
        DataType::Date32 | DataType::Date64 => Some(milliseconds(None)),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8),
        _ => None,
    }
}

/// Checks a window over a time column of type `time`, and gives the type of the window column.
///
/// # Errors
/// `VEL-7001` for lengths that make no windows, or too many for one row; `VEL-2004` for a column that holds no time.
pub fn check_window(time: &DataType, every_ms: u64, slide_ms: u64) -> Result<DataType> {
    if every_ms == 0 {
        return Err(Error::new(ErrorCode::InvalidArgument, "window size must be positive"));
    }
    if slide_ms == 0 || slide_ms > every_ms {
        return Err(Error::new(ErrorCode::InvalidArgument, "window slide must be > 0 and <= the window size"));
    }
    let windows = every_ms.div_ceil(slide_ms);
    if windows > MAX_WINDOWS_PER_ROW {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("a row would be in {windows} windows"))
            .with_hint(format!("make the slide longer: a row may be in {MAX_WINDOWS_PER_ROW} windows at most")));
    }
    let column = window_type(time, every_ms, slide_ms).ok_or_else(|| no_time(time))?;
    grid::in_unit(every_ms, &column)?;
    Ok(column)
}

/// The event times of a column of any type that windows can be made over, in milliseconds since 1970, rounded down.
///
/// # Errors
/// `VEL-5003` for text that is no time, `VEL-5004` for a time that is too far away, `VEL-2004` for a column of another type.
pub fn event_times_ms(times: &ArrayRef) -> Result<Int64Array> {
    column::milliseconds(times)
}

/// The largest event time of a column in milliseconds, rounded down; `None` when there is none but NULL.
///
/// # Errors
/// `VEL-5003` for text that is no time, `VEL-2004` for a column that holds no time.
pub fn max_event_time_ms(times: &ArrayRef) -> Result<Option<i64>> {
    column::max_milliseconds(times)
}

/// The starts in a window column, in milliseconds; NULL for the rows that have no time.
///
/// # Errors
/// Those of [`event_times_ms`], for a column that no window operator has made.
pub fn window_start_ms(windows: &ArrayRef) -> Result<Int64Array> {
    // Windows start at whole milliseconds, whatever the unit: rounding changes nothing.
    column::milliseconds(windows)
}

/// The end of the window that starts at `start_ms`: the first moment after it. An end that is too far away is never reached.
#[must_use]
pub fn window_end_ms(start_ms: i64, every_ms: u64) -> i64 {
    start_ms.saturating_add_unsigned(every_ms)
}

fn no_time(found: &DataType) -> Error {
    Error::new(ErrorCode::TypeMismatch, format!("a column of type {found} holds no event time")).with_hint(
        "event time is a timestamp, a date, milliseconds since 1970 as BIGINT, or text like '2026-01-31T12:00:00Z'",
    )
}
