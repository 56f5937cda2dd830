//! A bar for a run that another process does, by what that one writes into `progress.jsonl`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use velaria_workspace::Run;

use super::Bars;
use super::line::{Measure, stream_line};
use crate::screen;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// Throughput is taken over at least this time.
const RATE_OVER: Duration = Duration::from_secs(2);
/// No more of the file is looked at once: only its last line counts.
const TAIL_BYTES: u64 = 64 << 10;

/// Draws how far a run is. The bar goes with it.
pub(crate) struct Follower {
    bars: Bars,
    path: PathBuf,
    looked: Option<Instant>,
    length: u64,
    /// Earlier snapshots of a stream, which throughput is the difference to.
    seen: Vec<(Instant, Value)>,
}

impl Follower {
    /// Follows `run`, where bars are drawn.
    pub(crate) fn new(run: &Run, bars: Bars) -> Self {
        Self { bars, path: run.progress_path(), looked: None, length: 0, seen: Vec::new() }
    }

    /// Looks at the run, unless it did a moment ago.
    pub(crate) fn look(&mut self) {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= INTERVAL);
        if self.bars == Bars::Hidden || !is_due {
            return;
        }
        self.looked = Some(Instant::now());
        if let Some(snapshot) = self.news() {
            self.draw(snapshot);
        }
    }

    /// The last whole line, if the file is longer than it was.
    fn news(&mut self) -> Option<Value> {
        let mut file = File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        if length == self.length {
            return None;
        }
        self.length = length;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
        let mut tail = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
        let end = tail.iter().rposition(|byte| *byte == b'\n')?;
        let lines = tail.get(..end)?;
        let start = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        serde_json::from_slice(lines.get(start..)?).ok()
    }

    fn draw(&mut self, snapshot: Value) {
        if let Some(measure) = Measure::recorded(&snapshot) {
            return screen::show(&measure.line(screen::width()));
        }
        // The newest of those that are old enough, and nothing older.
        let old = self.seen.iter().rposition(|(at, _)| at.elapsed() >= RATE_OVER).unwrap_or_default();
        self.seen.drain(..old);
        let before = self.seen.first().map(|(at, before)| (before, at.elapsed()));
        if let Some(line) = stream_line(&snapshot, before, screen::width()) {
            screen::show(&line);
            self.seen.push((Instant::now(), snapshot));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.bars == Bars::Drawn {
            screen::clear();
        }
    }
}
