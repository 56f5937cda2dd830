//! The text of a bar.

use std::time::Duration;

use serde_json::Value;
use velaria::Progress;

/// The bar itself has at most so many characters, and at least.
const BAR_MAX: usize = 24;
const BAR_MIN: usize = 8;
/// The rest of the time is not guessed before.
const GUESS_AFTER: Duration = Duration::from_secs(1);

/// What there is to say of a query that runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measure {
    rows: u64,
    bytes: u64,
    /// How much of its files, or else of their rows, it has read: from 0 to 1, where that is known.
    fraction: Option<f64>,
    elapsed: Duration,
}

impl Measure {
    pub(crate) fn of(progress: &Progress) -> Self {
        let by_bytes = progress.file_bytes_total.and_then(|total| fraction(progress.file_bytes, total));
        let by_rows = || progress.rows_total.and_then(|total| fraction(progress.rows, total));
        let bytes = if progress.file_bytes_total.is_some() { progress.file_bytes } else { progress.bytes };
        Self { rows: progress.rows, bytes, fraction: by_bytes.or_else(by_rows), elapsed: progress.elapsed }
    }

    /// What a line of `progress.jsonl` of a run says, if it is about a query that ends.
    pub(crate) fn recorded(snapshot: &Value) -> Option<Self> {
        if snapshot.get("kind").and_then(Value::as_str) != Some("batch") {
            return None;
        }
        let number = |name: &str| snapshot.get(name).and_then(Value::as_u64);
        let (rows, bytes) = (number("rows")?, number("bytes")?);
        let by_bytes = number("bytes_total").and_then(|total| fraction(bytes, total));
        let by_rows = || number("rows_total").and_then(|total| fraction(rows, total));
        let elapsed_ms = snapshot.get("elapsed_ms").and_then(Value::as_f64).unwrap_or_default();
        let elapsed = Duration::try_from_secs_f64(elapsed_ms / 1000.0).unwrap_or_default();
        Some(Self { rows, bytes, fraction: by_bytes.or_else(by_rows), elapsed })
    }

    /// All of it in at most `width` characters.
    pub(crate) fn line(&self, width: usize) -> String {
        let seconds = self.elapsed.as_secs_f64().max(1e-3);
        let rate = (self.rows as f64 / seconds) as u64;
        let mut words = format!("{} rows  {}  {} rows/s", count(self.rows), bytes(self.bytes), count(rate));
        match self.rest() {
            Some(rest) => words.push_str(&format!("  eta {}", clock(rest))),
            None => words.push_str(&format!("  {}", clock(self.elapsed))),
        }
        let Some(fraction) = self.fraction else { return cut(&words, width) };
        let words = format!("{:3.0}%  {words}", (fraction * 100.0).floor());
        let room = width.saturating_sub(words.chars().count() + 3).min(BAR_MAX);
        if room < BAR_MIN {
            return cut(&words, width);
        }
        let done = (fraction * room as f64) as usize;
        format!("[{}{}] {words}", "=".repeat(done), " ".repeat(room - done))
    }

    /// How long the rest takes when it is as fast as what is done.
    fn rest(&self) -> Option<Duration> {
        let fraction = self.fraction.filter(|fraction| *fraction > 0.0 && self.elapsed >= GUESS_AFTER)?;
        Duration::try_from_secs_f64(self.elapsed.as_secs_f64() * (1.0 - fraction) / fraction).ok()
    }
}

