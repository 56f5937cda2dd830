//! Changes of a table: each is checked whole and then made at once, or not made.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, interleave, take_record_batch};
use arrow::error::ArrowError;
use tokio::sync::MutexGuard;
use velaria_contract::{Error, ErrorCode, Result};

use super::keys::{EncodedKey, UniqueKey};
use super::rules::KeyRule;
use super::{MemoryTable, check_columns, coalesce};

/// The only one that may change a table, until it is dropped.
#[derive(Debug)]
pub struct Writer<'a> {
    table: &'a MemoryTable,
    keys: MutexGuard<'a, Vec<UniqueKey>>,
}

/// New values for some rows.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The numbers of the rows, each once, in any order.
    pub rows: Vec<u64>,
    /// The columns that change, by position, with one value for each of the rows.
    pub columns: Vec<(usize, ArrayRef)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(table: &'a MemoryTable, keys: MutexGuard<'a, Vec<UniqueKey>>) -> Self {
        Self { table, keys }
    }

    /// Adds all rows of `batches`, or none.
    ///
    /// # Errors
    /// `VEL-5006` when a batch has other columns, `VEL-5012` when a row breaks a rule of the table.
    pub fn append(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        let batches = batches.into_iter().map(|batch| self.checked(batch)).collect::<Result<Vec<_>>>()?;
        self.exchange(&[], &batches)?;
        let mut current = self.table.batches.write().unwrap_or_else(PoisonError::into_inner);
        let current = Arc::make_mut(&mut *current);
        batches.into_iter().for_each(|batch| coalesce::push(current, batch));
        Ok(())
    }

    /// Adds the rows of `batches`; rows that have the same value in a key give way, also earlier ones of `batches`.
    ///
    /// # Errors
    /// Those of [`Writer::append`].
    pub fn replace(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        if self.keys.is_empty() {
            return self.append(batches);
        }
        let batches = batches.into_iter().map(|batch| self.checked(batch)).collect::<Result<Vec<_>>>()?;
        let new = concat_batches(&self.table.schema, &batches).map_err(internal)?;
        let (kept, given) = self.last_of_each(&new)?;
        let gone = self.rows_with(&given)?;
        let (mut remaining, old) = self.without(&gone)?;
        self.exchange(&old, std::slice::from_ref(&kept))?;
        coalesce::push(&mut remaining, kept);
        self.commit(remaining);
        Ok(())
    }

    /// Removes the rows with these numbers.
    ///
    /// # Errors
    /// `VEL-9001` when the batches of the table cannot be cut.
    pub fn delete(&mut self, mut rows: Vec<u64>) -> Result<()> {
        rows.sort_unstable();
        let (remaining, old) = self.without(&rows)?;
        self.exchange(&old, &[])?;
        self.commit(remaining);
        Ok(())
    }

    /// Removes all rows and tells how many there were.
    #[must_use]
    pub fn clear(&mut self) -> usize {
        let rows = self.table.rows();
        self.keys.iter_mut().for_each(UniqueKey::clear);
        self.commit(Vec::new());
        rows
    }

    /// Gives rows new values, all or none.
    ///
    /// # Errors
    /// `VEL-5012` when a row would break a rule of the table.
    pub fn update(&mut self, change: &Change) -> Result<()> {
        let mut order: Vec<(u64, usize)> = change.rows.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut rest = order.as_slice();
        let mut first = 0_u64;
        let (mut batches, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for batch in self.table.snapshot().iter() {
            let end = first + batch.num_rows() as u64;
            let (hits, after) = rest.split_at(rest.partition_point(|(row, _)| *row < end));
            if hits.is_empty() {
                coalesce::push(&mut batches, batch.clone());
            } else {
                let changed = self.checked(rewritten(batch, first, hits, &change.columns).map_err(internal)?)?;
                let touched = hits.iter().map(|(row, _)| row - first).collect();
                let touched = UInt64Array::from_iter_values::<Vec<u64>>(touched);
                old.push(take_record_batch(batch, &touched).map_err(internal)?);
                new.push(take_record_batch(&changed, &touched).map_err(internal)?);
                coalesce::push(&mut batches, changed);
            }
            (first, rest) = (end, after);
        }
        let changes = |key: &&mut UniqueKey| change.columns.iter().any(|(index, _)| key.reads(*index));
        exchange(&mut self.keys.iter_mut().filter(changes).collect::<Vec<_>>(), &old, &new)?;
        self.commit(batches);
        Ok(())
    }

    /// Adds a key, which the rows that are there have to keep already.
    ///
    /// # Errors
    /// `VEL-2004` for a column whose type has no order, `VEL-5012` when two rows have the same value.
    pub fn add_key(&mut self, rule: KeyRule) -> Result<()> {
        let mut key = UniqueKey::new(&self.table.schema, rule)?;
        key.exchange(&[], &self.table.snapshot())?;
        self.keys.push(key);
        Ok(())
    }

    /// Forgets the key of a unique index.
    pub fn drop_index(&mut self, name: &str) {
        self.keys.retain(|key| !key.is_index(name));
    }

    /// `batch` under the schema of the table, when its rows keep the rules that are about one row.
    fn checked(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let schema = &self.table.schema;
        check_columns(schema, &batch)?;
        let hole = |(field, column): &(&Arc<arrow::datatypes::Field>, &ArrayRef)| {
            !field.is_nullable() && column.null_count() > 0
        };
        if let Some((field, _)) = schema.fields().iter().zip(batch.columns()).find(hole) {
            let message = format!("NULL in column {}, which is NOT NULL", field.name());
            return Err(Error::new(ErrorCode::ConstraintViolation, message));
        }
        let batch = RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).map_err(internal)?;
        for check in &self.table.rules.checks {
            if !check.holds(&batch).map_err(|error| unchecked(&check.text, error))? {
                return Err(Error::new(ErrorCode::ConstraintViolation, format!("CHECK ({}) is false", check.text))
                    .with_hint("every row of the table has to keep this condition"));
            }
        }
        Ok(batch)
    }

    /// Changes the keys of all columns.
    fn exchange(&mut self, old: &[RecordBatch], new: &[RecordBatch]) -> Result<()> {
        exchange(&mut self.keys.iter_mut().collect::<Vec<_>>(), old, new)
    }

    fn commit(&self, batches: Vec<RecordBatch>) {
        *self.table.batches.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(batches);
    }

    /// The batches without the rows of these sorted numbers, and those rows.
    fn without(&self, rows: &[u64]) -> Result<(Vec<RecordBatch>, Vec<RecordBatch>)> {
        let (mut remaining, mut removed) = (Vec::new(), Vec::new());
        let mut first = 0_u64;
        let mut rest = rows;
        for batch in self.table.snapshot().iter() {
            let end = first + batch.num_rows() as u64;
            let (hits, after) = rest.split_at(rest.partition_point(|row| *row < end));
            if hits.is_empty() {
                coalesce::push(&mut remaining, batch.clone());
            } else {
                let hit: HashSet<u64> = hits.iter().copied().collect();
                let keep: BooleanArray = (first..end).map(|row| Some(!hit.contains(&row))).collect();
                let touched = UInt64Array::from_iter_values(hits.iter().map(|row| row - first));
                removed.push(take_record_batch(batch, &touched).map_err(internal)?);
                coalesce::push(&mut remaining, filter_record_batch(batch, &keep).map_err(internal)?);
            }
            (first, rest) = (end, after);
        }
        Ok((remaining, removed))
    }

    /// The rows of `batch` that no later row of it takes the place of, and the keys that its rows give.
    fn last_of_each(&self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<HashSet<EncodedKey>>)> {
        let encoded = self.keys.iter().map(|key| key.encode(batch)).collect::<Result<Vec<_>>>()?;
        let mut given = vec![HashSet::new(); encoded.len()];
        let mut kept = vec![true; batch.num_rows()];
        for (row, kept) in kept.iter_mut().enumerate().rev() {
            for (keys, given) in encoded.iter().zip(&mut given) {
                if let Some(Some(key)) = keys.get(row) {
                    *kept &= given.insert(key.clone());
                }
            }
        }
        Ok((filter_record_batch(batch, &BooleanArray::from(kept)).map_err(internal)?, given))
    }

    /// The sorted numbers of the rows that have one of the `given` values in a key.
    fn rows_with(&self, given: &[HashSet<EncodedKey>]) -> Result<Vec<u64>> {
        let mut rows = Vec::new();
        let clash = self.keys.iter().zip(given).any(|(key, given)| given.iter().any(|value| key.contains(value)));
        if !clash {
            return Ok(rows);
        }
        let mut first = 0_u64;
        for batch in self.table.snapshot().iter() {
            let encoded = self.keys.iter().map(|key| key.encode(batch)).collect::<Result<Vec<_>>>()?;
            let clashes = |row: &usize| {
                encoded
                    .iter()
                    .zip(given)
                    .any(|(keys, given)| keys.get(*row).and_then(Option::as_ref).is_some_and(|key| given.contains(key)))
            };
            rows.extend((0..batch.num_rows()).filter(clashes).map(|row| first + row as u64));
            first += batch.num_rows() as u64;
        }
        Ok(rows)
    }
}

