//! NDJSON files: one JSON object a line.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::datasource::file_format::json::JsonFormat;
use velaria_contract::Result;

use crate::{FileAccess, FileTable, LocalFile};

/// Opens an NDJSON file; the columns and types are those of its first 1,000 objects, in order of appearance.
///
/// # Errors
/// Those of [`LocalFile::open`], and `VEL-5008` when a line is not a JSON object.
pub async fn open_json(state: &dyn Session, path: &str) -> Result<FileTable> {
    let file = LocalFile::open(&FileAccess::of(state.config_options())?, path)?;
    FileTable::open(state, file, Arc::new(JsonFormat::default()), "json").await
}
