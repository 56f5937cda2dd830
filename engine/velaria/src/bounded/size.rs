//! How large the result of a function will be, at most.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::kernels::length::length;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;

/// The bytes that a call makes.
pub(super) type Size = fn(&Call<'_>) -> Result<u128>;

/// Every function that can make much of little. A new one is one line here.
pub(super) const SIZES: &[(&str, Size)] = &[
    ("repeat", |call| call.sum(&[Of::Bytes(0), Of::Number(1)], |of| of[0] * of[1])),
    ("lpad", |call| padded(call)),
    ("rpad", |call| padded(call)),
    ("replace", |call| call.sum(&[Of::Bytes(0), Of::Bytes(1), Of::Bytes(2)], |of| replaced(of[0], of[1], of[2]))),
    ("regexp_replace", |call| call.sum(&[Of::Bytes(0), Of::Bytes(2)], |of| of[0] + (of[0] + 1) * of[1])),
    ("array_repeat", |call| {
        let item = call.bytes_each(0);
        Ok(call.sum(&[Of::Number(1)], |of| of[0])?.saturating_mul(item))
    }),
    ("array_resize", |call| Ok(call.sum(&[Of::Number(1)], |of| of[0])?.saturating_mul(call.bytes_each(2).max(8)))),
    ("range", series),
    ("generate_series", series),
];

/// A text of a wanted number of characters, which have up to four bytes where they are not ASCII.
fn padded(call: &Call<'_>) -> Result<u128> {
    let wide = if call.args.len() > 2 { call.sum(&[Of::Bytes(2)], |of| of[0])?.min(4) } else { 1 };
    let text = call.sum(&[Of::Bytes(0)], |of| of[0])?;
    Ok(call.sum(&[Of::Number(1)], |of| of[0])?.saturating_mul(wide.max(1)).saturating_add(text))
}

/// Every place where `from` can stand becomes `to`.
fn replaced(text: i128, from: i128, to: i128) -> i128 {
    text + (text / from.max(1) + 1) * to
}

/// The numbers or times from a start to an end.
fn series(call: &Call<'_>) -> Result<u128> {
    const ITEM_BYTES: i128 = 8;
    if call.args.len() == 1 {
        return call.sum(&[Of::Number(0)], |of| of[0] * ITEM_BYTES);
    }
    let count = |start: i128, end: i128, step: i128| ((end - start).abs() / step.abs().max(1) + 1) * ITEM_BYTES;
    if call.args.len() == 2 {
        return call.sum(&[Of::Signed(0), Of::Signed(1)], |of| count(of[0], of[1], 1));
    }
    call.sum(&[Of::Signed(0), Of::Signed(1), Of::Signed(2)], |of| count(of[0], of[1], of[2]))
}

/// A call of a function on the rows of a batch.
pub(super) struct Call<'a> {
    pub(super) args: &'a [ColumnarValue],
    pub(super) rows: usize,
}

/// What of an argument matters.
#[derive(Clone, Copy)]
enum Of {
    /// The length of a text.
    Bytes(usize),
    /// A count; negative ones make nothing.
    Number(usize),
    /// A number or time of either sign.
    Signed(usize),
}

