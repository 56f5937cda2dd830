//! Operators on numbers that fail where the result does not fit.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Datum, PrimitiveArray};
use datafusion::arrow::compute::kernels::bitwise::bitwise_xor;
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::kernels::numeric::{add, div, mul, rem, sub};
use datafusion::arrow::compute::{self, try_binary};
use datafusion::arrow::datatypes::{
    ArrowNativeTypeOp, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type,
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DFSchema, Result, exec_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;
use datafusion::scalar::ScalarValue;

/// `left op right`, checked.
pub(super) fn checked(op: Operator, left: Expr, right: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function(op), vec![left, right]))
}

/// One function an operator: they are compared by identity in many passes of the planner.
fn function(op: Operator) -> Arc<ScalarUDF> {
    static FUNCTIONS: LazyLock<Vec<(Operator, Arc<ScalarUDF>)>> = LazyLock::new(|| {
        let operators = [
            (Operator::Plus, "checked_add"),
            (Operator::Minus, "checked_subtract"),
            (Operator::Multiply, "checked_multiply"),
            (Operator::Divide, "checked_divide"),
            (Operator::Modulo, "checked_modulo"),
            (Operator::BitwiseShiftLeft, "checked_shift_left"),
            (Operator::BitwiseShiftRight, "checked_shift_right"),
            (Operator::BitwiseXor, "strict_xor"),
        ];
        let build = |(op, name)| (op, Arc::new(ScalarUDF::new_from_impl(Checked::new(op, name))));
        operators.into_iter().map(build).collect()
    });
    let known = FUNCTIONS.iter().find(|(known, _)| *known == op).map(|(_, function)| Arc::clone(function));
    known.unwrap_or_else(|| Arc::new(ScalarUDF::new_from_impl(Checked::new(op, "checked"))))
}

/// How many operators inside each other have a name that is written out.
const WRITTEN_OUT_LEVELS: usize = 8;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    name: &'static str,
    signature: Signature,
}

impl Checked {
    fn new(op: Operator, name: &'static str) -> Self {
        Self { op, name, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, right] => BinaryTypeCoercer::new(left, &self.op, right).get_result_type(),
            _ => internal_err!("an operator has two sides"),
        }
    }

    fn is_strict(&self) -> bool {
        true
    }

    // The name of a column that has no other is the operator as it was written. The planner asks for the name of every
    // part of a sum again and again; that of a long one is made of its last operators only.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        if args.iter().any(|arg| is_deeper(arg, WRITTEN_OUT_LEVELS)) {
            let mut hasher = DefaultHasher::new();
            args.iter().for_each(|arg| digest(arg, WRITTEN_OUT_LEVELS, &mut hasher));
            return Ok(format!("{}:{:016x}", self.name, hasher.finish()));
        }
        match args {
            [left, right] => Ok(format!("{} {} {}", left.schema_name(), self.op, right.schema_name())),
            _ => internal_err!("an operator has two sides"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return internal_err!("an operator has two sides") };
        let result = match self.op {
            Operator::Plus => apply(left, right, add),
            Operator::Minus => apply(left, right, sub),
            Operator::Multiply => apply(left, right, mul),
            Operator::Divide => apply(left, right, |left, right| by_nonzero(left, right, div)),
            Operator::Modulo => apply(left, right, |left, right| by_nonzero(left, right, rem)),
            Operator::BitwiseShiftLeft | Operator::BitwiseShiftRight => shift(self.op, left, right),
            Operator::BitwiseXor => xor(left, right),
            op => return internal_err!("{op} cannot overflow"),
        }?;
        check_digits(result)
    }
}

/// Whether checked operators stand inside each other for more than `levels`.
fn is_deeper(expr: &Expr, levels: usize) -> bool {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Checked>() => match levels.checked_sub(1) {
            Some(levels) => call.args.iter().any(|arg| is_deeper(arg, levels)),
            None => true,
        },
        _ => false,
    }
}

/// Hashes `expr` down to `levels` operators.
fn digest(expr: &Expr, levels: usize, hasher: &mut DefaultHasher) {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Checked>() => {
            call.name().hash(hasher);
            if let Some(levels) = levels.checked_sub(1) {
                call.args.iter().for_each(|arg| digest(arg, levels, hasher));
            }
        }
        other => other.hash(hasher),
    }
}

/// The type of `expr`; for sums of integers without a look at all of their parts.
pub(super) fn type_of(expr: &Expr, schema: &DFSchema) -> Result<DataType> {
    if let Expr::ScalarFunction(call) = expr
        && call.func.inner().is::<Checked>()
        && let [_, right] = call.args.as_slice()
        && matches!(call.name(), "checked_add" | "checked_subtract" | "checked_multiply")
    {
        let data_type = type_of(right, schema)?;
        if data_type.is_integer() {
            return Ok(data_type);
        }
    }
    expr.get_type(schema)
}

