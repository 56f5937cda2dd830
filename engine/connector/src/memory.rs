//! Tables in memory: record batches that grow by whole inserts.
//!
//! A scan sees the batches that were there when it was planned; an insert appends all of its rows at once or none.

use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use velaria_contract::{Error, ErrorCode, Result};

/// Below this many rows a scan is not worth splitting.
const ROWS_PER_PARTITION_MIN: usize = 32_768;

/// A table of record batches.
#[derive(Debug)]
pub struct MemoryTable {
    schema: SchemaRef,
    batches: RwLock<Arc<Vec<RecordBatch>>>,
}

impl MemoryTable {
    /// A table of `batches`, which all have `schema`.
    ///
    /// # Errors
    /// `VEL-5006` when a batch has other columns.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        let table = Self { schema, batches: RwLock::default() };
        table.append(batches)?;
        Ok(table)
    }

    /// Adds all rows of `batches`, or none.
    ///
    /// # Errors
    /// `VEL-5006` when a batch has other columns.
    pub fn append(&self, batches: Vec<RecordBatch>) -> Result<()> {
        for batch in &batches {
            self.check(batch)?;
        }
        // A poisoned lock still holds whole batches: the only write is the push below.
        let mut current = self.batches.write().unwrap_or_else(PoisonError::into_inner);
        let filled = batches.into_iter().filter(|batch| batch.num_rows() > 0);
        Arc::make_mut(&mut *current).extend(filled);
        Ok(())
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.snapshot().iter().map(RecordBatch::num_rows).sum()
    }

    /// The batches that are there now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Vec<RecordBatch>> {
        Arc::clone(&self.batches.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there are at most `rows_max` rows in at most `bytes_max` bytes of memory.
    #[must_use]
    pub fn fits(&self, rows_max: usize, bytes_max: usize) -> bool {
        let batches = self.snapshot();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        rows <= rows_max && batches.iter().map(RecordBatch::get_array_memory_size).sum::<usize>() <= bytes_max
    }

    fn check(&self, batch: &RecordBatch) -> Result<()> {
        let same = batch.schema().fields().len() == self.schema.fields().len()
            && batch
                .schema()
                .fields()
                .iter()
                .zip(self.schema.fields())
                .all(|(left, right)| left.name() == right.name() && left.data_type() == right.data_type());
        if same {
            return Ok(());
        }
        Err(Error::new(ErrorCode::SchemaMismatch, "Arrow stream batches must share the same schema"))
    }
}

/// Cuts `batches` into at most `partitions` parts of about the same number of rows, in order and without copying.
fn split(batches: &[RecordBatch], partitions: usize) -> Vec<Vec<RecordBatch>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let parts = partitions.min(rows / ROWS_PER_PARTITION_MIN).max(1);
    let part_rows = rows.div_ceil(parts);
    let mut result = vec![Vec::new()];
    let mut room = part_rows;
    for batch in batches {
        let mut offset = 0;
        while offset < batch.num_rows() {
            if room == 0 {
                result.push(Vec::new());
                room = part_rows;
            }
            let length = room.min(batch.num_rows() - offset);
            if let Some(part) = result.last_mut() {
                part.push(batch.slice(offset, length));
            }
            offset += length;
            room -= length;
        }
    }
    result
}

#[async_trait]
impl TableProvider for MemoryTable {
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
        let partitions = split(&self.snapshot(), state.config().target_partitions());
        let source = MemorySourceConfig::try_new(&partitions, self.schema(), projection.cloned())?.with_limit(limit);
        Ok(datafusion::datasource::source::DataSourceExec::from_data_source(source))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn column(name: &str, values: Vec<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([(name, Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap()
    }

    #[test]
    fn parts_keep_every_row_in_order() {
        let rows = 3 * ROWS_PER_PARTITION_MIN + 17;
        let numbers: Vec<i64> = (0..rows as i64).collect();
        let batch = column("n", numbers.clone());
        let parts = split(&[batch.slice(0, 5), batch.slice(5, rows - 5)], 3);
        assert_eq!(parts.len(), 3);
        let seen: Vec<i64> = parts
            .iter()
            .flatten()
            .flat_map(|part| part.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec())
            .collect();
        assert_eq!(seen, numbers);
    }

    #[test]
    fn an_insert_with_other_columns_changes_nothing() {
        let batch = column("n", vec![1, 2]);
        let other = column("m", vec![3]);
        let table = MemoryTable::new(batch.schema(), vec![batch.clone()]).unwrap();
        assert_eq!(table.append(vec![batch, other]).unwrap_err().code(), ErrorCode::SchemaMismatch);
        assert_eq!(table.rows(), 2);
    }
}
