//! What the collecting aggregates compute: functions of all values of a group, without `NULL`s.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, MapArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{partition, sort, take};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

/// The most frequent value; of equally frequent ones the least.
pub(super) fn mode(values: &ArrayRef) -> Result<ScalarValue> {
    let sorted = sorted(values)?;
    let mut best = 0..0;
    for range in ranges(&sorted)? {
        if range.len() > best.len() {
            best = range;
        }
    }
    if best.is_empty() {
        ScalarValue::try_new_null(values.data_type())
    } else {
        ScalarValue::try_from_array(&sorted, best.start)
    }
}

/// The least value that at least the given part of the values does not exceed.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the part lies between 0 and 1"
)]
pub(super) fn quantile(values: &ArrayRef, part: &ScalarValue) -> Result<ScalarValue> {
    let ScalarValue::Float64(Some(part)) = part else { return ScalarValue::try_new_null(values.data_type()) };
    if values.is_empty() {
        return ScalarValue::try_new_null(values.data_type());
    }
    let place = ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len());
    ScalarValue::try_from_array(&sorted(values)?, place - 1)
}

/// The type of a map from values to their counts.
pub(super) fn counts_type(value: &DataType) -> DataType {
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry_fields(value)), false)), false)
}

fn entry_fields(value: &DataType) -> Fields {
    Fields::from(vec![Field::new("key", value.clone(), false), Field::new("value", DataType::Int64, true)])
}

/// How often each value is there, in the order of the values.
pub(super) fn histogram(values: &ArrayRef) -> Result<ScalarValue> {
    let data_type = counts_type(values.data_type());
    if values.is_empty() {
        return ScalarValue::try_from(&data_type);
    }
    let sorted = sorted(values)?;
    let ranges = ranges(&sorted)?;
    let starts = Int64Array::from_iter_values(ranges.iter().map(|range| count(range.start)));
    let counts = Int64Array::from_iter_values(ranges.iter().map(|range| count(range.len())));
    let keys = take(&sorted, &starts, None)?;
    let fields = entry_fields(values.data_type());
    let entries = StructArray::try_new(fields.clone(), vec![keys, Arc::new(counts)], None)?;
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    let offsets = OffsetBuffer::from_lengths([entries.len()]);
    Ok(ScalarValue::Map(Arc::new(MapArray::try_new(field, offsets, entries, None, false)?)))
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The information of a value, in bits.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn entropy(values: &ArrayRef) -> Result<ScalarValue> {
    let all = values.len() as f64;
    let parts = ranges(&sorted(values)?)?.into_iter().map(|range| range.len() as f64 / all);
    let bits = parts.map(|part| part * part.log2()).sum::<f64>();
    // The sum over one value is 0, without a sign.
    Ok(ScalarValue::Float64((!values.is_empty()).then_some(if bits == 0.0 { 0.0 } else { -bits })))
}

fn sorted(values: &ArrayRef) -> Result<ArrayRef> {
    if values.data_type().is_nested() {
        return Err(DataFusionError::NotImplemented(format!("this aggregate of {}", values.data_type())));
    }
    Ok(sort(values, None)?)
}

/// The ranges of equal values.
fn ranges(sorted: &ArrayRef) -> Result<Vec<std::ops::Range<usize>>> {
    if sorted.is_empty() {
        return Ok(Vec::new());
    }
    Ok(partition(std::slice::from_ref(sorted))?.ranges())
}

/// The median of the distances from the median.
pub(super) fn mad(mut values: Vec<f64>) -> Option<f64> {
    let middle = median(&mut values)?;
    let mut distances: Vec<f64> = values.into_iter().map(|value| (value - middle).abs()).collect();
    median(&mut distances)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(lower.midpoint(upper))
}

/// The count, and the mean of the second, third and fourth power of the distance from the mean.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn moments(values: &[f64]) -> (f64, f64, f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let moment = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / count;
    (count, moment(2), moment(3), moment(4))
}

/// Of a sample; there is none of fewer than three values, nor where all are equal.
pub(super) fn skewness(values: &[f64]) -> Option<f64> {
    let (count, second, third, _) = moments(values);
    (count >= 3.0 && second > 0.0).then(|| (count * (count - 1.0)).sqrt() / (count - 2.0) * third / second.powf(1.5))
}

/// Excess kurtosis of a sample; there is none of fewer than four values, nor where all are equal.
pub(super) fn kurtosis_sample(values: &[f64]) -> Option<f64> {
    let count = moments(values).0;
    let population = kurtosis_population(values).filter(|_| count >= 4.0)?;
    Some((count - 1.0) / ((count - 2.0) * (count - 3.0)) * ((count + 1.0) * population + 6.0))
}

/// Excess kurtosis of a population; there is none where all values are equal.
pub(super) fn kurtosis_population(values: &[f64]) -> Option<f64> {
    let (count, second, _, fourth) = moments(values);
    (count >= 2.0 && second > 0.0).then(|| fourth / (second * second) - 3.0)
}
