//! A value that does not have the type which was found for its column at the start.

use std::fmt;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use velaria_contract::{Error, Result};

use super::file::CsvFile;
use super::sample;

/// The reason why a scan stopped, when it could go on with a wider type.
#[derive(Debug, Clone)]
pub struct LateType {
    file: Arc<CsvFile>,
    error: Error,
}

impl LateType {
    pub(crate) fn new(file: Arc<CsvFile>, error: Error) -> Self {
        Self { file, error }
    }

    /// The one in `error`, wherever it was wrapped.
    #[must_use]
    pub fn of(error: &DataFusionError) -> Option<&Self> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = next {
            if let Some(found) = current.downcast_ref::<Self>() {
                return Some(found);
            }
            if let Some(DataFusionError::External(inner)) = current.downcast_ref::<DataFusionError>() {
                let inner: &(dyn std::error::Error + 'static) = inner.as_ref();
                if let Some(found) = inner.downcast_ref::<Self>() {
                    return Some(found);
                }
            }
            next = current.source();
        }
        None
    }

    /// What is wrong with the value.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Looks at all values of the file and gives its columns the types that hold them, with `threads` threads. Tells what
    /// became of the column, once; `None` when no type is wider and the value is an error.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn widen(&self, threads: usize) -> Result<Option<String>> {
        let before = self.file.typed().schema;
        if !sample::settle(&self.file, threads)? {
            return Ok(None);
        }
        let after = self.file.typed().schema;
        let changed = before.fields().iter().zip(after.fields()).filter(|(old, new)| old != new);
        let columns: Vec<&str> = changed.map(|(field, _)| field.name().as_str()).collect();
        let note = format!("{}; {} read again with a wider type", self.error.message(), columns.join(", "));
        self.file.add_note(note.clone());
        Ok(Some(note))
    }
}

impl fmt::Display for LateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error.message())
    }
}

impl std::error::Error for LateType {}
