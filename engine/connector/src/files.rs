//! Many files as one table: each is opened by its format, and what they have in common is the table.
//!
//! Columns are matched by name. A file without a column has NULL there, if the caller allows files to differ; a column that is
//! an integer here and a floating number there is a floating number. The names of directories are columns at the end.

mod chain;
mod unify;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal, cast};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use velaria_contract::{Error, ErrorCode, Result};

use self::chain::ChainExec;
pub use self::unify::Differences;
pub(crate) use self::unify::wider;
use crate::LocalFile;
use crate::located::{Located, LocatedFile};

/// A table over files of one format.
#[derive(Debug)]
pub struct FilesTable {
    schema: SchemaRef,
    /// The columns that the names of directories are; the last ones of the schema.
    partitions: SchemaRef,
    parts: Vec<Part>,
}

/// One file of a [`FilesTable`].
#[derive(Debug)]
struct Part {
    file: LocalFile,
    table: Arc<dyn TableProvider>,
    /// Where each column of the schema stands in `table`; `None` where the file does not have it.
    columns: Vec<Option<usize>>,
    /// The values of the partition columns.
    values: Vec<ScalarValue>,
}

impl FilesTable {
    /// One table over `tables`, which are those of the files of `located`, in the same order.
    ///
    /// # Errors
    /// `VEL-5006` when the files do not fit each other, with the file and the column.
    pub fn new(located: &Located, tables: Vec<Arc<dyn TableProvider>>, differences: Differences) -> Result<Self> {
        let schemas: Vec<(&LocalFile, SchemaRef)> =
            located.files.iter().map(|each| &each.file).zip(tables.iter().map(|table| table.schema())).collect();
        let own = unify::unify(&schemas, differences)?;
        Self::with_columns(located, tables, own)
    }

    /// One table over `tables` with exactly these columns, by name.
    pub(crate) fn with_columns(
        located: &Located,
        tables: Vec<Arc<dyn TableProvider>>,
        columns: Vec<Field>,
    ) -> Result<Self> {
        let partition = |(name, data_type): &(String, DataType)| Field::new(name, data_type.clone(), true);
        let partitions: Vec<Field> = located.partitions.iter().map(partition).collect();
        // The name of the directory says more about the file than a column of the same name in it.
        let mut fields: Vec<Field> =
            columns.into_iter().filter(|field| partitions.iter().all(|own| own.name() != field.name())).collect();
        let own = fields.len();
        fields.extend(partitions.iter().cloned());
        let schema = Arc::new(Schema::new(fields));
        let parts = located
            .files
            .iter()
            .zip(tables)
            .map(|(each, table)| Part::new(each, table, &schema, own))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { schema, partitions: Arc::new(Schema::new(partitions)), parts })
    }

    /// The table of the only file, when it has these columns without any change.
    pub(crate) fn plain(&self) -> Option<Arc<dyn TableProvider>> {
        let [only] = self.parts.as_slice() else { return None };
        let found = only.table.schema();
        let same = found.fields().len() == self.schema.fields().len()
            && found
                .fields()
                .iter()
                .zip(self.schema.fields())
                .all(|(own, field)| own.name() == field.name() && own.data_type() == field.data_type());
        same.then(|| Arc::clone(&only.table))
    }

    /// The tables of the files.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<dyn TableProvider>> {
        self.parts.iter().map(|part| &part.table)
    }

    /// The size of all files in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.file.bytes()).sum()
    }

    /// The parts that can have a row for which every one of `filters` is true.
    fn wanted(&self, state: &dyn Session, filters: &[Expr]) -> Vec<&Part> {
        let is_partition =
            |column: &datafusion::common::Column| self.partitions.column_with_name(&column.name).is_some();
        let filters: Vec<&Expr> = filters
            .iter()
            .filter(|filter| {
                let columns = filter.column_refs();
                !columns.is_empty() && columns.into_iter().all(is_partition)
            })
            .collect();
        let keeps = |part: &&Part| filters.iter().all(|filter| self.may_hold(state, filter, part).unwrap_or(true));
        self.parts.iter().filter(keeps).collect()
    }

    /// Whether `filter`, which reads partition columns only, can be true in `part`.
    fn may_hold(&self, state: &dyn Session, filter: &Expr, part: &Part) -> DataFusionResult<bool> {
        let schema = DFSchema::try_from(self.partitions.as_ref().clone())?;
        let filter = state.create_physical_expr(filter.clone(), &schema)?;
        let values = part.values.iter().map(ScalarValue::to_array).collect::<DataFusionResult<Vec<_>>>()?;
        let row = RecordBatch::try_new(Arc::clone(&self.partitions), values)?;
        let answer = ScalarValue::try_from_array(filter.evaluate(&row)?.into_array(1)?.as_ref(), 0)?;
        Ok(!matches!(answer, ScalarValue::Boolean(Some(false) | None)))
    }
}