impl Call<'_> {
    /// The sum over all rows of `bytes` of these arguments. A NULL counts as zero.
    fn sum(&self, wanted: &[Of], bytes: impl Fn(&[i128]) -> i128) -> Result<u128> {
        let columns = wanted.iter().map(|of| self.column(*of)).collect::<Result<Vec<_>>>()?;
        let mut of = vec![0_i128; columns.len()];
        let mut at = |row: usize| -> u128 {
            of.iter_mut().zip(&columns).for_each(|(value, column)| *value = column.at(row));
            u128::try_from(bytes(&of)).unwrap_or(0)
        };
        if columns.iter().all(|column| column.constant) {
            return Ok(at(0).saturating_mul(self.rows as u128));
        }
        Ok((0..self.rows).map(at).fold(0, u128::saturating_add))
    }

    fn column(&self, of: Of) -> Result<Column> {
        let (Of::Bytes(index) | Of::Number(index) | Of::Signed(index)) = of;
        let Some(argument) = self.args.get(index) else { return Ok(Column::zero()) };
        let (values, constant) = match argument {
            ColumnarValue::Array(values) => (ArrayRef::clone(values), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        let numbers = match of {
            Of::Bytes(_) => as_numbers(&length(&values)?)?,
            Of::Number(_) | Of::Signed(_) => as_numbers(&values)?,
        };
        Ok(Column { numbers, constant, negative: matches!(of, Of::Signed(_)) })
    }

    /// The bytes of one value of an argument, on average.
    fn bytes_each(&self, index: usize) -> u128 {
        match self.args.get(index) {
            None => 0,
            Some(ColumnarValue::Scalar(ScalarValue::Null)) => 1,
            Some(ColumnarValue::Scalar(value)) => value.size() as u128,
            Some(ColumnarValue::Array(values)) => {
                (values.to_data().get_slice_memory_size().unwrap_or(0) / values.len().max(1)) as u128
            }
        }
    }
}

struct Column {
    numbers: Int64Array,
    constant: bool,
    negative: bool,
}

impl Column {
    fn zero() -> Self {
        Self { numbers: Int64Array::from(vec![0]), constant: true, negative: false }
    }

    fn at(&self, row: usize) -> i128 {
        let row = if self.constant { 0 } else { row };
        let value = if row < self.numbers.len() && self.numbers.is_valid(row) { self.numbers.value(row) } else { 0 };
        i128::from(if self.negative { value } else { value.max(0) })
    }
}

/// Numbers as they are; times and intervals in microseconds, a month as the shortest one.
fn as_numbers(values: &ArrayRef) -> Result<Int64Array> {
    // What does not convert is for the function to refuse.
    let safe = CastOptions::default();
    let to = |data_type: &DataType| cast_with_options(values, data_type, &safe);
    let numbers = match values.data_type() {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            cast_with_options(&to(&DataType::Timestamp(TimeUnit::Microsecond, None))?, &DataType::Int64, &safe)?
        }
        DataType::Interval(_) => {
            let intervals = to(&DataType::Interval(IntervalUnit::MonthDayNano))?;
            let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
            return Ok(intervals
                .iter()
                .map(|interval| {
                    interval.map(|interval| {
                        const DAY_MICROS: i64 = 86_400_000_000;
                        let days = i64::from(interval.months) * 28 + i64::from(interval.days);
                        days.saturating_mul(DAY_MICROS).saturating_add(interval.nanoseconds / 1000)
                    })
                })
                .collect());
        }
        DataType::Int64 => ArrayRef::clone(values),
        _ => to(&DataType::Int64)?,
    };
    Ok(numbers.as_primitive::<Int64Type>().clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;

    fn size(name: &str, args: &[ColumnarValue], rows: usize) -> u128 {
        let (_, size) = SIZES.iter().find(|(known, _)| *known == name).unwrap();
        size(&Call { args, rows }).unwrap()
    }

    fn text(value: &str) -> ColumnarValue {
        ScalarValue::from(value).into()
    }

    fn number(value: i64) -> ColumnarValue {
        ScalarValue::from(value).into()
    }

    #[test]
    fn every_row_counts() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("ab"), None, Some("é")]));
        let counts: ArrayRef = Arc::new(Int64Array::from(vec![Some(10), Some(10), Some(-1)]));
        assert_eq!(size("repeat", &[texts.into(), counts.into()], 3), 20);
        assert_eq!(size("repeat", &[text("ab"), number(i64::MAX)], 2), 4 * i64::MAX as u128);
        assert_eq!(size("lpad", &[text("a"), number(100), text("é")], 1), 201);
        assert_eq!(size("replace", &[text("aaaa"), text("a"), text("bb")], 1), 14);
        assert_eq!(size("range", &[number(0), number(-100), number(-10)], 1), 88);
        assert_eq!(size("range", &[number(i64::MIN), number(i64::MAX)], 1), (u64::MAX as u128 + 1) * 8);
        assert_eq!(size("array_repeat", &[number(1), number(-5)], 1), 0);
    }
}
