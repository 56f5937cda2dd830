//! Functions of DataFusion behind a check: the arguments for which it gives a wrong answer are answered here.
//!
//! Each entry says what happens without it, so that it can go when upstream has caught up.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, FieldRef, Float32Type, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::kernel::{invalid, overflow};
use super::number::scaled;

/// What is done before DataFusion's function: an answer of our own, an error, or nothing.
type Before = fn(&ScalarFunctionArgs) -> Result<Option<ColumnarValue>>;

/// The guarded functions.
pub(super) const GUARDS: &[(&str, Before)] = &[
    // Gives NaN where 10 to the power of the places is not a float: round(1.5, -400).
    ("round", |args| rounded(args, f64::round)),
    // Gives NaN likewise.
    ("trunc", |args| rounded(args, f64::trunc)),
    // Gives the last timestamp there is for floats beyond it: to_timestamp(1e300).
    ("to_timestamp", timestamp_in_range),
    // Refuses NULL without a type: year(NULL).
    ("date_part", null_of_null),
    // Fail as an internal error: array_sum([[1]]).
    ("array_sum", flat_lists),
    ("array_avg", flat_lists),
    ("array_product", flat_lists),
    ("array_normalize", flat_lists),
    ("array_add", flat_lists),
    ("array_subtract", flat_lists),
    ("array_scale", flat_lists),
    // Fails as an internal error: array_resize([1], -1).
    ("array_resize", size_not_negative),
];

/// `inner`, with a check before it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Guarded {
    inner: Arc<ScalarUDF>,
    before: Check,
}

struct Check(Before);

impl std::fmt::Debug for Check {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("check")
    }
}

/// There is one check for each guarded function, so the function alone says which one it is.
impl PartialEq for Check {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Check {}

impl std::hash::Hash for Check {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Guarded {
    pub(super) fn new(inner: Arc<ScalarUDF>, before: Before) -> Self {
        Self { inner, before: Check(before) }
    }
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.inner().return_field_from_args(args)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arguments)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.inner().simplify(args, info)
    }

    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        self.inner.preimage(args, literal, info)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.inner().output_ordering(inputs)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.before.0)(&args)? {
            Some(answer) => Ok(answer),
            None => self.inner.invoke_with_args(args),
        }
    }
}

/// Rounds floats; other numbers are left to DataFusion, whose decimals and integers are right.
fn rounded(args: &ScalarFunctionArgs, round: fn(f64) -> f64) -> Result<Option<ColumnarValue>> {
    let [values, places] = args.args.as_slice() else { return Ok(None) };
    Ok(match values.data_type() {
        DataType::Float64 => {
            rounded_as::<Float64Type>(values, places, args, |value, places| scaled(value, places, round))?
        }
        #[expect(clippy::cast_possible_truncation, reason = "the result is as wide as the argument")]
        DataType::Float32 => rounded_as::<Float32Type>(values, places, args, |value, places| {
            scaled(f64::from(value), places, round) as f32
        })?,
        _ => None,
    })
}

fn rounded_as<T: ArrowPrimitiveType>(
    values: &ColumnarValue,
    places: &ColumnarValue,
    args: &ScalarFunctionArgs,
    round: impl Fn(T::Native, i64) -> T::Native,
) -> Result<Option<ColumnarValue>> {
    let constant = matches!((values, places), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { args.number_rows };
    let values = values.to_array(rows)?;
    let places = arrow::compute::cast(&places.to_array(rows)?, &DataType::Int64)?;
    let (Some(values), Some(places)) = (values.as_primitive_opt::<T>(), places.as_primitive_opt::<Int64Type>()) else {
        return Ok(None);
    };
    let result: PrimitiveArray<T> =
        values.iter().zip(places).map(|(value, places)| Some(round(value?, places?))).collect();
    if constant {
        return Ok(Some(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)));
    }
    Ok(Some(ColumnarValue::Array(Arc::new(result))))
}

/// Seconds whose nanoseconds have room in 64 bits.
const TIMESTAMP_SECONDS_MAX: f64 = 9_223_372_036.0;

fn timestamp_in_range(args: &ScalarFunctionArgs) -> Result<Option<ColumnarValue>> {
    let Some(value) = args.args.first().filter(|value| value.data_type() == DataType::Float64) else { return Ok(None) };
    let values: ArrayRef = value.to_array(args.number_rows.max(1))?;
    let in_range = |values: &Float64Array| values.iter().flatten().all(|value| value.abs() <= TIMESTAMP_SECONDS_MAX);
    if values.as_primitive_opt::<Float64Type>().is_none_or(in_range) {
        return Ok(None);
    }
    Err(overflow("the timestamp is out of range"))
}

fn flat_lists(args: &ScalarFunctionArgs) -> Result<Option<ColumnarValue>> {
    let nested = args.args.iter().any(|value| match value.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_nested()
        }
        _ => false,
    });
    if nested { Err(invalid("a list of lists is no list of numbers")) } else { Ok(None) }
}

fn null_of_null(args: &ScalarFunctionArgs) -> Result<Option<ColumnarValue>> {
    if !args.args.iter().any(|value| value.data_type().is_null()) {
        return Ok(None);
    }
    Ok(Some(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_field.data_type())?)))
}

fn size_not_negative(args: &ScalarFunctionArgs) -> Result<Option<ColumnarValue>> {
    let Some(size) = args.args.get(1) else { return Ok(None) };
    let sizes = arrow::compute::cast(&size.to_array(args.number_rows.max(1))?, &DataType::Int64)?;
    let negative = |sizes: &PrimitiveArray<Int64Type>| sizes.iter().flatten().any(|size| size < 0);
    if sizes.as_primitive_opt::<Int64Type>().is_some_and(negative) {
        return Err(invalid("a list cannot have a negative size"));
    }
    Ok(None)
}
