//! The progress of a stream as it goes into `progress.jsonl`.

use std::time::{Duration, Instant};

use velaria::stream::StreamingQueryProgress;
use velaria::{Result, StreamingQuery};
use velaria_workspace::Run;

/// The least time between two lines.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The most time between two lines of a stream that moves.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The part of the time that has passed which the next line may take to come: the file of a stream that runs for weeks stays
/// one that can be read.
const PART: u32 = 1000;

/// Writes a line when a query begins, when it ends, and between them now and then when it has moved.
pub(super) struct Journal<'a> {
    run: &'a Run,
    began: Instant,
    written: Instant,
    told: Step,
    /// Whether it was said that lines cannot be written.
    warned: bool,
}

/// What makes a progress another one: epoch, micro-batches, status.
type Step = (u64, u64, String);

impl<'a> Journal<'a> {
    /// Writes the first line.
    pub(super) fn new(run: &'a Run, query: &StreamingQuery) -> Self {
        let (progress, now) = (query.progress(), Instant::now());
        let mut journal = Self { run, began: now, written: now, told: step(&progress), warned: false };
        journal.write(&progress);
        journal
    }

    /// Writes a line when it is time for one and there is something to tell.
    pub(super) fn look(&mut self, query: &StreamingQuery) {
        if self.written.elapsed() < pause(self.began.elapsed()) {
            return;
        }
        let progress = query.progress();
        let step = step(&progress);
        if step != self.told {
            self.write(&progress);
            (self.told, self.written) = (step, Instant::now());
        }
    }

    /// Writes the last line.
    pub(super) fn end(mut self, query: &StreamingQuery) {
        self.write(&query.progress());
    }

    /// A line that cannot be written is no reason to end a query: the disk may have room again.
    fn write(&mut self, progress: &StreamingQueryProgress) {
        if let Err(error) = self.append(progress) {
            if !self.warned {
                log::warn!("the progress of run {} cannot be written down: {error}", self.run.id());
            }
            self.warned = true;
        }
    }

    fn append(&self, progress: &StreamingQueryProgress) -> Result<()> {
        let line = timed(&progress.snapshot_json()?, self.began.elapsed());
        self.run.append_progress_snapshot(&line).map(drop)
    }
}

/// The native snapshot with the time that had passed as its last key: without it nobody could draw the lines over time.
fn timed(snapshot: &str, passed: Duration) -> String {
    match snapshot.trim_end().strip_suffix('}') {
        Some(open) => format!("{open},\"elapsed_ms\":{}}}", passed.as_millis()),
        None => snapshot.to_owned(),
    }
}

fn step(progress: &StreamingQueryProgress) -> Step {
    (progress.epoch, progress.batches_processed, progress.status.clone())
}

fn pause(passed: Duration) -> Duration {
    (passed / PART).clamp(PAUSE_MIN, PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_its_time() {
        assert_eq!(timed("{\"epoch\":1}\n", Duration::from_millis(1500)), "{\"epoch\":1,\"elapsed_ms\":1500}");
    }

    #[test]
    fn lines_become_rarer() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(second), PAUSE_MIN);
        assert_eq!(pause(3600 * second), Duration::from_millis(3600));
        assert_eq!(pause(86_400 * second), PAUSE_MAX);
    }
}
