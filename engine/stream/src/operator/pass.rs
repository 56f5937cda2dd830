//! The steps that compute nothing: the columns of a scan, and the way through a union.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use velaria_contract::Result;

use crate::error::from_arrow;
use crate::operator::{MicroBatch, Operator};

/// Takes some of the columns of a source.
pub(crate) struct Scan {
    projection: Vec<usize>,
    schema: SchemaRef,
}

impl Scan {
    pub(crate) fn new(projection: Vec<usize>, output: &SchemaRef) -> Self {
        Self { projection, schema: Arc::clone(output) }
    }
}

impl Operator for Scan {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let columns = self.projection.iter().filter_map(|index| batch.columns().get(*index).cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let scanned = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        out.push(scanned.map_err(from_arrow)?);
        Ok(())
    }
}

/// Gives the rows of an input of a union the columns of the union.
pub(crate) struct Union {
    schema: SchemaRef,
}

impl Union {
    pub(crate) fn new(output: &SchemaRef) -> Self {
        Self { schema: Arc::clone(output) }
    }
}

impl Operator for Union {
    fn push(&mut self, batch: &RecordBatch, _: MicroBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let width = self.schema.fields().len();
        let schema = super::project::with_hidden(&self.schema, batch, width);
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let renamed = RecordBatch::try_new_with_options(schema, batch.columns().to_vec(), &options);
        out.push(renamed.map_err(from_arrow)?);
        Ok(())
    }
}
