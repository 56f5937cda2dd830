//! The rows of a table with their numbers, for statements that say which rows they change.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::{Batches, scan};

/// The name of the column with the numbers. No statement can hold a NUL, so it meets no other name.
pub const ROW_NUMBER: &str = "\0row";

/// A snapshot of a table and, after its columns, the number of each row.
#[derive(Debug)]
pub struct NumberedTable {
    schema: SchemaRef,
    batches: Batches,
}

impl NumberedTable {
    /// The rows of `batches`, which all have `schema`.
    #[must_use]
    pub fn new(schema: &SchemaRef, batches: Arc<Vec<RecordBatch>>) -> Self {
        let number = Arc::new(Field::new(ROW_NUMBER, DataType::UInt64, false));
        let fields = schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>();
        Self { schema: Arc::new(Schema::new(fields)), batches }
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn with_numbers(&self) -> DataFusionResult<Vec<RecordBatch>> {
        let mut first = 0_u64;
        let number = |batch: &RecordBatch| {
            let end = first + batch.num_rows() as u64;
            let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(first..end));
            first = end;
            let columns = batch.columns().iter().cloned().chain([numbers]).collect();
            Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
        };
        self.batches.iter().map(number).collect()
    }
}

#[async_trait]
impl TableProvider for NumberedTable {
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
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        scan(&self.with_numbers()?, self.schema(), state, projection, limit)
    }
}
