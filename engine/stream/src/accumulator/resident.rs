//! Totals as one accumulator for each group, for functions whose state grows with the rows.
//!
//! The rows of each push become a state of their own, which is merged. What a checkpoint holds is those same states, so a query that
//! goes on from one merges what the stopped one merged, and has what it had. Both ends are row accumulators: the accumulators for
//! many groups of the same functions write states of other formats.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take, take_arrays};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::Rows;
use crate::plan::Aggregate;

pub(crate) struct Resident {
    function: Arc<AggregateFunctionExpr>,
    fields: Vec<FieldRef>,
    result: DataType,
    /// How the rows of a group are ordered before the function sees them, when it does not do that itself.
    order: Vec<SortOptions>,
    groups: Vec<Group>,
    bytes: usize,
    changes: Changes,
}

struct Group {
    total: Box<dyn Accumulator>,
    bytes: usize,
    merges: u32,
    measured: u32,
}

/// What was merged since the last commit.
enum Changes {
    /// Nobody asked yet.
    Untold,
    Told(Vec<(u32, Vec<ScalarValue>)>),
}

impl Resident {
    pub(super) fn new(aggregate: &Aggregate, fields: Vec<FieldRef>) -> Self {
        let function = Arc::clone(&aggregate.function);
        let hard = function.order_sensitivity().hard_requires();
        let order = if hard { function.order_bys().iter().map(|by| by.options).collect() } else { Vec::new() };
        Self {
            result: function.field().data_type().clone(),
            function,
            fields,
            order,
            groups: Vec::new(),
            bytes: 0,
            changes: Changes::Untold,
        }
    }

