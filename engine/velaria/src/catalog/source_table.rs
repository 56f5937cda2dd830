//! A table over files: where the files are, and what they were when the table was last used.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::SystemTime;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use velaria_connector::{Format, ReadOptions};

/// What changes when a file is added, removed or written.
pub(crate) type Fingerprint = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

/// The declaration of a table over files.
#[derive(Debug)]
pub(crate) struct SourceTable {
    pub(crate) path: String,
    pub(crate) format: Option<Format>,
    pub(crate) options: ReadOptions,
    /// The options with those that only stream SQL looks at.
    pub(crate) stream_options: ReadOptions,
    pub(crate) columns: Option<SchemaRef>,
    opened: RwLock<Option<(Fingerprint, Arc<dyn TableProvider>)>>,
    /// The same files as stream SQL reads them, once it did.
    stream: OnceLock<Arc<dyn TableProvider>>,
}

impl SourceTable {
    pub(crate) fn new(
        path: String,
        format: Option<Format>,
        (options, stream_options): (ReadOptions, ReadOptions),
        columns: Option<SchemaRef>,
    ) -> Self {
        Self { path, format, options, stream_options, columns, opened: RwLock::default(), stream: OnceLock::new() }
    }

    /// The table as it was when it was last opened. One that never was has no rows; the statement that names it opens it.
    pub(crate) fn table(&self) -> Arc<dyn TableProvider> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        match opened.as_ref() {
            Some((_, table)) => Arc::clone(table),
            None => {
                let columns = self.columns.clone().unwrap_or_else(|| Arc::new(Schema::empty()));
                Arc::new(EmptyTable::new(columns))
            }
        }
    }

    /// The files as a stream, if stream SQL has read them.
    pub(crate) fn stream(&self) -> Option<Arc<dyn TableProvider>> {
        self.stream.get().map(Arc::clone)
    }

    /// Keeps the files as a stream; the first one stays.
    pub(crate) fn keep_stream(&self, stream: Arc<dyn TableProvider>) {
        self.stream.get_or_init(|| stream);
    }

    /// Whether the files are those that were opened.
    pub(crate) fn is_current(&self, fingerprint: &Fingerprint) -> bool {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().is_some_and(|(known, _)| known == fingerprint)
    }

    /// Whether the table was opened.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn open_again(&self, fingerprint: Fingerprint, table: Arc<dyn TableProvider>) {
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some((fingerprint, table));
    }
}
