//! One local file as a DataFusion table: what CSV, NDJSON and Parquet have in common.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use velaria_contract::{Error, ErrorCode, Result};

use crate::LocalFile;

/// A table that reads one local file.
#[derive(Debug)]
pub struct FileTable {
    file: LocalFile,
    format: &'static str,
    table: ListingTable,
    /// Scans without a filter of their own, where the format reads those in another way.
    unfiltered: Option<ListingTable>,
}

impl FileTable {
    /// A table over `file`, whose schema is found by reading the head or the footer of the file.
    ///
    /// # Errors
    /// `VEL-5008` when the content is not of the format.
    pub(crate) async fn open(
        state: &dyn Session,
        file: LocalFile,
        format: Arc<dyn FileFormat>,
        name: &'static str,
    ) -> Result<Self> {
        let options = listing_options(format);
        let schema = options.infer_schema(state, &file.url()?).await.map_err(|error| malformed(&file, name, error))?;
        let table =
            listing_table(&file, options, text_for_untyped(&schema)).map_err(|error| malformed(&file, name, error))?;
        Ok(Self { file, format: name, table, unfiltered: None })
    }

    /// This table, with scans without a filter of their own reading as `format` says.
    pub(crate) fn with_unfiltered(mut self, format: Arc<dyn FileFormat>) -> Result<Self> {
        let table = listing_table(&self.file, listing_options(format), self.table.schema());
        self.unfiltered = Some(table.map_err(|error| malformed(&self.file, self.format, error))?);
        Ok(self)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &LocalFile {
        &self.file
    }

    /// The name of the format.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.format
    }
}

/// The options of a table that reads exactly the file it is given, whatever its name ends with.
pub(crate) fn listing_options(format: Arc<dyn FileFormat>) -> ListingOptions {
    ListingOptions::new(format).with_file_extension("")
}

/// A listing table over one file.
pub(crate) fn listing_table(
    file: &LocalFile,
    options: ListingOptions,
    schema: SchemaRef,
) -> DataFusionResult<ListingTable> {
    let url = file.url().map_err(external)?;
    ListingTable::try_new(ListingTableConfig::new(url).with_listing_options(options).with_schema(schema))
}

/// Columns without a single value have no type to infer: they are text, so that every table can be exported.
pub(crate) fn text_for_untyped(schema: &Schema) -> SchemaRef {
    let typed = |field: &Arc<Field>| match field.data_type() {
        DataType::Null => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new_with_metadata(
        schema.fields().iter().map(typed).collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

/// The error for content that is not of the format it was opened as.
pub(crate) fn malformed(file: &LocalFile, format: &str, error: DataFusionError) -> Error {
    Error::new(ErrorCode::MalformedFile, format!("cannot read {} as {format}", file.path().display()))
        .with_hint(reason(&error))
        .with_source(error)
}

/// An error of ours on its way through DataFusion.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What the decoder says, without the chain of prefixes of the layers above it.
fn reason(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    text.rsplit("error: ").next().unwrap_or(&text).trim().to_owned()
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        None
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        self.file.check().map_err(external)?;
        let table = self.unfiltered.as_ref().filter(|_| filters.is_empty()).unwrap_or(&self.table);
        table.scan(state, projection, filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }
}
