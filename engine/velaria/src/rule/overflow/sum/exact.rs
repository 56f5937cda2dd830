//! One total in 128 bits.

use std::collections::HashMap;
use std::mem::size_of_val;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, DecimalType, Int64Type, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

/// The error for a total that does not fit its type.
pub(super) fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow("Overflow happened on: SUM".to_owned())
}

/// A total of integers or decimals. Rows may be taken back, as a moving window does.
#[derive(Debug)]
pub(super) struct ExactSum {
    total: i128,
    values: usize,
    result: DataType,
}

impl ExactSum {
    pub(super) fn new(result: DataType) -> Self {
        Self { total: 0, values: 0, result }
    }

    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        self.total = self.total.checked_add(total_of(array)?).ok_or_else(overflow)?;
        self.values += array.len() - array.logical_null_count();
        Ok(())
    }
}

impl Accumulator for ExactSum {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        arrays.iter().try_for_each(|array| self.add(array))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        for array in arrays {
            self.total = self.total.checked_sub(total_of(array)?).ok_or_else(overflow)?;
            self.values -= array.len() - array.logical_null_count();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let scale = if let DataType::Decimal128(_, scale) = self.result { scale } else { 0 };
        let total = (self.values > 0).then_some(self.total);
        Ok(vec![ScalarValue::Decimal128(total, DECIMAL128_MAX_PRECISION, scale)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        fit((self.values > 0).then_some(self.total), &self.result)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The total of different values, which upstream collects.
#[derive(Debug)]
pub(super) struct DistinctSum {
    values: Box<dyn Accumulator>,
    result: DataType,
}

impl DistinctSum {
    pub(super) fn new(values: Box<dyn Accumulator>, result: DataType) -> Self {
        Self { values, result }
    }
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(arrays)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = ExactSum::new(self.result.clone());
        for state in self.values.state()? {
            let ScalarValue::List(list) = state else { return internal_err!("distinct values are a list") };
            sum.add(list.values())?;
        }
        sum.evaluate()
    }

    fn size(&self) -> usize {
        self.values.size()
    }
}

/// The total of the different values of a moving window.
#[derive(Debug)]
pub(super) struct SlidingDistinctSum {
    copies: HashMap<i128, usize>,
    total: i128,
    result: DataType,
}

impl SlidingDistinctSum {
    pub(super) fn new(result: DataType) -> Self {
        Self { copies: HashMap::new(), total: 0, result }
    }

    fn add(&mut self, value: i128) -> Result<(), ArrowError> {
        let copies = self.copies.entry(value).or_default();
        if *copies == 0 {
            self.total = self.total.checked_add(value).ok_or_else(overflow)?;
        }
        *copies += 1;
        Ok(())
    }

    fn remove(&mut self, value: i128) -> Result<(), ArrowError> {
        match self.copies.get_mut(&value) {
            Some(copies) if *copies > 1 => *copies -= 1,
            Some(_) => {
                self.copies.remove(&value);
                self.total = self.total.checked_sub(value).ok_or_else(overflow)?;
            }
            None => {}
        }
        Ok(())
    }
}

impl Accumulator for SlidingDistinctSum {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        arrays.iter().try_for_each(|array| each(array, |value| self.add(value)))
    }

    fn retract_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        arrays.iter().try_for_each(|array| each(array, |value| self.remove(value)))
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("a moving window is not merged")
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a moving window has no state to merge")
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        fit((!self.copies.is_empty()).then_some(self.total), &self.result)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.copies.capacity() * size_of::<(i128, usize)>()
    }
}

/// `total` in the type of the result.
fn fit(total: Option<i128>, result: &DataType) -> Result<ScalarValue> {
    let wide = |value: i128| value.try_into().map_err(|_| overflow());
    Ok(match result {
        DataType::UInt64 => {
            ScalarValue::UInt64(total.map(|value| value.try_into().map_err(|_| overflow())).transpose()?)
        }
        DataType::Decimal128(precision, scale) => {
            if let Some(total) = total {
                Decimal128Type::validate_decimal_precision(total, *precision, *scale).map_err(|_| overflow())?;
            }
            ScalarValue::Decimal128(total, *precision, *scale)
        }
        _ => ScalarValue::Int64(total.map(wide).transpose()?),
    })
}

/// The total of one array of the types that are summed exactly.
fn total_of(array: &ArrayRef) -> Result<i128> {
    Ok(match array.data_type() {
        DataType::Int64 => {
            halves(array.as_primitive::<Int64Type>(), |value| (value >> 32, (value & 0xffff_ffff).cast_unsigned()))
        }
        DataType::UInt64 => {
            halves(array.as_primitive::<UInt64Type>(), |value| ((value >> 32).cast_signed(), value & 0xffff_ffff))
        }
        _ => {
            let mut total = 0_i128;
            each(array, |value| {
                total = total.checked_add(value).ok_or_else(overflow)?;
                Ok(())
            })?;
            total
        }
    })
}

/// Sums the upper and the lower 32 bits apart: neither can overflow in one array, and both loops vectorise.
fn halves<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, split: impl Fn(T::Native) -> (i64, u64)) -> i128 {
    let sum = |(high, low): (i64, u64), value| {
        let (value_high, value_low) = split(value);
        (high.wrapping_add(value_high), low.wrapping_add(value_low))
    };
    let (high, low) = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => array.values().iter().copied().fold((0, 0), sum),
        Some(nulls) => nulls.valid_indices().filter_map(|index| array.values().get(index).copied()).fold((0, 0), sum),
    };
    (i128::from(high) << 32) + i128::from(low)
}

/// Calls `visit` with each value that is not NULL.
pub(super) fn each(array: &ArrayRef, mut visit: impl FnMut(i128) -> Result<(), ArrowError>) -> Result<()> {
    match array.data_type() {
        DataType::Null => {}
        DataType::Int64 => {
            array.as_primitive::<Int64Type>().iter().flatten().try_for_each(|value| visit(value.into()))?;
        }
        DataType::UInt64 => {
            array.as_primitive::<UInt64Type>().iter().flatten().try_for_each(|value| visit(value.into()))?;
        }
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().iter().flatten().try_for_each(visit)?,
        other => return internal_err!("{other} is not summed exactly"),
    }
    Ok(())
}
