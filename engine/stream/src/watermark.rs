//! The watermark of a query: the event time up to which all rows are expected to be there.
//!
//! It is the largest event time seen minus the delay, the least of all inputs that are watched. An input that is silent for too
//! long, or has ended, no longer holds back the others. The watermark never goes back. Time comes from the caller: there is no clock
//! here.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use velaria_contract::{Error, ErrorCode, Result};

use crate::checkpoint::CommitHead;
use crate::plan::{Input, WatermarkSpec};
use crate::window::max_event_time_ms;

/// The event times of the inputs of a query, and what follows from them.
#[derive(Debug, Clone)]
pub struct Watermark {
    /// As many as the query has inputs.
    inputs: Vec<Option<Watched>>,
    idle_timeout: Option<Duration>,
    current_ms: Option<i64>,
}

#[derive(Debug, Clone)]
struct Watched {
    name: String,
    spec: WatermarkSpec,
    event_time_ms: Option<i64>,
    /// When rows came last; before the first, when the query started.
    heard: Duration,
    ended: bool,
}

impl Watermark {
    /// The watermark of a query over `inputs` that starts at `now`.
    #[must_use]
    pub fn new(inputs: &[Input], idle_timeout: Option<Duration>, now: Duration) -> Self {
        let specs = inputs.iter().map(|input| (input.name.clone(), input.watermark.clone()));
        Self::watching(specs, idle_timeout, now)
    }

    /// The same for inputs of which only the names and the event times are known.
    #[must_use]
    pub fn watching(
        inputs: impl IntoIterator<Item = (String, Option<WatermarkSpec>)>,
        idle_timeout: Option<Duration>,
        now: Duration,
    ) -> Self {
        let watched = |name, spec| Watched { name, spec, event_time_ms: None, heard: now, ended: false };
        let inputs = inputs.into_iter().map(|(name, spec)| spec.map(|spec| watched(name, spec))).collect();
        Self { inputs, idle_timeout, current_ms: None }
    }

    /// Goes on from a commit.
    pub fn restore(&mut self, head: &CommitHead) {
        self.current_ms = head.watermark_ms;
        for input in self.inputs.iter_mut().flatten() {
            input.event_time_ms = head.event_times.get(&input.name).copied();
        }
    }

    /// Rows of an input came at `now`. The watermark stays until [`Watermark::advance`].
    ///
    /// # Errors
    /// Those of [`max_event_time_ms`], with the name of the input.
    pub fn observe(&mut self, input: usize, batch: &RecordBatch, now: Duration) -> Result<()> {
        let Some(Some(watched)) = self.inputs.get_mut(input) else { return Ok(()) };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        watched.heard = watched.heard.max(now);
        let column = batch.columns().get(watched.spec.column).ok_or_else(|| without_time(&watched.name))?;
        let largest = max_event_time_ms(column).map_err(|error| in_input(&error, &watched.name))?;
        // NULL says nothing: it is smaller than any time.
        watched.event_time_ms = watched.event_time_ms.max(largest);
        Ok(())
    }

    /// Nothing more will come from an input.
    pub fn end(&mut self, input: usize) {
        if let Some(Some(watched)) = self.inputs.get_mut(input) {
            watched.ended = true;
        }
    }

    /// Moves the watermark as far as the rows that were observed allow at `now`, and gives it.
    pub fn advance(&mut self, now: Duration) -> Option<i64> {
        self.current_ms = self.current_ms.max(self.candidate(now));
        self.current_ms
    }

    /// The watermark in milliseconds.
    #[must_use]
    pub fn current_ms(&self) -> Option<i64> {
        self.current_ms
    }

    /// The largest event time of each input that is watched and has one, for a commit.
    #[must_use]
    pub fn event_times(&self) -> BTreeMap<String, i64> {
        let inputs = self.inputs.iter().flatten();
        inputs.filter_map(|input| Some((input.name.clone(), input.event_time_ms?))).collect()
    }

    fn candidate(&self, now: Duration) -> Option<i64> {
        let watched = || self.inputs.iter().flatten();
        if watched().all(|input| input.ended) {
            // No input is left that could be behind: the one that came furthest says how far the query is.
            return watched().filter_map(Watched::reached_ms).max();
        }
        let awaited = watched().filter(|input| !input.ended && !self.is_idle(input, now));
        // NULL is the least: an input that has given no time yet holds back all.
        awaited.map(Watched::reached_ms).min().flatten()
    }

    fn is_idle(&self, input: &Watched, now: Duration) -> bool {
        self.idle_timeout.is_some_and(|timeout| now.saturating_sub(input.heard) >= timeout)
    }
}

impl Watched {
    fn reached_ms(&self) -> Option<i64> {
        self.event_time_ms.map(|time| time.saturating_sub_unsigned(self.spec.delay_ms))
    }
}

fn without_time(input: &str) -> Error {
    Error::new(ErrorCode::SchemaMismatch, format!("a batch of stream '{input}' lacks the column of its event time"))
}

fn in_input(error: &Error, input: &str) -> Error {
    let told = Error::new(error.code(), format!("{} in the event time of stream '{input}'", error.message()));
    match error.hint() {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}
