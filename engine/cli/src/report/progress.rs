//! `progress.jsonl` as lines over time.

use serde_json::Value;
use velaria::Result;
use velaria_workspace::{Object, Redactor, Run, read_snapshots};

/// The snapshots of a file that is too long to be read whole.
const SAMPLES: u64 = 600;

/// How a run came along.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Progress {
    /// The snapshots, in the order in which they were written.
    pub(crate) snapshots: Vec<Object>,
    /// Whether snapshots between them were left out.
    pub(crate) sampled: bool,
}

/// A line of a chart: what is known, at rising places.
pub(crate) type Points = Vec<(f64, f64)>;

/// What the places on the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Seconds since the first snapshot.
    Seconds,
    /// Micro-batches.
    Batches,
}

impl Progress {
    /// The progress of `run` until now.
    ///
    /// # Errors
    /// `VEL-6003` when `progress.jsonl` cannot be read.
    pub(crate) fn load(run: &Run) -> Result<Self> {
        let read = read_snapshots(run, SAMPLES)?;
        let redactor = Redactor::from_env();
        let snapshots = read.lines.iter().map(|line| redactor.object(line)).collect();
        Ok(Self { snapshots, sampled: read.sampled })
    }

    /// The last snapshot.
    pub(crate) fn latest(&self) -> Option<&Object> {
        self.snapshots.last()
    }

    /// Whether the snapshots are those of a query that ends, and not of a stream.
    pub(crate) fn is_batch(&self) -> bool {
        self.latest().and_then(|latest| latest.get("kind")).and_then(Value::as_str) == Some("batch")
    }

    /// The number at `key` of the last snapshot.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        number(self.latest()?, key)
    }

    /// The text at `key` of the last snapshot, where it is not empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.latest()?.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// Seconds where every snapshot says when it was, else micro-batches.
    pub(crate) fn axis(&self) -> Axis {
        let timed = self.snapshots.iter().all(|snapshot| number(snapshot, "elapsed_ms").is_some());
        if timed { Axis::Seconds } else { Axis::Batches }
    }

    /// The number at `key` over time.
    pub(crate) fn points(&self, key: &str) -> Points {
        self.points_of(|snapshot| number(snapshot, key))
    }

    /// What `value` finds in each snapshot, over time.
    pub(crate) fn points_of(&self, value: impl Fn(&Object) -> Option<f64>) -> Points {
        let mut points = Points::new();
        for (snapshot, place) in self.snapshots.iter().zip(self.places()) {
            let (Some(place), Some(value)) = (place, value(snapshot)) else { continue };
            if points.last().is_none_or(|(last, _)| *last < place) {
                points.push((place, value));
            } else if let Some(last) = points.last_mut().filter(|(last, _)| *last == place) {
                last.1 = value;
            }
        }
        points
    }

    /// Where on the axis each snapshot is.
    fn places(&self) -> Vec<Option<f64>> {
        if self.axis() == Axis::Batches {
            return self.snapshots.iter().map(|snapshot| number(snapshot, "batches_processed")).collect();
        }
        let (mut before, mut last) = (0.0, 0.0);
        let place = |snapshot: &Object| {
            let time = number(snapshot, "elapsed_ms")? / 1000.0;
            // A stream that goes on in the same run counts from zero again.
            if time < last {
                before += last;
            }
            last = time;
            Some(before + time)
        };
        self.snapshots.iter().map(place).collect()
    }

    /// How fast the count at `key` grows: for each second, or for each micro-batch.
    pub(crate) fn rates(&self, key: &str) -> Points {
        let points = self.points(key);
        let rate = |pair: &[(f64, f64)]| ((pair[1].0), ((pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0)).max(0.0));
        points.windows(2).map(rate).collect()
    }
}

/// The number at `key`.
fn number(snapshot: &Object, key: &str) -> Option<f64> {
    snapshot.get(key)?.as_f64().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn progress(snapshots: &[Value]) -> Progress {
        Progress { snapshots: snapshots.iter().map(|line| line.as_object().unwrap().clone()).collect(), sampled: false }
    }

    #[test]
    fn a_stream_without_moments_goes_by_micro_batches() {
        let progress = progress(&[
            json!({"batches_processed": 0, "input_rows": 0}),
            json!({"batches_processed": 1, "input_rows": 10}),
            json!({"batches_processed": 3, "input_rows": 20, "status": "running"}),
            json!({"batches_processed": 3, "input_rows": 25, "status": "stopped"}),
            json!({"batches_processed": 2, "input_rows": 7}),
            json!({"input_rows": 7}),
        ]);
        assert_eq!(progress.axis(), Axis::Batches);
        assert_eq!(progress.points("input_rows"), [(0.0, 0.0), (1.0, 10.0), (3.0, 25.0)]);
        assert_eq!(progress.rates("input_rows"), [(1.0, 10.0), (3.0, 7.5)]);
        assert!(!progress.is_batch());
    }

    #[test]
    fn a_query_that_ends_goes_by_seconds() {
        let progress = progress(&[
            json!({"kind": "batch", "rows": 0, "elapsed_ms": 0.0}),
            json!({"kind": "batch", "rows": 100, "elapsed_ms": 500.0}),
        ]);
        assert_eq!((progress.axis(), progress.is_batch()), (Axis::Seconds, true));
        assert_eq!(progress.rates("rows"), [(0.5, 200.0)]);
    }

    #[test]
    fn time_goes_on_after_a_stream_was_resumed() {
        let at = |time: f64, rows: u64| json!({"elapsed_ms": time, "input_rows": rows});
        let progress = progress(&[at(1000.0, 1), at(3000.0, 2), at(500.0, 3), at(1500.0, 4)]);
        assert_eq!(progress.points("input_rows"), [(1.0, 1.0), (3.0, 2.0), (3.5, 3.0), (4.5, 4.0)]);
    }

    #[test]
    fn without_snapshots_there_is_nothing() {
        let progress = Progress::default();
        assert_eq!((progress.points("rows"), progress.rates("rows"), progress.latest()), (vec![], vec![], None));
    }
}