/// Takes `old` out of the keys and puts `new` in; on an error nothing has changed.
fn exchange(keys: &mut [&mut UniqueKey], old: &[RecordBatch], new: &[RecordBatch]) -> Result<()> {
    for index in 0..keys.len() {
        let done = keys.get_mut(index).map_or(Ok(()), |key| key.exchange(old, new));
        if let Err(error) = done {
            // The keys before this one have taken the change already; the rows they had were unique.
            keys.iter_mut().take(index).try_for_each(|key| key.exchange(new, old))?;
            return Err(error);
        }
    }
    Ok(())
}

/// `batch`, whose first row has the number `first`, with the new values of the rows in `hits`.
fn rewritten(
    batch: &RecordBatch,
    first: u64,
    hits: &[(u64, usize)],
    changes: &[(usize, ArrayRef)],
) -> std::result::Result<RecordBatch, ArrowError> {
    // Each cell comes from the batch (0) or from the new values (1).
    let mut cells: Vec<(usize, usize)> = (0..batch.num_rows()).map(|row| (0, row)).collect();
    for (row, position) in hits {
        let cell = usize::try_from(row - first).ok().and_then(|row| cells.get_mut(row));
        cell.into_iter().for_each(|cell| *cell = (1, *position));
    }
    let mut columns = batch.columns().to_vec();
    for (index, values) in changes {
        if let Some(column) = columns.get_mut(*index) {
            *column = interleave(&[column.as_ref(), values.as_ref()], &cells)?;
        }
    }
    // NULLs are looked for later, so that their message names the rule.
    let nullable =
        batch.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(nullable)), columns)
}

fn internal(error: ArrowError) -> Error {
    Error::new(ErrorCode::Internal, "cannot rewrite the batches of a table").with_source(error)
}

fn unchecked(text: &str, error: datafusion::error::DataFusionError) -> Error {
    Error::new(ErrorCode::ConstraintViolation, format!("CHECK ({text}) cannot be computed for a row"))
        .with_hint("every row of the table has to keep this condition")
        .with_source(error)
}
