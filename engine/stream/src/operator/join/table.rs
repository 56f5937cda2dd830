//! The table of a join: its rows, and how rows of the stream find theirs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, DynComparator, RecordBatch, make_comparator};
use arrow::buffer::NullBuffer;
use arrow::compute::{SortOptions, concat_batches};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use velaria_contract::{Error, ErrorCode, Result};

use super::index::HashIndex;
use super::pairs::{NO_ROW, Probe};
use super::{internal, keys_of};
use crate::error::{from_arrow, from_datafusion};
use crate::plan::TableJoin;

/// The table, read.
pub(super) struct Table {
    /// All rows.
    pub(super) batch: RecordBatch,
    keys: Vec<ArrayRef>,
    /// None for a join without keys, in which every row meets every other.
    index: Option<HashIndex>,
    null_equals_null: bool,
}

impl Table {
    pub(super) fn read(spec: &TableJoin) -> Result<Self> {
        let batches = (spec.table)()?;
        let batch = concat_batches(&spec.table_schema, &batches).map_err(from_arrow)?;
        if batch.num_rows() >= NO_ROW as usize {
            return Err(Error::new(
                ErrorCode::OutOfMemory,
                "the table of a stream join has more rows than can be numbered",
            ));
        }
        let keys = keys_of(&spec.table_keys, &batch)?;
        if spec.stream_keys.len() != keys.len() {
            return Err(internal("the sides of a join have different numbers of keys"));
        }
        let index =
            if keys.is_empty() { None } else { Some(index_of(&keys, batch.num_rows(), spec.null_equals_null)?) };
        Ok(Self { batch, keys, index, null_equals_null: spec.null_equals_null })
    }

    /// Looks up `rows` rows with these keys.
    pub(super) fn probe(&self, keys: &[ArrayRef], rows: usize) -> Result<Probe<'_>> {
        if rows >= NO_ROW as usize {
            return Err(Error::new(ErrorCode::OutOfMemory, "a micro-batch has more rows than can be numbered"));
        }
        let Some(index) = &self.index else { return Ok(Probe::All(self.batch.num_rows() as u32)) };
        let equal = keys.iter().zip(&self.keys).map(|(left, right)| comparator(left, right)).collect::<Result<_>>()?;
        let nulls = if self.null_equals_null { None } else { no_null(keys) };
        Ok(Probe::Keys { index, hashes: hashes_of(keys, rows)?, nulls, equal })
    }
}

fn index_of(keys: &[ArrayRef], rows: usize, null_equals_null: bool) -> Result<HashIndex> {
    let nulls = if null_equals_null { None } else { no_null(keys) };
    let is_found = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    Ok(HashIndex::new(hashes_of(keys, rows)?, is_found))
}

fn hashes_of(keys: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0; rows];
    create_hashes(keys, &RandomState::with_seed(0), &mut hashes).map_err(from_datafusion)?;
    Ok(hashes)
}

/// Compares a key of the stream with one of the table.
fn comparator(left: &ArrayRef, right: &ArrayRef) -> Result<DynComparator> {
    if left.data_type() != right.data_type() {
        let (left, right) = (left.data_type(), right.data_type());
        return Err(Error::new(ErrorCode::TypeMismatch, format!("a join cannot compare {left} with {right}"))
            .with_hint("cast one of them to the type of the other"));
    }
    make_comparator(left, right, SortOptions::default()).map_err(from_arrow)
}

/// The rows of which no key is NULL; `None` when that is every row.
fn no_null(keys: &[ArrayRef]) -> Option<NullBuffer> {
    let nulls = keys.iter().map(Array::logical_nulls);
    nulls
        .fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls.as_ref()))
        .filter(|nulls| nulls.null_count() > 0)
}

/// The same values with `0.0` for `-0.0`: they are equal, but not to comparators, which tell all bits apart.
pub(super) fn with_one_zero(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float16 => one_zero::<Float16Type>(array),
        DataType::Float32 => one_zero::<Float32Type>(array),
        DataType::Float64 => one_zero::<Float64Type>(array),
        _ => Arc::clone(array),
    }
}

fn one_zero<T: ArrowPrimitiveType>(array: &ArrayRef) -> ArrayRef {
    let zero = T::default_value();
    Arc::new(array.as_primitive::<T>().unary::<_, T>(|value| if value == zero { zero } else { value }))
}
