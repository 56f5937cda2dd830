//! Dates, times and durations as ISO 8601 writes them: `2024-07-01`, `2024-07-01T12:30:00.5`, `12:30:00`, `PT36H15M`.

use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::Date32Type;

use super::cell::Kind;

const DAY_MS: i64 = 86_400_000;

/// The cell that `text` is; `None` when it is none of these.
pub(super) fn parse(text: &str) -> Option<(Kind, i64)> {
    if let Some(duration) = text.strip_prefix("PT") {
        let ms = duration_ms(duration)?;
        return Some((if (0..DAY_MS).contains(&ms) { Kind::Time } else { Kind::Duration }, ms));
    }
    if !text.contains('-') {
        return Some((Kind::Time, time_ms(text)?));
    }
    let (date, time) = text.split_once(['T', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let days = i64::from(Some(date).filter(|date| date.len() >= 10).and_then(Date32Type::parse)?);
    match time {
        None => Some((Kind::Date, days)),
        Some(time) => Some((Kind::DateTime, days * DAY_MS + time_ms(time.strip_suffix('Z').unwrap_or(time))?)),
    }
}

fn time_ms(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes) = (whole(parts.next()?)?, whole(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), seconds_ms)?;
    (hours < 24 && minutes < 60 && seconds < 60_000).then_some((hours * 60 + minutes) * 60_000 + seconds)
}

fn duration_ms(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut ms = 0_i64;
    while let Some(at) = rest.find(|character: char| !character.is_ascii_digit() && character != '.') {
        let number = &rest[..at];
        let part = match rest.as_bytes().get(at)? {
            b'H' => whole(number)?.checked_mul(3_600_000)?,
            b'M' => whole(number)?.checked_mul(60_000)?,
            b'S' => seconds_ms(number)?,
            _ => return None,
        };
        ms = ms.checked_add(part)?;
        rest = &rest[at + 1..];
    }
    (rest.is_empty() && !text.is_empty()).then_some(ms)
}

fn whole(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn seconds_ms(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole(seconds)?.checked_mul(1000)?.checked_add(whole(&fraction)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_texts_are_dates_times_and_durations() {
        assert_eq!(parse("2024-07-01"), Some((Kind::Date, 19_905)));
        assert_eq!(parse("2024-07-01T00:00:01.5Z"), Some((Kind::DateTime, 19_905 * DAY_MS + 1500)));
        assert_eq!(parse("12:30:00"), Some((Kind::Time, 45_000_000)));
        assert_eq!(parse("PT12H30M00S"), Some((Kind::Time, 45_000_000)));
        assert_eq!(parse("PT36H00M00.250S"), Some((Kind::Duration, 36 * 3_600_000 + 250)));
        for text in ["", "PT", "2024", "24:00:00", "2024-13-01", "2024-07-01T", "PT5", "PT1X", "x-y"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
