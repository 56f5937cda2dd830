//! Parquet files.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use velaria_contract::Result;

use crate::{FileTable, LocalFile};

/// Opens a Parquet file; only its footer is read.
///
/// # Errors
/// Those of [`LocalFile::open`], and `VEL-5008` when the file is not Parquet.
pub async fn open_parquet(state: &dyn Session, path: &str) -> Result<FileTable> {
    let file = LocalFile::open(path)?;
    let format = ParquetFormat::default().with_options(state.default_table_options().parquet);
    FileTable::open(state, file, Arc::new(format), "parquet").await
}
