//! Aggregates that look at all values of a group at once.
//!
//! The values are kept as Arrow arrays until the group is complete, then a plain function makes the answer of them.
//! Simple, and exact; groups that do not fit into memory are what `approx_…` functions are for.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, new_empty_array};
use arrow::compute::{cast, concat, filter, is_not_null};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, ColumnarValue, Signature, Volatility};

use super::kernel::invalid;
use super::statistics;

/// An aggregate as data.
pub(super) struct Spec {
    pub(super) name: &'static str,
    aliases: &'static [&'static str],
    takes: Takes,
    gives: Gives,
    finish: fn(&ArrayRef, &ScalarValue) -> Result<ScalarValue>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Numbers, as floats.
    Numbers,
    /// Values of any type.
    Any,
    /// Values of any type, and a part between 0 and 1.
    AnyAndPart,
}

#[derive(Clone, Copy)]
enum Gives {
    Float,
    /// The type of the values.
    Same,
    /// A map from value to count.
    Counts,
}

pub(super) const AGGREGATES: &[Spec] = &[
    Spec::new("mode", Takes::Any, Gives::Same, |values, _| statistics::mode(values)),
    Spec::new("quantile_disc", Takes::AnyAndPart, Gives::Same, statistics::quantile).or(&["quantile"]),
    Spec::new("histogram", Takes::Any, Gives::Counts, |values, _| statistics::histogram(values)),
    Spec::new("entropy", Takes::Any, Gives::Float, |values, _| statistics::entropy(values)),
    Spec::new("product", Takes::Numbers, Gives::Float, |values, _| {
        Ok(float((!values.is_empty()).then(|| numbers(values).iter().product())))
    }),
    Spec::new("mad", Takes::Numbers, Gives::Float, |values, _| Ok(float(statistics::mad(numbers(values))))),
    Spec::new("skewness", Takes::Numbers, Gives::Float, |values, _| Ok(float(statistics::skewness(&numbers(values))))),
    Spec::new("kurtosis", Takes::Numbers, Gives::Float, |values, _| {
        Ok(float(statistics::kurtosis_sample(&numbers(values))))
    }),
    Spec::new("kurtosis_pop", Takes::Numbers, Gives::Float, |values, _| {
        Ok(float(statistics::kurtosis_population(&numbers(values))))
    }),
];

impl Spec {
    const fn new(
        name: &'static str,
        takes: Takes,
        gives: Gives,
        finish: fn(&ArrayRef, &ScalarValue) -> Result<ScalarValue>,
    ) -> Self {
        Self { name, aliases: &[], takes, gives, finish }
    }

    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

fn float(value: Option<f64>) -> ScalarValue {
    ScalarValue::Float64(value)
}

fn numbers(values: &ArrayRef) -> Vec<f64> {
    values.as_primitive_opt::<Float64Type>().map(|values| values.values().to_vec()).unwrap_or_default()
}

/// A [`Spec`] as an aggregate of DataFusion.
#[derive(Debug)]
pub(super) struct Collecting {
    spec: &'static Spec,
    aliases: Vec<String>,
    signature: Signature,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for Collecting {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for Collecting {}

impl Hash for Collecting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl Collecting {
    pub(super) fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            aliases: spec.aliases.iter().map(|&alias| alias.to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Collecting {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        match (self.spec.takes, found) {
            (Takes::Numbers, [value]) if value.is_numeric() || value.is_null() => Ok(vec![DataType::Float64]),
            (Takes::Any, [value]) => Ok(vec![plain(value)]),
            (Takes::AnyAndPart, [value, part]) if part.is_numeric() => Ok(vec![plain(value), DataType::Float64]),
            (Takes::Numbers, [value]) => Err(DataFusionError::Plan(format!("{} does not accept {value}", self.name()))),
            (Takes::AnyAndPart, _) => {
                Err(DataFusionError::Plan(format!("{} takes a value and a part of 0 to 1", self.name())))
            }
            _ => Err(DataFusionError::Plan(format!("{} takes 1 argument, not {}", self.name(), found.len()))),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let value = arguments.first().cloned().unwrap_or(DataType::Null);
        Ok(match self.spec.gives {
            Gives::Float => DataType::Float64,
            Gives::Same => value,
            Gives::Counts => statistics::counts_type(&value),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = args.input_fields.first().map_or(DataType::Null, |field| field.data_type().clone());
        let list = DataType::List(Arc::new(Field::new_list_field(value, true)));
        Ok(vec![Arc::new(Field::new(format!("{}[values]", args.name), list, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.expr_fields.first().map_or(DataType::Null, |field| field.data_type().clone());
        let part = match args.exprs.get(1) {
            Some(part) if self.spec.takes == Takes::AnyAndPart => {
                match part.evaluate(&RecordBatch::new_empty(Arc::new(Schema::empty()))) {
                    Ok(ColumnarValue::Scalar(part)) => checked_part(part)?,
                    _ => return Err(invalid(format!("the part of {} is a constant", self.name()))),
                }
            }
            _ => ScalarValue::Null,
        };
        Ok(Box::new(Values { spec: self.spec, data_type, part, distinct: args.is_distinct, chunks: Vec::new() }))
    }
}

fn checked_part(part: ScalarValue) -> Result<ScalarValue> {
    match part {
        ScalarValue::Float64(Some(value)) if (0.0..=1.0).contains(&value) => Ok(part),
        _ => Err(invalid("a quantile is a number of 0 to 1")),
    }
}

/// The type in which values are kept.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain(value),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        other => other.clone(),
    }
}

#[derive(Debug)]
struct Values {
    spec: &'static Spec,
    data_type: DataType,
    part: ScalarValue,
    distinct: bool,
    /// Without `NULL`s.
    chunks: Vec<ArrayRef>,
}

impl Values {
    fn push(&mut self, values: &ArrayRef) -> Result<()> {
        let values = filter(&cast(values, &self.data_type)?, &is_not_null(values)?)?;
        if !values.is_empty() {
            self.chunks.push(values);
        }
        Ok(())
    }

    fn all(&self) -> Result<ArrayRef> {
        let chunks: Vec<&dyn Array> = self.chunks.iter().map(AsRef::as_ref).collect();
        if chunks.is_empty() { Ok(new_empty_array(&self.data_type)) } else { Ok(concat(&chunks)?) }
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.push(values))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values = self.all()?;
        let values = if self.distinct { distinct(&values)? } else { values };
        (self.spec.finish)(&values, &self.part)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.chunks.iter().map(|chunk| chunk.get_array_memory_size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![SingleRowListArrayBuilder::new(self.all()?).build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first().and_then(|state| state.as_list_opt::<i32>()) else { return Ok(()) };
        lists.iter().flatten().try_for_each(|values| self.push(&values))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(leaving) = values.first() else { return Ok(()) };
        let mut count = leaving.len() - leaving.logical_null_count();
        while let Some(first) = self.chunks.first_mut() {
            if first.len() > count {
                *first = first.slice(count, first.len() - count);
                break;
            }
            count -= first.len();
            self.chunks.remove(0);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

fn distinct(values: &ArrayRef) -> Result<ArrayRef> {
    let mut seen = HashSet::new();
    let first = (0..values.len())
        .map(|index| Ok(Some(seen.insert(ScalarValue::try_from_array(values, index)?))))
        .collect::<Result<BooleanArray>>()?;
    Ok(filter(values, &first)?)
}