    /// The columns of a frame.
    pub(crate) fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Group>()
    }

    pub(super) fn resize(&mut self, count: usize) -> Result<()> {
        while self.groups.len() < count {
            let total = self.function.create_accumulator()?;
            let bytes = total.size();
            self.bytes += bytes;
            self.groups.push(Group { total, bytes, merges: 0, measured: 0 });
        }
        Ok(())
    }

    pub(super) fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let count = rows.groups.iter().max().map_or(0, |last| last + 1);
        self.resize(count)?;
        let order = self.row_order(rows)?;
        if order.is_empty() {
            return Ok(());
        }
        let arguments = take_arrays(rows.arguments, &UInt32Array::from(order.clone()), None)?;
        let group_of = |position: usize| rows.groups[order[position] as usize];
        let mut start = 0;
        while start < order.len() {
            let group = group_of(start);
            let end = (start..order.len()).find(|&position| group_of(position) != group).unwrap_or(order.len());
            let slices: Vec<ArrayRef> = arguments.iter().map(|array| array.slice(start, end - start)).collect();
            self.add(group, &slices)?;
            start = end;
        }
        Ok(())
    }

    /// The rows that count, those of a group together and in their order.
    fn row_order(&self, rows: &Rows<'_>) -> Result<Vec<u32>> {
        if !self.order.is_empty() {
            return self.sorted(rows);
        }
        let counts =
            |row: &u32| rows.filter.is_none_or(|filter| filter.is_valid(*row as usize) && filter.value(*row as usize));
        let mut starts = vec![0_u32; rows.slot_count + 1];
        let all = (0_u32..).take(rows.slots.len()).filter(counts);
        for row in all.clone() {
            starts[rows.slots[row as usize] + 1] += 1;
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut order = vec![0; end as usize];
        for row in all {
            let place = &mut starts[rows.slots[row as usize]];
            order[*place as usize] = row;
            *place += 1;
        }
        Ok(order)
    }

    /// As [`Self::row_order`], with the order that the statement asks for; rows that are equal in it keep theirs.
    fn sorted(&self, rows: &Rows<'_>) -> Result<Vec<u32>> {
        let row_count = rows.slots.len();
        let column = |values: ArrayRef, options| SortColumn { values, options: Some(options) };
        let numbers = |values: Vec<u32>| column(Arc::new(UInt32Array::from(values)), SortOptions::default());
        let first = rows.arguments.len().saturating_sub(self.order.len());
        let mut columns = vec![numbers(rows.slots.iter().map(|&slot| narrow(slot)).collect())];
        let by = rows.arguments.iter().skip(first).zip(&self.order);
        columns.extend(by.map(|(values, options)| column(Arc::clone(values), *options)));
        columns.push(numbers((0..narrow(row_count)).collect()));
        let counts =
            |row: &u32| rows.filter.is_none_or(|filter| filter.is_valid(*row as usize) && filter.value(*row as usize));
        let sorted = lexsort_to_indices(&columns, None)?;
        Ok(sorted.values().iter().copied().filter(counts).collect())
    }

    fn add(&mut self, group: usize, arguments: &[ArrayRef]) -> Result<()> {
        let mut part = self.function.create_accumulator()?;
        part.update_batch(arguments)?;
        let state = part.state()?;
        self.merge(group, &arrays(&state)?)?;
        if let Changes::Told(changes) = &mut self.changes {
            changes.push((narrow(group), state));
        }
        Ok(())
    }

    fn merge(&mut self, group: usize, states: &[ArrayRef]) -> Result<()> {
        let Some(of) = self.groups.get_mut(group) else { return Ok(()) };
        of.total.merge_batch(states)?;
        of.merges += 1;
        // Some accumulators look at each of their values to say how large they are.
        if of.merges - of.measured > of.merges / 8 {
            of.measured = of.merges;
            self.bytes -= of.bytes;
            of.bytes = of.total.size();
        } else {
            let added: usize = states.iter().map(|state| state.get_buffer_memory_size()).sum();
            self.bytes -= of.bytes;
            of.bytes += added;
        }
        self.bytes += of.bytes;
        Ok(())
    }

    pub(super) fn evaluate(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let mut results = Vec::with_capacity(groups.len());
        for &group in groups {
            if let Some(of) = self.groups.get_mut(group as usize) {
                results.push(of.total.evaluate()?);
            }
        }
        scalars_to_array(results, &self.result)
    }

    pub(super) fn retain(&mut self, groups: &[u32]) -> Result<()> {
        let mut all: Vec<Option<Group>> = std::mem::take(&mut self.groups).into_iter().map(Some).collect();
        let kept = groups.iter().filter_map(|&group| all.get_mut(group as usize).and_then(Option::take));
        self.groups = kept.collect();
        self.bytes = self.groups.iter().map(|group| group.bytes).sum();
        Ok(())
    }

    /// Changes the groups of what was merged since the last commit, after [`Self::retain`]; `None` for one that is gone.
    pub(crate) fn renumber_changes(&mut self, number: impl Fn(u32) -> Option<u32>) {
        if let Changes::Told(changes) = &mut self.changes {
            changes.retain_mut(|(group, _)| match number(*group) {
                Some(new) => {
                    *group = new;
                    true
                }
                None => false,
            });
        }
    }

    /// What was merged since the last call: the groups, and a state for each.
    pub(crate) fn take_changes(&mut self) -> Result<(Vec<u32>, Vec<ArrayRef>)> {
        let told = std::mem::replace(&mut self.changes, Changes::Told(Vec::new()));
        let Changes::Told(changes) = told else { return Ok((Vec::new(), Vec::new())) };
        let groups = changes.iter().map(|(group, _)| *group).collect();
        Ok((groups, self.columns(changes.into_iter().map(|(_, state)| state))?))
    }

    /// The whole state of `groups`. Many accumulators give their state away, so each goes on as one that took it back.
    pub(crate) fn frame(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut states = Vec::with_capacity(groups.len());
        for &group in groups {
            let Some(of) = self.groups.get_mut(group as usize) else { continue };
            let state = of.total.state()?;
            let mut total = self.function.create_accumulator()?;
            total.merge_batch(&arrays(&state)?)?;
            of.total = total;
            states.push(state);
        }
        self.columns(states.into_iter())
    }

    fn columns(&self, states: impl Iterator<Item = Vec<ScalarValue>>) -> Result<Vec<ArrayRef>> {
        let mut columns: Vec<Vec<ScalarValue>> = vec![Vec::new(); self.fields.len()];
        for state in states {
            columns.iter_mut().zip(state).for_each(|(column, value)| column.push(value));
        }
        columns
            .into_iter()
            .zip(&self.fields)
            .map(|(values, field)| scalars_to_array(values, field.data_type()))
            .collect()
    }

    /// Takes states from a frame, one for each of `groups`.
    pub(crate) fn restore(&mut self, groups: &[u32], states: &[ArrayRef], count: usize) -> Result<()> {
        self.resize(count)?;
        for (row, &group) in (0_u32..).zip(groups) {
            // A slice would keep the memory of the whole frame.
            let row = UInt32Array::from(vec![row]);
            let state: Vec<ArrayRef> = states.iter().map(|state| take(state, &row, None)).collect::<Result<_, _>>()?;
            self.merge(group as usize, &state)?;
        }
        Ok(())
    }
}

fn arrays(state: &[ScalarValue]) -> Result<Vec<ArrayRef>> {
    state.iter().map(ScalarValue::to_array).collect()
}

fn scalars_to_array(values: Vec<ScalarValue>, data_type: &DataType) -> Result<ArrayRef> {
    if values.is_empty() {
        return Ok(arrow::array::new_empty_array(data_type));
    }
    let array = ScalarValue::iter_to_array(values)?;
    if array.data_type() == data_type { Ok(array) } else { Ok(arrow::compute::cast(&array, data_type)?) }
}

/// Groups and rows are counted in 32 bits; their number is checked where they are made.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
