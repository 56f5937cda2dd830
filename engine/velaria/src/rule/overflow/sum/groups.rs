//! A total in 128 bits for each group.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Int64Type, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::accumulate::NullState;

use super::exact::overflow;

#[derive(Debug)]
pub(super) struct ExactSums {
    totals: Vec<i128>,
    nulls: NullState,
    state: DataType,
    result: DataType,
}

impl ExactSums {
    pub(super) fn new(state: DataType, result: DataType) -> Self {
        Self { totals: Vec::new(), nulls: NullState::new(), state, result }
    }

    fn add<T>(&mut self, values: &PrimitiveArray<T>, groups: &[usize], filter: Option<&BooleanArray>) -> Result<()>
    where
        T: ArrowPrimitiveType + Send,
        T::Native: Into<i128>,
    {
        let count = self.totals.len();
        let totals = &mut self.totals;
        let mut overflowed = false;
        self.nulls.accumulate(groups, values, filter, count, |group, value| {
            if let Some(total) = totals.get_mut(group) {
                let (sum, over) = total.overflowing_add(value.into());
                *total = sum;
                overflowed |= over;
            }
        });
        if overflowed { Err(overflow().into()) } else { Ok(()) }
    }

    fn take(&mut self, emit_to: EmitTo) -> Decimal128Array {
        let totals = emit_to.take_needed(&mut self.totals);
        Decimal128Array::new(totals.into(), self.nulls.build(emit_to))
    }
}

impl GroupsAccumulator for ExactSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        let [values] = values else { return internal_err!("SUM has one argument") };
        self.totals.resize(group_count, 0);
        match values.data_type() {
            DataType::Int64 => self.add(values.as_primitive::<Int64Type>(), groups, filter),
            DataType::UInt64 => self.add(values.as_primitive::<UInt64Type>(), groups, filter),
            DataType::Decimal128(..) => self.add(values.as_primitive::<Decimal128Type>(), groups, filter),
            DataType::Null => self.add(&Decimal128Array::new_null(values.len()), groups, filter),
            other => internal_err!("{other} is not summed exactly"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        self.update_batch(states, groups, None, group_count)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(self.take(emit_to).with_data_type(self.state.clone()))])
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = self.take(emit_to);
        Ok(match &self.result {
            DataType::Decimal128(precision, _) => {
                let totals = totals.with_data_type(self.result.clone());
                totals.validate_decimal_precision(*precision).map_err(|_| overflow())?;
                Arc::new(totals)
            }
            DataType::UInt64 => Arc::new(narrow::<UInt64Type>(&totals)?),
            _ => Arc::new(narrow::<Int64Type>(&totals)?),
        })
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [values] = values else { return internal_err!("SUM has one argument") };
        let mut single = Self::new(self.state.clone(), self.result.clone());
        let groups: Vec<usize> = (0..values.len()).collect();
        single.update_batch(std::slice::from_ref(values), &groups, filter, values.len())?;
        single.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<i128>() + self.nulls.size()
    }
}

fn narrow<T>(totals: &Decimal128Array) -> Result<PrimitiveArray<T>, ArrowError>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    totals.try_unary(|total| T::Native::try_from(total).map_err(|_| overflow()))
}