/// Floats by zero give infinity or NaN in the kernel; SQL says that it is an error.
fn by_nonzero(
    left: &dyn Datum,
    right: &dyn Datum,
    kernel: impl Fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    let zero = ScalarValue::new_zero(right.get().0.data_type()).and_then(|zero| zero.to_scalar());
    let zero = zero.map_err(|error| ArrowError::ComputeError(error.to_string()))?;
    let zeros = cmp::eq(right, &zero)?;
    // A NULL on the left makes the row NULL, whatever it is divided by.
    let some_zero = match left.get() {
        (left, false) if left.null_count() > 0 && zeros.len() == left.len() => {
            compute::and(&zeros, &compute::is_not_null(left)?)?.has_true()
        }
        (left, true) if left.is_null(0) => false,
        (left, false) if zeros.len() == 1 => zeros.has_true() && left.null_count() < left.len(),
        _ => zeros.has_true(),
    };
    if some_zero { Err(ArrowError::DivideByZero) } else { kernel(left, right) }
}

/// Decimals of the full width may have got a digit too many: the kernels only see that the bits overflow.
fn check_digits(result: ColumnarValue) -> Result<ColumnarValue> {
    let check = |array: &ArrayRef| match array.data_type() {
        DataType::Decimal128(precision, _) if *precision == DECIMAL128_MAX_PRECISION => {
            array.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision)
        }
        DataType::Decimal256(precision, _) if *precision == DECIMAL256_MAX_PRECISION => {
            array.as_primitive::<Decimal256Type>().validate_decimal_precision(*precision)
        }
        _ => Ok(()),
    };
    match &result {
        ColumnarValue::Array(array) => check(array)?,
        ColumnarValue::Scalar(scalar)
            if matches!(scalar.data_type(), DataType::Decimal128(..) | DataType::Decimal256(..)) =>
        {
            check(&scalar.to_array()?)?;
        }
        ColumnarValue::Scalar(_) => {}
    }
    Ok(result)
}

/// Upstream takes `x ^ x` for 0, also where `x` is NULL.
fn xor(left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
    let rows = match (left, right) {
        (ColumnarValue::Array(array), _) | (_, ColumnarValue::Array(array)) => array.len(),
        _ => 1,
    };
    let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
    let result: ArrayRef = match left.data_type() {
        DataType::Int8 => Arc::new(bitwise_xor(left.as_primitive::<Int8Type>(), right.as_primitive())?),
        DataType::Int16 => Arc::new(bitwise_xor(left.as_primitive::<Int16Type>(), right.as_primitive())?),
        DataType::Int32 => Arc::new(bitwise_xor(left.as_primitive::<Int32Type>(), right.as_primitive())?),
        DataType::Int64 => Arc::new(bitwise_xor(left.as_primitive::<Int64Type>(), right.as_primitive())?),
        DataType::UInt8 => Arc::new(bitwise_xor(left.as_primitive::<UInt8Type>(), right.as_primitive())?),
        DataType::UInt16 => Arc::new(bitwise_xor(left.as_primitive::<UInt16Type>(), right.as_primitive())?),
        DataType::UInt32 => Arc::new(bitwise_xor(left.as_primitive::<UInt32Type>(), right.as_primitive())?),
        DataType::UInt64 => Arc::new(bitwise_xor(left.as_primitive::<UInt64Type>(), right.as_primitive())?),
        other => return exec_err!("cannot compute ^ of {other}"),
    };
    Ok(ColumnarValue::Array(result))
}

fn shift(op: Operator, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
    let rows = match (left, right) {
        (ColumnarValue::Array(array), _) | (_, ColumnarValue::Array(array)) => array.len(),
        _ => 1,
    };
    let (values, counts) = (left.to_array(rows)?, right.to_array(rows)?);
    let counts = compute::cast(&counts, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>();
    let shifted = match values.data_type() {
        DataType::Int8 => shift_array::<Int8Type>(op, &values, counts),
        DataType::Int16 => shift_array::<Int16Type>(op, &values, counts),
        DataType::Int32 => shift_array::<Int32Type>(op, &values, counts),
        DataType::Int64 => shift_array::<Int64Type>(op, &values, counts),
        DataType::UInt8 => shift_array::<UInt8Type>(op, &values, counts),
        DataType::UInt16 => shift_array::<UInt16Type>(op, &values, counts),
        DataType::UInt32 => shift_array::<UInt32Type>(op, &values, counts),
        DataType::UInt64 => shift_array::<UInt64Type>(op, &values, counts),
        other => return exec_err!("cannot shift {other}"),
    }?;
    match (left, right) {
        (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) => {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&shifted, 0)?))
        }
        _ => Ok(ColumnarValue::Array(shifted)),
    }
}

/// A shift by `n` is a multiplication or a division, rounded down, by two to the power of `n`.
fn shift_array<T>(op: Operator, values: &ArrayRef, counts: &PrimitiveArray<Int64Type>) -> Result<ArrayRef, ArrowError>
where
    T: ArrowPrimitiveType,
    T::Native: ArrowNativeTypeOp + Into<i128> + TryFrom<i128>,
{
    let width = i64::try_from(size_of::<T::Native>() * 8).unwrap_or(64);
    let overflow =
        |value: i128, count| ArrowError::ArithmeticOverflow(format!("Overflow happened on: {value} {op} {count}"));
    let result: PrimitiveArray<T> = try_binary(values.as_primitive::<T>(), counts, |value, count| {
        let value: i128 = value.into();
        if !(0..width).contains(&count) {
            return Err(overflow(value, count));
        }
        let shifted = if op == Operator::BitwiseShiftLeft { value << count } else { value >> count };
        T::Native::try_from(shifted).map_err(|_| overflow(value, count))
    })?;
    Ok(Arc::new(result))
}
