//! Tables in memory: record batches that change by whole statements.
//!
//! A scan sees the batches that were there when it was planned. One [`Writer`] at a time changes a table, all at once or
//! not at all, and keeps the rules of the table.

mod coalesce;
mod keys;
mod numbered;
mod rules;
mod writer;

use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tokio::sync::Mutex;
use velaria_contract::{Error, ErrorCode, Result};

use self::keys::UniqueKey;
pub use self::numbered::{NumberedTable, ROW_NUMBER};
pub use self::rules::{Check, KeyKind, KeyRule, TableRules};
pub use self::writer::{Change, Writer};

/// Up to this many rows a scan is not split. A scan of more has as many parts as the session wants: given fewer, the planner
/// would deal the batches out by their size, and rows would leave the order in which they stand in the table.
const ROWS_IN_ONE_PART_MAX: usize = 8192;

type Batches = Arc<Vec<RecordBatch>>;

/// A table of record batches.
#[derive(Debug)]
pub struct MemoryTable {
    schema: SchemaRef,
    rules: TableRules,
    batches: RwLock<Batches>,
    /// The values that may stand in the table once. Who holds the lock is the writer of the table.
    keys: Mutex<Vec<UniqueKey>>,
}

impl MemoryTable {
    /// A table of `batches`, which all have `schema`.
    ///
    /// # Errors
    /// `VEL-5006` when a batch has other columns.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        for batch in &batches {
            check_columns(&schema, batch)?;
        }
        let mut kept = Vec::with_capacity(batches.len());
        batches.into_iter().for_each(|batch| coalesce::push(&mut kept, batch));
        Ok(Self { schema, rules: TableRules::default(), batches: RwLock::new(Arc::new(kept)), keys: Mutex::default() })
    }

    /// A table without rows that keeps `rules`.
    ///
    /// # Errors
    /// `VEL-2004` for a key over a column whose type has no order.
    pub fn with_rules(schema: SchemaRef, rules: TableRules) -> Result<Self> {
        let keys = rules.keys.iter().map(|rule| UniqueKey::new(&schema, rule.clone())).collect::<Result<Vec<_>>>()?;
        Ok(Self { schema, rules, batches: RwLock::default(), keys: Mutex::new(keys) })
    }

    /// Waits until no other writer is at work, and keeps others out.
    pub async fn write(&self) -> Writer<'_> {
        Writer::new(self, self.keys.lock().await)
    }

    /// What the rows of the table have to keep, as it was declared.
    #[must_use]
    pub fn rules(&self) -> &TableRules {
        &self.rules
    }

    /// The rows as they are now, with their numbers.
    #[must_use]
    pub fn numbered(&self) -> NumberedTable {
        NumberedTable::new(&self.schema, self.snapshot())
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.snapshot().iter().map(RecordBatch::num_rows).sum()
    }

    /// The batches that are there now.
    // A poisoned lock still holds whole batches: every write is one assignment or push.
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
}

fn check_columns(schema: &SchemaRef, batch: &RecordBatch) -> Result<()> {
    let found = batch.schema();
    let same = found.fields().len() == schema.fields().len()
        && found
            .fields()
            .iter()
            .zip(schema.fields())
            .all(|(left, right)| left.name() == right.name() && left.data_type() == right.data_type());
    if same {
        return Ok(());
    }
    Err(Error::new(ErrorCode::SchemaMismatch, "Arrow stream batches must share the same schema"))
}

/// Cuts `batches` into at most `partitions` parts of about the same number of rows, in order and without copying.
fn split(batches: &[RecordBatch], partitions: usize) -> Vec<Vec<RecordBatch>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let parts = if rows > ROWS_IN_ONE_PART_MAX { partitions.max(1) } else { 1 };
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

/// A scan of `batches`, as many partitions as the session wants.
fn scan(
    batches: &[RecordBatch],
    schema: SchemaRef,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let partitions = split(batches, state.config().target_partitions());
    let source = MemorySourceConfig::try_new(&partitions, schema, projection.cloned())?.with_limit(limit);
    Ok(datafusion::datasource::source::DataSourceExec::from_data_source(source))
}

#[async_trait]
impl TableProvider for MemoryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.rules.defaults.get(column)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        scan(&self.snapshot(), self.schema(), state, projection, limit)
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
        let rows = 3 * ROWS_IN_ONE_PART_MAX + 17;
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

    #[tokio::test]
    async fn an_insert_with_other_columns_changes_nothing() {
        let batch = column("n", vec![1, 2]);
        let other = column("m", vec![3]);
        let table = MemoryTable::new(batch.schema(), vec![batch.clone()]).unwrap();
        let error = table.write().await.append(vec![batch, other]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SchemaMismatch);
        assert_eq!(table.rows(), 2);
    }
}
