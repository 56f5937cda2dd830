//! `MIN` and `MAX` of floats by group, also of groups of nothing but infinities.
//!
//! Upstream starts the least value of a group at the largest finite number and leaves it there when all values are
//! infinite. Here a group starts at the value that comes last in the order of all floats (IEEE 754, totalOrder).

use std::cmp::Ordering;
use std::hash::Hash;

use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{Max, Min};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// `MIN` and `MAX`.
pub(crate) fn functions() -> [AggregateUDF; 2] {
    [
        AggregateUDF::new_from_impl(Extremum { upstream: Min::new(), wanted: Ordering::Less }),
        AggregateUDF::new_from_impl(Extremum { upstream: Max::new(), wanted: Ordering::Greater }),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extremum<U> {
    upstream: U,
    /// How a better value compares with the best so far.
    wanted: Ordering,
}

impl<U: AggregateUDFImpl + Eq + Hash + 'static> Extremum<U> {
    fn groups<T: ArrowPrimitiveType + Send>(
        &self,
        data_type: &DataType,
        (least, greatest): (T::Native, T::Native),
        compare: impl Fn(&T::Native, &T::Native) -> Ordering + Send + Sync + 'static,
    ) -> Box<dyn GroupsAccumulator> {
        let wanted = self.wanted;
        let start = if wanted == Ordering::Less { greatest } else { least };
        let better = move |best: &mut T::Native, value: T::Native| {
            if compare(&value, best) == wanted {
                *best = value;
            }
        };
        Box::new(PrimitiveGroupsAccumulator::<T, _>::new(data_type, better).with_starting_value(start))
    }
}

impl<U: AggregateUDFImpl + Eq + Hash + 'static> AggregateUDFImpl for Extremum<U> {
    fn name(&self) -> &str {
        self.upstream.name()
    }

    fn signature(&self) -> &Signature {
        self.upstream.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.upstream.return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.upstream.coerce_types(types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.upstream.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.upstream.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.upstream.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.upstream.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        // In the order of all floats NaN stands outside of the infinities, on the side of its sign.
        match args.return_type() {
            DataType::Float32 => Ok(self.groups::<Float32Type>(
                args.return_type(),
                (f32::from_bits(u32::MAX), f32::from_bits(u32::MAX >> 1)),
                f32::total_cmp,
            )),
            DataType::Float64 => Ok(self.groups::<Float64Type>(
                args.return_type(),
                (f64::from_bits(u64::MAX), f64::from_bits(u64::MAX >> 1)),
                f64::total_cmp,
            )),
            _ => self.upstream.create_groups_accumulator(args),
        }
    }

    fn is_descending(&self) -> Option<bool> {
        self.upstream.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.upstream.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.upstream.reverse_expr()
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        self.upstream.value_from_stats(statistics)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.upstream.set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.upstream.documentation()
    }
}
