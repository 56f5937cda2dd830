//! Tables that a caller lends to one statement: the variables of a program, under their names.
//!
//! The engine does not know where they come from. It asks for the names that a statement reads and the session does not
//! have ([`crate::Session::begin`]), and forgets the answer with the statement. No other statement sees them, and nothing
//! that outlives the statement may read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MutableArrayData, RecordBatch, RecordBatchOptions, make_array};
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::closest;

use crate::clock::ClockUse;
use crate::context::Context;
use crate::dataframe::DataFrame;

/// How many names a hint lists.
const LISTED_MAX: usize = 8;

/// What the caller says about the names that a statement reads and the session does not have.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// Tables before the names of the session: what a query of a frame is about.
    own: BTreeMap<String, Arc<dyn TableProvider>>,
    tables: BTreeMap<String, Arc<dyn TableProvider>>,
    clock: ClockUse,
    hints: BTreeMap<String, String>,
    candidates: Vec<String>,
    note: Option<String>,
}

impl Variables {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These variables and `frame` as the table `name`.
    ///
    /// # Errors
    /// `VEL-2006` when two columns of the frame share a name.
    pub fn with_table(mut self, name: &str, frame: &DataFrame) -> Result<Self> {
        self.tables.insert(name.to_owned(), frame.as_table()?);
        self.clock = self.clock.max(frame.clock());
        Ok(self)
    }

    /// These variables and `frame` as the table `name`, whatever the session calls so.
    pub(crate) fn with_own(mut self, name: &str, frame: &DataFrame) -> Result<Self> {
        self.own.insert(name.to_owned(), frame.as_table()?);
        self.clock = self.clock.max(frame.clock());
        Ok(self)
    }

    /// These variables behind those of `statement` that are before the names of the session.
    pub(crate) fn behind(mut self, statement: &Self) -> Self {
        self.own.extend(statement.own.iter().map(|(name, table)| (name.clone(), Arc::clone(table))));
        self.clock = self.clock.max(statement.clock);
        self
    }

    /// These variables, and why `name` is none of them: the hint of the error for a table that is not found.
    #[must_use]
    pub fn with_hint(mut self, name: &str, hint: impl Into<String>) -> Self {
        self.hints.insert(name.to_owned(), hint.into());
        self
    }

    /// These variables, and the names of others that the statement could have read: the error for a table that is not
    /// found lists them.
    #[must_use]
    pub fn with_candidates(mut self, candidates: Vec<String>) -> Self {
        self.candidates = candidates;
        self
    }

    /// These variables, and words behind the hint of every table that is not found.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Whether there is no table among them.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether nothing is said about any name.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_empty() && self.hints.is_empty() && self.candidates.is_empty() && self.note.is_none()
    }

    /// Whether one of the tables holds the time at which it runs.
    pub(crate) fn clock(&self) -> ClockUse {
        self.clock
    }

    /// Whether there are tables before the names of the session.
    pub(crate) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// The table called `name` that is before the names of the session.
    pub(crate) fn own(&self, name: &str) -> Option<&Arc<dyn TableProvider>> {
        self.own.get(name)
    }

    /// The name of that table as it is spelt.
    pub(crate) fn own_spelling(&self, name: &str) -> Option<&str> {
        let exact = self.own.get_key_value(name);
        let found = exact.or_else(|| self.own.iter().find(|(own, _)| own.to_lowercase() == name.to_lowercase()));
        found.map(|(own, _)| own.as_str())
    }

    pub(crate) fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.tables.get(name).cloned()
    }

    /// How to go on when `name` is neither a variable nor one of `known`; `None` when nothing is known about variables.
    pub(crate) fn hint<'a>(&'a self, name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
        if let Some(hint) = self.hints.get(name) {
            return Some(hint.clone());
        }
        if self.candidates.is_empty() && self.note.is_none() {
            return None;
        }
        let candidates = self.candidates.iter().map(String::as_str);
        let meant = closest(name, known.chain(candidates)).map(|meant| format!("did you mean \"{meant}\"?"));
        let parts = meant.or_else(|| self.listed()).into_iter().chain(self.note.clone());
        let hint = parts.collect::<Vec<_>>().join("; ");
        (!hint.is_empty()).then_some(hint)
    }

    fn listed(&self) -> Option<String> {
        let names = self.candidates.iter().take(LISTED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.candidates.len() {
            0 => None,
            1..=LISTED_MAX => Some(format!("variables that are tables: {names}")),
            more => Some(format!("variables that are tables: {names} and {} more", more - LISTED_MAX)),
        }
    }
}

/// `batches` for a table of the session: where they may share memory with a variable, whose owner may change it, they are
/// copied.
pub(crate) fn owned(context: &Context, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    if context.catalog.variables().is_empty() {
        return Ok(batches);
    }
    batches.iter().map(copied).collect()
}

fn copied(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(copied_array).collect::<std::result::Result<_, ArrowError>>();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    columns
        .and_then(|columns| RecordBatch::try_new_with_options(batch.schema(), columns, &options))
        .map_err(|error| Error::new(ErrorCode::Internal, "cannot copy the rows of a variable").with_source(error))
}

fn copied_array(array: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}