/// What a snapshot of a stream query says, in at most `width` characters. `before` is an earlier one, with the time since.
pub(crate) fn stream_line(snapshot: &Value, before: Option<(&Value, Duration)>, width: usize) -> Option<String> {
    let number = |snapshot: &Value, name: &str| snapshot.get(name).and_then(Value::as_u64);
    let rows = number(snapshot, "input_rows")?;
    let mut words = format!("batch {}  {} rows", number(snapshot, "batches_processed")?, count(rows));
    if let Some((before, passed)) = before {
        let more = rows.saturating_sub(number(before, "input_rows").unwrap_or_default());
        let rate = more as f64 / passed.as_secs_f64().max(1e-3);
        words.push_str(&format!("  {} rows/s", count(rate as u64)));
    }
    let waiting = number(snapshot, "inflight_batches").unwrap_or_default();
    words.push_str(&format!("  lag {waiting} {}", if waiting == 1 { "batch" } else { "batches" }));
    if let Some(latency_ms) = snapshot.get("last_batch_latency_ms").and_then(Value::as_f64) {
        words.push_str(&format!("  {latency_ms:.1} ms a batch"));
    }
    if let Some(state) = number(snapshot, "state_bytes").filter(|state| *state > 0) {
        let keys = number(snapshot, "state_rows").unwrap_or_default();
        words.push_str(&format!("  state {} keys {}", count(keys), bytes(state)));
    }
    let status = snapshot.get("status").and_then(Value::as_str).filter(|status| *status != "running");
    words.push_str(&status.map(|status| format!("  {status}")).unwrap_or_default());
    Some(cut(&words, width))
}

fn fraction(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

fn count(number: u64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.into_iter().find(|(size, _)| number as f64 >= *size) {
        Some((size, unit)) => format!("{:.1}{unit}", number as f64 / size),
        None => number.to_string(),
    }
}

fn bytes(number: u64) -> String {
    let units = [(4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")];
    match units.into_iter().find(|(power, _)| number >= 1 << (10 * power)) {
        Some((power, unit)) => format!("{:.1} {unit}", number as f64 / (1_u64 << (10 * power)) as f64),
        None => format!("{number} B"),
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HALF: Measure =
        Measure { rows: 1_250_000, bytes: 5 << 20, fraction: Some(0.5), elapsed: Duration::from_secs(2) };

    #[test]
    fn a_bar_says_how_far_and_how_long() {
        let words = "50%  1.2M rows  5.0 MiB  625.0k rows/s  eta 0:02";
        assert_eq!(HALF.line(79), format!("[{}{}]  {words}", "=".repeat(12), " ".repeat(12)));
        assert_eq!(HALF.line(50), format!(" {words}"));
        assert_eq!(HALF.line(10), " 50%  1.2M");
        assert_eq!(HALF.line(0), "");
        let unknown = Measure { fraction: None, rows: 999, bytes: 1023, elapsed: Duration::from_secs(3661) };
        assert_eq!(unknown.line(79), "999 rows  1023 B  0 rows/s  1:01:01");
    }

    #[test]
    fn no_bar_is_wider_than_its_room() {
        for width in 0..120 {
            for fraction in [None, Some(0.0), Some(0.999), Some(1.0)] {
                let line = Measure { fraction, ..HALF }.line(width);
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_recorded_query_is_one_that_was_seen() {
        let snapshot = json!({ "kind": "batch", "rows": 1_250_000, "bytes": 5 << 20, "bytes_total": 10 << 20, "elapsed_ms": 2000.0 });
        assert_eq!(Measure::recorded(&snapshot), Some(HALF));
        assert_eq!(Measure::recorded(&json!({ "rows": 1 })), None);
    }

    #[test]
    fn a_stream_says_its_throughput_its_lag_and_its_state() {
        let before = json!({ "input_rows": 1000, "batches_processed": 1 });
        let now = json!({
            "status": "backpressure", "batches_processed": 12, "inflight_batches": 2, "last_batch_latency_ms": 3.25,
            "state_rows": 40, "state_bytes": 2048, "input_rows": 3000,
        });
        assert_eq!(
            stream_line(&now, Some((&before, Duration::from_secs(4))), 200).unwrap(),
            "batch 12  3.0k rows  500 rows/s  lag 2 batches  3.2 ms a batch  state 40 keys 2.0 KiB  backpressure"
        );
        assert_eq!(stream_line(&before, None, 200).unwrap(), "batch 1  1.0k rows  lag 0 batches");
        assert_eq!(stream_line(&json!([]), None, 200), None);
    }
}
