//! Totals as columns of state.
//!
//! DataFusion's accumulators give up what they hold when they are read. They are scratch here: for each micro-batch they get the
//! old state of the groups that it touches, then its rows, and give back the new state.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::{Regime, Rows, Source};
use crate::plan::Aggregate;
use crate::state::{StateColumn, column};

pub(crate) struct Columnar {
    fields: Vec<FieldRef>,
    columns: Vec<Box<dyn StateColumn>>,
    scratch: Box<dyn GroupsAccumulator>,
    /// Turns state into results while the scratch accumulator is in use.
    reader: Box<dyn GroupsAccumulator>,
    /// What a sparse micro-batch stored last, until it is read.
    stored: Vec<ArrayRef>,
    merging: Merging,
    result: Reading,
    /// The numbers from 0 on.
    counting: Vec<usize>,
}

/// Whether merging a state into nothing gives that state bit by bit.
#[derive(PartialEq, Eq)]
enum Merging {
    Exact,
    Rounding,
}

/// How a result is got from a state.
enum Reading {
    /// It is the state.
    IsState,
    Evaluated,
}

/// Functions whose merge adds, or picks one of two values.
const EXACT: [&str; 10] = ["count", "sum", "avg", "min", "max", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or"];

impl Columnar {
    pub(super) fn new(aggregate: &Aggregate, fields: Vec<FieldRef>) -> Result<Self> {
        let function = &aggregate.function;
        let exact = EXACT.contains(&function.fun().name());
        let is_state = exact && is_result(&fields, function.field().data_type());
        Ok(Self {
            columns: fields.iter().map(|field| column(field.data_type())).collect(),
            fields,
            scratch: function.create_groups_accumulator()?,
            reader: function.create_groups_accumulator()?,
            stored: Vec::new(),
            merging: if exact { Merging::Exact } else { Merging::Rounding },
            result: if is_state { Reading::IsState } else { Reading::Evaluated },
            counting: Vec::new(),
        })
    }

    pub(super) fn merges_exactly(&self) -> bool {
        self.merging == Merging::Exact
    }

    /// The columns of a frame.
    pub(crate) fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// The state of `groups`.
    pub(crate) fn frame(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.columns.iter_mut().map(|column| column.gather(groups)).collect()
    }

    /// Takes the state of `groups` from a frame.
    pub(crate) fn restore(&mut self, groups: &[u32], states: &[ArrayRef], count: usize) -> Result<()> {
        scatter(&mut self.columns, groups, states, count)
    }

    pub(super) fn load_whole(&mut self) -> Result<()> {
        let states: Vec<ArrayRef> = self.columns.iter_mut().map(|column| column.whole()).collect::<Result<_>>()?;
        let count = states.first().map_or(0, |state| state.len());
        if count > 0 {
            self.scratch.merge_batch(&states, count_up(&mut self.counting, count), count)?;
        }
        Ok(())
    }

    pub(super) fn load(&mut self, groups: &[u32], slots: &[usize], slot_count: usize) -> Result<()> {
        let states = self.frame(groups)?;
        self.scratch.merge_batch(&states, slots, slot_count)
    }

    pub(super) fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        self.scratch.update_batch(rows.arguments, rows.slots, rows.filter, rows.slot_count)
    }

    pub(super) fn store(&mut self, regime: Regime, groups: &[u32], count: usize) -> Result<()> {
        let states = typed(self.scratch.state(EmitTo::All)?, &self.fields)?;
        match regime {
            Regime::Sparse => {
                scatter(&mut self.columns, groups, &states, count)?;
                self.stored = states;
                Ok(())
            }
            Regime::Dense => {
                self.columns.iter_mut().zip(states).for_each(|(column, state)| column.replace(state));
                Ok(())
            }
        }
    }

    pub(super) fn evaluate(&mut self, groups: &[u32], source: Source) -> Result<ArrayRef> {
        let stored = std::mem::take(&mut self.stored);
        let states = match source {
            Source::LastStored if !stored.is_empty() => stored,
            Source::LastStored | Source::Columns => self.frame(groups)?,
        };
        match (&self.result, states.as_slice()) {
            (Reading::IsState, [state]) => Ok(Arc::clone(state)),
            _ => {
                self.reader.merge_batch(&states, count_up(&mut self.counting, groups.len()), groups.len())?;
                self.reader.evaluate(EmitTo::All)
            }
        }
    }

    pub(super) fn retain(&mut self, groups: &[u32]) -> Result<()> {
        for (column, field) in self.columns.iter_mut().zip(&self.fields) {
            let rows = column.gather(groups)?;
            *column = crate::state::column(field.data_type());
            column.replace(rows);
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.bytes()).sum()
    }
}

/// A decimal total is checked against its precision when it is read, so it is not the state although the types agree.
fn is_result(fields: &[FieldRef], result: &DataType) -> bool {
    matches!(fields, [field] if field.data_type() == result && !result.is_decimal())
}

fn scatter(columns: &mut [Box<dyn StateColumn>], groups: &[u32], states: &[ArrayRef], count: usize) -> Result<()> {
    columns.iter_mut().zip(states).try_for_each(|(column, state)| column.scatter(groups, state, count))
}

/// Some accumulators leave out what the type says beside the width of a value.
fn typed(states: Vec<ArrayRef>, fields: &[FieldRef]) -> Result<Vec<ArrayRef>> {
    let typed = states.into_iter().zip(fields).map(|(state, field)| {
        if state.data_type() == field.data_type() { Ok(state) } else { cast(&state, field.data_type()) }
    });
    Ok(typed.collect::<std::result::Result<_, _>>()?)
}

/// The numbers below `count`.
fn count_up(counting: &mut Vec<usize>, count: usize) -> &[usize] {
    counting.extend(counting.len()..count);
    &counting[..count]
}
