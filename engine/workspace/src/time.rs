//! The two ways in which the workspace writes a moment, and the time between two of them.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

use crate::Object;

const SECONDS: &str = "%Y-%m-%dT%H:%M:%SZ";

/// `YYYY-MM-DDTHH:MM:SSZ`.
pub(crate) fn seconds(wall_ms: i64) -> String {
    moment(wall_ms).format(SECONDS).to_string()
}

/// `YYYYMMDDTHHMMSSZ`.
pub(crate) fn compact(wall_ms: i64) -> String {
    moment(wall_ms).format("%Y%m%dT%H%M%SZ").to_string()
}

/// The milliseconds from the start to the end of a run or run row, or `None` while it has no end.
///
/// Moments are written in whole seconds, so the result is a multiple of 1000.
#[must_use]
pub fn duration_ms(run: &Object) -> Option<i64> {
    let start = wall_ms(run.get("created_at")?)?;
    let end = wall_ms(run.get("finished_at")?)?;
    end.checked_sub(start).filter(|duration| *duration >= 0)
}

/// The moment that `text` says, in milliseconds since 1970.
pub(crate) fn wall_ms(text: &Value) -> Option<i64> {
    let text = text.as_str()?;
    let parsed = NaiveDateTime::parse_from_str(text, SECONDS).map(|moment| moment.and_utc());
    parsed.or_else(|_| text.parse::<DateTime<Utc>>()).ok().map(|moment| moment.timestamp_millis())
}

/// A clock beyond the calendar is set wrong: the start of 1970 is as good as any other answer.
fn moment(wall_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(wall_ms).unwrap_or_default()
}
