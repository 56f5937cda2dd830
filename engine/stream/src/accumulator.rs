//! The totals of one aggregate function for all groups.
//!
//! A total is kept as columns of state when every field of its state is small, else as one accumulator for each group. The
//! class follows from the function and its types alone, so a checkpoint finds the same class again.

mod columnar;
mod resident;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;

use crate::plan::Aggregate;
use columnar::Columnar;
use resident::Resident;

/// The rows of a push as one function sees them.
pub(crate) struct Rows<'a> {
    /// The arguments, and behind them what the function orders by.
    pub(crate) arguments: &'a [ArrayRef],
    /// The rows that count.
    pub(crate) filter: Option<&'a BooleanArray>,
    /// The group of each row.
    pub(crate) groups: &'a [usize],
    /// The place of the group of each row among those of this micro-batch.
    pub(crate) slots: &'a [usize],
    /// The number of places.
    pub(crate) slot_count: usize,
}

/// Where in a scratch accumulator the groups stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Regime {
    /// At the places of the groups of this micro-batch.
    Sparse,
    /// Each at its own number: every group is in the scratch accumulator.
    Dense,
}

/// Where the state of groups is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// From what was stored last: it was of the same groups in the same order.
    LastStored,
    /// From the columns.
    Columns,
}

/// How the totals of a function are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateClass {
    /// As columns.
    Columnar,
    /// As one accumulator for each group.
    Resident,
}

impl StateClass {
    /// The class of an aggregate.
    pub(crate) fn of(aggregate: &Aggregate) -> Result<Self> {
        let function = &aggregate.function;
        let names_text = SHORT_TEXT.contains(&function.fun().name());
        let small = function.state_fields()?.iter().all(|field| is_small(field.data_type(), names_text));
        Ok(if small && !function.is_distinct() && function.groups_accumulator_supported() {
            Self::Columnar
        } else {
            Self::Resident
        })
    }

    /// The word of explain and of checkpoints.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Columnar => "columnar",
            Self::Resident => "resident",
        }
    }
}

/// Functions whose state is one of their values: text in it does not grow with the rows.
const SHORT_TEXT: [&str; 5] = ["min", "max", "first_value", "last_value", "any_value"];

fn is_small(data_type: &DataType, text: bool) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => text,
        DataType::Boolean | DataType::Null => true,
        other => other.is_primitive(),
    }
}

/// The totals of one function.
pub(crate) enum Totals {
    /// As columns.
    Columnar(Columnar),
    /// As one accumulator for each group.
    Resident(Resident),
}

impl Totals {
    /// No groups yet. `number` is the place of the function among the aggregates.
    pub(crate) fn new(aggregate: &Aggregate, number: usize) -> Result<Self> {
        let class = StateClass::of(aggregate)?;
        let name = aggregate.function.fun().name();
        let fields = aggregate.function.state_fields()?.into_iter().enumerate();
        let fields = fields.map(|(field, of)| state_field(class, number, field, name, &of)).collect();
        Ok(match class {
            StateClass::Columnar => Self::Columnar(Columnar::new(aggregate, fields)?),
            StateClass::Resident => Self::Resident(Resident::new(aggregate, fields)),
        })
    }

    /// Whether the scratch accumulator may hold groups that a micro-batch does not touch: merging must not round.
    pub(crate) fn may_be_dense(&self) -> bool {
        match self {
            Self::Columnar(columnar) => columnar.merges_exactly(),
            Self::Resident(_) => true,
        }
    }

    /// Puts the totals of all groups into the scratch accumulator.
    pub(crate) fn load_whole(&mut self) -> Result<()> {
        match self {
            Self::Columnar(columnar) => columnar.load_whole(),
            Self::Resident(_) => Ok(()),
        }
    }

    /// Puts the totals of `groups` into the scratch accumulator, at `slots`.
    pub(crate) fn load(&mut self, groups: &[u32], slots: &[usize], slot_count: usize) -> Result<()> {
        match self {
            Self::Columnar(columnar) => columnar.load(groups, slots, slot_count),
            Self::Resident(_) => Ok(()),
        }
    }

    /// Adds rows.
    pub(crate) fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        match self {
            Self::Columnar(columnar) => columnar.update(rows),
            Self::Resident(resident) => resident.update(rows),
        }
    }

    /// Takes the totals back from the scratch accumulator: those of `groups`, or of all `count` groups.
    pub(crate) fn store(&mut self, regime: Regime, groups: &[u32], count: usize) -> Result<()> {
        match self {
            Self::Columnar(columnar) => columnar.store(regime, groups, count),
            Self::Resident(resident) => resident.resize(count),
        }
    }

    /// The results of `groups`.
    pub(crate) fn evaluate(&mut self, groups: &[u32], source: Source) -> Result<ArrayRef> {
        match self {
            Self::Columnar(columnar) => columnar.evaluate(groups, source),
            Self::Resident(resident) => resident.evaluate(groups),
        }
    }

    /// Keeps the totals of `groups` only, which get the numbers from 0 on.
    pub(crate) fn retain(&mut self, groups: &[u32]) -> Result<()> {
        match self {
            Self::Columnar(columnar) => columnar.retain(groups),
            Self::Resident(resident) => resident.retain(groups),
        }
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Columnar(columnar) => columnar.bytes(),
            Self::Resident(resident) => resident.bytes(),
        }
    }
}

/// The name tells what the column means, so that a checkpoint with another meaning is recognised.
fn state_field(class: StateClass, number: usize, field: usize, function: &str, of: &FieldRef) -> FieldRef {
    let name = format!("{} {number}.{field} {function}", class.name());
    Field::new(name, of.data_type().clone(), true).into()
}
