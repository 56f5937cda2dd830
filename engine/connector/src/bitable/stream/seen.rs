//! Which versions of records were given.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use velaria_contract::{Error, ErrorCode, Result};

const COLUMNS: [&str; 2] = ["record_id", "modified_ms"];

/// The last version of each record that was given and is not older than the time that questions go back to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen(HashMap<String, i64>);

impl Seen {
    /// Whether this version was not given yet.
    pub(super) fn is_new(&self, id: &str, modified_ms: i64) -> bool {
        self.0.get(id) != Some(&modified_ms)
    }

    pub(super) fn add(&mut self, id: &str, modified_ms: i64) {
        self.0.insert(id.to_owned(), modified_ms);
    }

    /// Forgets what no question goes back to.
    pub(super) fn forget_before(&mut self, modified_ms: i64) {
        self.0.retain(|_, modified| *modified >= modified_ms);
    }

    /// The rows that go into a commit.
    pub(super) fn rows(given: &[(String, i64)]) -> Option<RecordBatch> {
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(given.iter().map(|(id, _)| id)));
        let times: ArrayRef = Arc::new(given.iter().map(|(_, modified)| *modified).collect::<Int64Array>());
        RecordBatch::try_from_iter(COLUMNS.into_iter().zip([ids, times])).ok()
    }

    /// What the rows of all commits say in the end.
    pub(super) fn of_history(history: &[RecordBatch]) -> Result<Self> {
        let mut seen = Self::default();
        for batch in history {
            seen.read(batch).ok_or_else(|| {
                Error::new(ErrorCode::CheckpointCorrupt, "the checkpoint holds no list of the records of a Bitable")
            })?;
        }
        Ok(seen)
    }

    fn read(&mut self, batch: &RecordBatch) -> Option<()> {
        let [ids, times] = COLUMNS.map(|name| batch.column_by_name(name));
        let (ids, times) = (ids?.as_string_opt::<i32>()?, times?.as_primitive_opt::<Int64Type>()?);
        for (id, time) in ids.iter().zip(times) {
            self.0.insert(id?.to_owned(), time?);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_commit_holds_is_what_was_given() {
        let first = Seen::rows(&[("a".to_owned(), 1), ("b".to_owned(), 2)]).unwrap();
        let second = Seen::rows(&[("a".to_owned(), 5)]).unwrap();
        let mut seen = Seen::of_history(&[first, second]).unwrap();
        assert!(!seen.is_new("a", 5) && seen.is_new("a", 1) && !seen.is_new("b", 2) && seen.is_new("c", 0));
        seen.forget_before(3);
        assert!(seen.is_new("b", 2) && !seen.is_new("a", 5));
        let other = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert_eq!(Seen::of_history(&[other]).unwrap_err().code(), ErrorCode::CheckpointCorrupt);
    }
}
