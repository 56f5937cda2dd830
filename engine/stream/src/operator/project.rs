//! Computes columns.
//!
//! Columns behind those of the plan are hidden ones, which the changelog travels in: they are passed on as they are.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use velaria_contract::Result;

use crate::error::{from_arrow, from_datafusion};
use crate::operator::{MicroBatch, Operator};

/// The select list.
pub(crate) struct Project {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    /// The number of columns of the input that the plan knows.
    width: usize,
    schema: SchemaRef,
}

impl Project {
    pub(crate) fn new(exprs: Vec<Arc<dyn PhysicalExpr>>, input: &SchemaRef, output: &SchemaRef) -> Self {
        Self { exprs, width: input.fields().len(), schema: Arc::clone(output) }
    }
}

impl Operator for Project {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.exprs.len());
        for expr in &self.exprs {
            let value = expr.evaluate(batch).and_then(|value| value.into_array(rows));
            columns.push(value.map_err(from_datafusion)?);
        }
        let schema = with_hidden(&self.schema, batch, self.width);
        columns.extend(batch.columns().iter().skip(self.width).cloned());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        out.push(RecordBatch::try_new_with_options(schema, columns, &options).map_err(from_arrow)?);
        Ok(())
    }
}

/// `schema` with the columns of `batch` from `width` on.
pub(crate) fn with_hidden(schema: &SchemaRef, batch: &RecordBatch, width: usize) -> SchemaRef {
    if batch.num_columns() <= width {
        return Arc::clone(schema);
    }
    let own = batch.schema();
    let fields = schema.fields().iter().chain(own.fields().iter().skip(width)).cloned();
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
