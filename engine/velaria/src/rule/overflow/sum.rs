//! `SUM` that is exact: totals are kept in 128 bits and checked once, so the answer does not depend on the order of rows.

mod exact;
mod groups;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
};

use exact::{DistinctSum, ExactSum, SlidingDistinctSum};
use groups::ExactSums;

/// `SUM` over integers and wide decimals; upstream's over everything else.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CheckedSum {
    upstream: Sum,
}

/// Upstream widens a decimal by ten digits: narrower ones cannot overflow before ten billion rows.
const SAFE_DECIMAL_PRECISION: u8 = DECIMAL128_MAX_PRECISION - 10;

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.upstream.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Null] => Ok(DataType::Int64),
            types => self.upstream.return_type(types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let exact = args.input_fields.first().and_then(|field| exact_state(field.data_type()));
        match exact {
            Some(state) if !args.is_distinct => {
                Ok(vec![Arc::new(Field::new(format_state_name(args.name, "sum"), state, true))])
            }
            _ => self.upstream.state_fields(args),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (Some(_), result) = (exact_input(&args), args.return_type().clone()) else {
            return self.upstream.accumulator(args);
        };
        if args.is_distinct {
            return Ok(Box::new(DistinctSum::new(self.upstream.accumulator(args)?, result)));
        }
        Ok(Box::new(ExactSum::new(result)))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (exact_input(&args), args.return_type().clone()) {
            (Some(_), result) if args.is_distinct => Ok(Box::new(SlidingDistinctSum::new(result))),
            (Some(_), result) => Ok(Box::new(ExactSum::new(result))),
            (None, _) => self.upstream.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.upstream.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match exact_input(&args) {
            Some(state) => Ok(Box::new(ExactSums::new(state, args.return_type().clone()))),
            None => self.upstream.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.upstream.set_monotonicity(data_type)
    }
}

fn exact_input(args: &AccumulatorArgs) -> Option<DataType> {
    args.expr_fields.first().and_then(|field| exact_state(field.data_type()))
}

/// The type of a total that is not yet checked, for the inputs that are summed here.
fn exact_state(input: &DataType) -> Option<DataType> {
    match input {
        DataType::Null | DataType::Int64 | DataType::UInt64 => Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)),
        DataType::Decimal128(precision, scale) if *precision > SAFE_DECIMAL_PRECISION => {
            Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale))
        }
        _ => None,
    }
}
