//! The keys of all groups: from a key to the number of its group, and back.
//!
//! DataFusion's table of keys gives them back only by giving them up, so they are kept a second time.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take_arrays;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use velaria_contract::{Error, ErrorCode, Result};

use crate::error::{from_arrow, from_datafusion};
use crate::state::{StateColumn, column};

pub(super) struct Keys {
    schema: SchemaRef,
    /// `None` without keys: all rows are one group.
    table: Option<Box<dyn GroupValues>>,
    columns: Vec<Box<dyn StateColumn>>,
    count: usize,
}

impl Keys {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self> {
        let table = match schema.fields().is_empty() {
            true => None,
            false => Some(new_group_values(Arc::clone(schema), &GroupOrdering::None).map_err(from_datafusion)?),
        };
        let columns = schema.fields().iter().map(|field| column(field.data_type())).collect();
        Ok(Self { schema: Arc::clone(schema), table, columns, count: 0 })
    }

    /// The number of groups.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Puts the group of each row into `groups`; gives the first row of each new group, by its number.
    pub(super) fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<usize>) -> Result<Vec<u32>> {
        let before = self.count;
        let Some(table) = &mut self.table else {
            groups.clear();
            groups.resize(rows, 0);
            self.count = self.count.max(usize::from(rows > 0));
            return Ok(if self.count > before { vec![0] } else { Vec::new() });
        };
        table.intern(keys, groups).map_err(from_datafusion)?;
        self.count = table.len();
        if self.count == before {
            return Ok(Vec::new());
        }
        let first_rows = first_rows(groups, before, self.count)?;
        self.keep(keys, &first_rows, before)?;
        Ok(first_rows)
    }

    fn keep(&mut self, keys: &[ArrayRef], rows: &[u32], before: usize) -> Result<()> {
        let new = take_arrays(keys, &UInt32Array::from(rows.to_vec()), None).map_err(from_arrow)?;
        let groups: Vec<u32> = (narrow(before)?..narrow(self.count)?).collect();
        for (column, keys) in self.columns.iter_mut().zip(&new) {
            column.scatter(&groups, keys, self.count).map_err(from_datafusion)?;
        }
        Ok(())
    }

    /// The keys of `groups`.
    pub(super) fn gather(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.columns.iter_mut().map(|column| column.gather(groups).map_err(from_datafusion)).collect()
    }

    /// Keeps `groups` only; gives them in the order of their new numbers.
    pub(super) fn retain(&mut self, groups: &[u32]) -> Result<Vec<u32>> {
        let keys = self.gather(groups)?;
        let mut kept = Self::new(&self.schema)?;
        let mut numbers = Vec::new();
        kept.intern(&keys, groups.len(), &mut numbers)?;
        let mut order = vec![0; groups.len()];
        for (&group, &number) in groups.iter().zip(&numbers) {
            if let Some(place) = order.get_mut(number) {
                *place = group;
            }
        }
        *self = kept;
        Ok(order)
    }

    pub(super) fn bytes(&self) -> usize {
        let table = self.table.as_ref().map_or(0, |table| table.size());
        table + self.columns.iter().map(|column| column.bytes()).sum::<usize>()
    }
}

/// The first row of each new group, by number. Groups are not numbered in the order of these rows: keys with the same hash, such as
/// `(1, NULL, 5)` and `(1, 5, NULL)`, get their numbers after all others of the batch.
fn first_rows(groups: &[usize], before: usize, count: usize) -> Result<Vec<u32>> {
    let mut rows = vec![u32::MAX; count - before];
    for (row, &group) in groups.iter().enumerate().rev() {
        if let Some(first) = group.checked_sub(before).and_then(|new| rows.get_mut(new)) {
            *first = narrow(row)?;
        }
    }
    match rows.contains(&u32::MAX) {
        true => Err(Error::new(ErrorCode::Internal, "a group without a row")),
        false => Ok(rows),
    }
}

fn narrow(value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| Error::new(ErrorCode::StateTooLarge, "a group by keeps at most 4294967295 groups"))
}
