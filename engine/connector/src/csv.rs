//! CSV files.
//!
//! DataFusion decodes; this module decides what may be read in parallel and, when decoding fails, finds the line.

mod diagnose;
mod dialect;
mod quotes;
pub(crate) mod sniff;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::listing::ListingTable;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use velaria_contract::{Error, Result};

pub use self::dialect::{BadRows, CSV_OPTIONS, CsvOptions, DateOrder, Dialect, OnTypeError};
use crate::listing::{external, listing_options, listing_table, malformed, text_for_untyped};
use crate::{FileAccess, LocalFile};

const QUOTE: u8 = b'"';

/// A table that reads one CSV file.
#[derive(Debug)]
pub struct CsvTable {
    file: LocalFile,
    options: CsvOptions,
    /// Reads the file from front to back, so that a quoted field may hold line ends.
    serial: ListingTable,
    /// Reads byte ranges of the file at the same time, each from its first line end on.
    parallel: ListingTable,
    splittable: Mutex<Option<(Version, bool)>>,
}

/// What a file looked like when it was examined; another look means another examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    bytes: u64,
    modified: Option<SystemTime>,
}

/// Opens a CSV file with a header line. The types are those of its first 1,000 records.
///
/// # Errors
/// Those of [`LocalFile::open`]; `VEL-2006` for a column name that stands twice in the header; `VEL-5001`, `VEL-5002`
/// with the line when the head of the file cannot be read.
pub async fn open_csv(state: &dyn Session, path: &str, options: &CsvOptions) -> Result<CsvTable> {
    let file = LocalFile::open(&FileAccess::of(state.config_options())?, path)?;
    diagnose::check_header(&file, options)?;
    let inferred = listing_options(Arc::new(format(options, true))).infer_schema(state, &file.url()).await;
    let schema = match inferred {
        Ok(schema) => text_for_untyped(&schema),
        Err(error) => {
            return Err(diagnose::first_fault(&file, options, None).unwrap_or_else(|| malformed(&file, "csv", error)));
        }
    };
    CsvTable::new(file, options.clone(), schema)
}

fn format(options: &CsvOptions, line_ends_in_values: bool) -> CsvFormat {
    CsvFormat::default()
        .with_has_header(true)
        .with_delimiter(options.delimiter.unwrap_or(b','))
        .with_newlines_in_values(line_ends_in_values)
}

impl CsvTable {
    fn new(file: LocalFile, options: CsvOptions, schema: SchemaRef) -> Result<Self> {
        let reader = |serial: bool| {
            listing_table(&file, listing_options(Arc::new(format(&options, serial))), Arc::clone(&schema))
                .map_err(|error| malformed(&file, "csv", error))
        };
        let (serial, parallel) = (reader(true)?, reader(false)?);
        Ok(Self { file, options, serial, parallel, splittable: Mutex::default() })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &LocalFile {
        &self.file
    }

    /// The first record that cannot be read as this table, as an error with its line; `None` when every record can.
    ///
    /// This reads the file from the start and is meant for the moment after a scan has failed.
    #[must_use]
    pub fn first_fault(&self) -> Option<Error> {
        diagnose::first_fault(&self.file, &self.options, Some(&self.schema()))
    }

    /// Whether the file may be cut at line ends, which needs that no quoted field holds one.
    fn is_splittable(&self, threads: usize) -> bool {
        let Some(version) = version(self.file.path()) else { return false };
        let mut known = self.splittable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, answer)) = *known
            && seen == version
        {
            return answer;
        }
        let answer = quotes::splittable(&self.file, QUOTE, threads);
        *known = Some((version, answer));
        answer
    }

    fn reader(&self, state: &dyn Session, limit: Option<usize>) -> &ListingTable {
        let options = state.config_options();
        let worth_splitting = limit.is_none()
            && options.execution.target_partitions > 1
            && self.file.bytes() >= options.optimizer.repartition_file_min_size as u64;
        if worth_splitting && self.is_splittable(options.execution.target_partitions) {
            &self.parallel
        } else {
            &self.serial
        }
    }
}

fn version(path: &Path) -> Option<Version> {
    let metadata = path.metadata().ok()?;
    Some(Version { bytes: metadata.len(), modified: metadata.modified().ok() })
}

#[async_trait]
impl TableProvider for CsvTable {
    fn schema(&self) -> SchemaRef {
        self.serial.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        self.file.check().map_err(external)?;
        self.reader(state, limit).scan(state, projection, filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        self.serial.supports_filters_pushdown(filters)
    }
}
