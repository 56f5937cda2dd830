//! How far the query of a run is, written into its `progress.jsonl`.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use velaria::{Progress, ProgressListener, json};
use velaria_workspace::Run;

/// How often it is written down. A query that is done sooner leaves nothing.
const INTERVAL: Duration = Duration::from_millis(500);

/// One line.
#[derive(Serialize)]
struct Snapshot {
    kind: &'static str,
    rows: u64,
    bytes: u64,
    bytes_total: Option<u64>,
    elapsed_ms: f64,
    rows_total: Option<u64>,
}

impl Snapshot {
    fn of(progress: &Progress) -> Self {
        // Of files whose size is not known the bytes in memory are better than nothing.
        let bytes = if progress.file_bytes_total.is_some() { progress.file_bytes } else { progress.bytes };
        Self {
            kind: "batch",
            rows: progress.rows,
            bytes,
            bytes_total: progress.file_bytes_total,
            elapsed_ms: (progress.elapsed.as_secs_f64() * 1e6).round() / 1e3,
            rows_total: progress.rows_total,
        }
    }
}

/// Who writes down how far the statements of `run` are.
pub(crate) fn recorder(run: &Run) -> ProgressListener {
    let run = run.clone();
    let written: Mutex<Option<Instant>> = Mutex::new(None);
    ProgressListener::new(move |progress| {
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = match *written {
            None => progress.elapsed >= INTERVAL,
            Some(last) => progress.finished || last.elapsed() >= INTERVAL,
        };
        if is_due {
            *written = (!progress.finished).then(Instant::now);
            // Where it cannot be written the run goes on: its result matters more.
            let line = json::to_line(&Snapshot::of(progress));
            let _ = line.and_then(|line| run.append_progress_snapshot(&line));
        }
    })
}
