//! The end of a run that others may end or resume meanwhile.
//!
//! Who does a run, who waits for it and who cancels it may all want to say how it ended. What one of them has said stays; and
//! once the run goes on, those of before have nothing to say any more.

use serde_json::Value;
use velaria_contract::Result;

use crate::Object;
use crate::run::{Outcome, Run, RunStatus};

/// What became of the wish to write an end down.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It was written: the record.
    Written(Object),
    /// The run has ended in another way, or goes on in another turn: the record as it stands.
    Kept(Object),
}

impl Run {
    /// The same run for who does it in the turn after it was resumed `times` times: nothing that is done in its name then
    /// reaches a later turn. [`Run::create`] gives a run in its first turn, [`Run::open`] one in any.
    #[must_use]
    pub fn in_turn(mut self, times: u64) -> Self {
        self.turn = Some(times);
        self
    }

    /// Whether the run is still in the turn of the caller.
    ///
    /// # Errors
    /// Those of [`Run::record`].
    pub fn is_in_turn(&self) -> Result<bool> {
        self.read().map(|record| self.is_turn_of(&record))
    }

    /// Writes down how the run ended, unless it was said before, or the run is in another turn. That the process of the run is
    /// gone may be said better by who has waited for it.
    ///
    /// # Errors
    /// Those of [`Run::finalize`].
    pub fn end(&self, outcome: &Outcome) -> Result<End> {
        let wanted = |record: &Object| self.is_turn_of(record) && may_end(record, outcome.status);
        let (record, written) = self.update_where(wanted, &self.ending(outcome)?)?;
        Ok(if written { End::Written(record) } else { End::Kept(record) })
    }

    pub(crate) fn is_turn_of(&self, record: &Object) -> bool {
        self.turn.is_none_or(|turn| turn == times_resumed(record))
    }
}

/// How often the run `record` was resumed.
#[must_use]
pub fn times_resumed(record: &Object) -> u64 {
    record.get("details").and_then(|details| details.get("resumed")).and_then(Value::as_u64).unwrap_or_default()
}

fn may_end(record: &Object, as_status: RunStatus) -> bool {
    let status = record.get("status").and_then(Value::as_str).and_then(RunStatus::parse);
    matches!(status, Some(RunStatus::Running | RunStatus::Aborted)) || status == Some(as_status)
}