impl Part {
    fn new(located: &LocatedFile, table: Arc<dyn TableProvider>, schema: &SchemaRef, own: usize) -> Result<Self> {
        let found = table.schema();
        let columns = schema.fields().iter().take(own).map(|field| position(&found, field.name())).collect();
        let values = schema
            .fields()
            .iter()
            .skip(own)
            .zip(&located.values)
            .map(|(field, value)| partition_value(field, value.as_deref()))
            .collect::<Result<_>>()?;
        Ok(Self { file: located.file.clone(), table, columns, values })
    }

    /// The rows of this file with the columns of `wanted`, which are places in `schema`.
    async fn scan(
        &self,
        state: &dyn Session,
        schema: &Schema,
        wanted: &[usize],
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut read: Vec<usize> = wanted.iter().filter_map(|index| *self.columns.get(*index)?).collect();
        read.sort_unstable();
        read.dedup();
        let filters = self.filters(schema, filters);
        let input = self.table.scan(state, Some(&read), &filters, limit).await?;
        if wanted.is_empty() {
            return Ok(input);
        }
        let items = wanted
            .iter()
            .map(|index| {
                let field = schema.field(*index);
                Ok((self.item(*index, field, &input.schema())?, field.name().clone()))
            })
            .collect::<DataFusionResult<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(items, input)?))
    }

    /// The column of the table at `index`, computed from a row of this file.
    fn item(&self, index: usize, field: &Field, input: &Schema) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        match self.columns.get(index) {
            Some(Some(_)) => {
                let column = Arc::new(Column::new_with_schema(field.name(), input)?);
                cast(column, input, field.data_type().clone())
            }
            Some(None) => Ok(Arc::new(Literal::new(ScalarValue::try_from(field.data_type())?))),
            None => {
                let value = self.values.get(index - self.columns.len()).cloned();
                Ok(Arc::new(Literal::new(value.map_or_else(|| ScalarValue::try_from(field.data_type()), Ok)?)))
            }
        }
    }

    /// Those of `filters` that mean for the file what they mean for the table.
    fn filters(&self, schema: &Schema, filters: &[Expr]) -> Vec<Expr> {
        let found = self.table.schema();
        let same = |name: &str| {
            let whole = schema.column_with_name(name);
            whole.zip(position(&found, name)).is_some_and(|((index, field), own)| {
                self.columns.get(index) == Some(&Some(own)) && found.field(own).data_type() == field.data_type()
            })
        };
        filters.iter().filter(|filter| filter.column_refs().iter().all(|column| same(&column.name))).cloned().collect()
    }
}

fn position(schema: &Schema, name: &str) -> Option<usize> {
    schema.fields().iter().position(|field| field.name() == name)
}

fn partition_value(field: &Field, value: Option<&str>) -> Result<ScalarValue> {
    let parsed = match value {
        Some(text) => ScalarValue::try_from_string(text.to_owned(), field.data_type()),
        None => ScalarValue::try_from(field.data_type()),
    };
    parsed.map_err(|error| {
        Error::new(
            ErrorCode::Cast,
            format!("the directory {}={} is not {}", field.name(), value.unwrap_or_default(), field.data_type()),
        )
        .with_source(error)
    })
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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
        let wanted: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&wanted)?);
        let mut inputs = Vec::new();
        for part in self.wanted(state, filters) {
            inputs.push(part.scan(state, &self.schema, &wanted, filters, limit).await?);
        }
        Ok(Arc::new(ChainExec::new(schema, inputs, state.config().target_partitions())))
    }

    /// A file may read less because of a filter; that is all it promises.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
