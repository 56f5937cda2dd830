//! The progress of a query as it goes on, for whoever wants to show it.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use velaria_contract::StreamingQueryProgress;

use super::{Phase, Query, State};

/// The progress of one run. It does not keep the query going.
pub struct ProgressWatch {
    query: Arc<Query>,
    run: u64,
    told: Option<Step>,
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Watched {
    /// The progress has changed: one more epoch, or another status. Whoever is slow sees the latest.
    Progress(Box<StreamingQueryProgress>),
    /// It has not changed yet.
    Nothing,
    /// The last progress of the run was told.
    End,
}

/// What makes a progress another one: epoch, micro-batches, status.
type Step = (u64, u64, String);

impl ProgressWatch {
    pub(super) fn new(query: &Arc<Query>) -> Self {
        let mut state = query.control.lock();
        state.watches += 1;
        let run = state.run;
        drop(state);
        Self { query: Arc::clone(query), run, told: None }
    }

    /// The number of the run that it watches: each start of a query is one more.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// The next change; waits for it until `patience` has passed.
    pub fn next(&mut self, patience: Duration) -> Watched {
        let Self { query, run, told } = self;
        let control = &query.control;
        let is_quiet = |state: &mut State| state.is_in(*run) && state.news(told.as_ref()).is_none();
        let waited = control.changed.wait_timeout_while(control.lock(), patience, is_quiet);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.run != *run {
            return Watched::End;
        }
        match state.news(told.as_ref()) {
            Some(step) => {
                *told = Some(step);
                Watched::Progress(Box::new(state.progress.clone()))
            }
            None if state.phase == Phase::Ended => Watched::End,
            None => Watched::Nothing,
        }
    }
}

impl fmt::Debug for ProgressWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressWatch").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Drop for ProgressWatch {
    fn drop(&mut self) {
        self.query.control.lock().watches -= 1;
    }
}

impl State {
    /// The step that the query has come to since `told`.
    fn news(&self, told: Option<&Step>) -> Option<Step> {
        // A run that closes its ends says that it is stopped, and may turn out to have failed.
        if self.progress.status == "stopped" && self.phase != Phase::Ended {
            return None;
        }
        let step = (self.progress.epoch, self.progress.batches_processed, self.progress.status.clone());
        (Some(&step) != told).then_some(step)
    }
}
