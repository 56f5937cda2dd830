//! Scalar functions that are written row by row.
//!
//! A function is a [`Spec`]: its name, the kinds of its arguments, the kind of its result, and a plain Rust function
//! from one row to one value. Everything else - arity, coercion of every Arrow type, `NULL`, constants - is here, once.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array,
    IntervalMonthDayNanoArray, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use velaria_contract::{Error, ErrorCode};

/// What an argument or a result is. Arguments of other Arrow types are cast to the one of their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Bytes,
    /// Microseconds without a zone; dates and texts are read as timestamps.
    Timestamp,
    Date,
    Interval,
    /// A list of texts.
    Texts,
    /// An integer, a float or a text, as it comes; other types are cast to text.
    Scalar,
    /// Text or bytes, as it comes.
    TextOrBytes,
    /// A text, bytes or a list; only [`Row::count`] can be asked.
    Countable,
    /// Any type; only its [`Row::data_type`] and whether it is `NULL` can be asked.
    Any,
}

/// One value of a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Bytes(Vec<u8>),
    Timestamp(i64),
    Date(i32),
    Interval(IntervalMonthDayNano),
    Texts(Vec<Option<String>>),
}

/// What a function does with one row.
pub(super) type Eval = fn(&Row<'_>) -> Result<Value>;

/// A function as data.
pub(super) struct Spec {
    pub(super) name: &'static str,
    aliases: &'static [&'static str],
    takes: &'static [Kind],
    optional: usize,
    repeats_last: bool,
    sees_null: bool,
    gives: Kind,
    eval: Eval,
}

impl Spec {
    /// A function that takes exactly `takes` and gives `NULL` when one of them is `NULL`.
    pub(super) const fn new(name: &'static str, takes: &'static [Kind], gives: Kind, eval: Eval) -> Self {
        Self { name, aliases: &[], takes, optional: 0, repeats_last: false, sees_null: false, gives, eval }
    }

    /// Other names of the function.
    pub(super) const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The last `count` arguments may be left out.
    pub(super) const fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    /// The last argument may stand there any number of times, also not at all.
    pub(super) const fn repeated(mut self) -> Self {
        self.repeats_last = true;
        self
    }

    /// The function decides itself what `NULL` means.
    pub(super) const fn sees_null(mut self) -> Self {
        self.sees_null = true;
        self
    }
}

/// The typed arguments of one row. Places count from 0.
pub(super) struct Row<'a> {
    columns: &'a [Column],
    index: usize,
}

impl Row<'_> {
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn has(&self, place: usize) -> bool {
        place < self.columns.len()
    }

    pub(super) fn is_null(&self, place: usize) -> bool {
        self.columns.get(place).is_none_or(|column| column.array.is_null(column.at(self.index)))
    }

    pub(super) fn data_type(&self, place: usize) -> DataType {
        self.columns.get(place).map_or(DataType::Null, |column| column.data_type.clone())
    }

    pub(super) fn text(&self, place: usize) -> &str {
        self.typed(place).and_then(|(array, at)| Some(array.as_string_opt::<i32>()?.value(at))).unwrap_or_default()
    }

    pub(super) fn int(&self, place: usize) -> i64 {
        self.typed(place)
            .and_then(|(array, at)| Some(array.as_primitive_opt::<Int64Type>()?.value(at)))
            .unwrap_or_default()
    }

    pub(super) fn float(&self, place: usize) -> f64 {
        self.typed(place)
            .and_then(|(array, at)| Some(array.as_primitive_opt::<Float64Type>()?.value(at)))
            .unwrap_or_default()
    }

    /// Microseconds since 1970.
    pub(super) fn timestamp(&self, place: usize) -> i64 {
        self.typed(place)
            .and_then(|(array, at)| Some(array.as_primitive_opt::<TimestampMicrosecondType>()?.value(at)))
            .unwrap_or_default()
    }

    pub(super) fn interval(&self, place: usize) -> IntervalMonthDayNano {
        self.typed(place)
            .and_then(|(array, at)| Some(array.as_primitive_opt::<IntervalMonthDayNanoType>()?.value(at)))
            .unwrap_or_default()
    }

    /// The bytes of a text or binary value.
    pub(super) fn bytes(&self, place: usize) -> &[u8] {
        let Some((array, at)) = self.typed(place) else { return &[] };
        match array.as_binary_opt::<i32>() {
            Some(bytes) => bytes.value(at),
            None => array.as_string_opt::<i32>().map(|text| text.value(at).as_bytes()).unwrap_or_default(),
        }
    }

    /// The number of characters, bytes or elements.
    pub(super) fn count(&self, place: usize) -> usize {
        let Some((array, at)) = self.typed(place) else { return 0 };
        match array.data_type() {
            DataType::Binary => self.bytes(place).len(),
            DataType::List(_) => array.as_list_opt::<i32>().map(|list| list.value(at).len()).unwrap_or_default(),
            _ => self.text(place).chars().count(),
        }
    }

    /// A value of the kind [`Kind::Scalar`].
    pub(super) fn scalar(&self, place: usize) -> Value {
        if self.is_null(place) {
            return Value::Null;
        }
        let Some((array, _)) = self.typed(place) else { return Value::Null };
        match array.data_type() {
            DataType::Int64 => Value::Int(self.int(place)),
            DataType::Float64 => Value::Float(self.float(place)),
            _ => Value::Text(self.text(place).to_owned()),
        }
    }

    fn typed(&self, place: usize) -> Option<(&ArrayRef, usize)> {
        let column = self.columns.get(place)?;
        let at = column.at(self.index);
        (!column.array.is_null(at)).then_some((&column.array, at))
    }
}

struct Column {
    array: ArrayRef,
    data_type: DataType,
    constant: bool,
}

impl Column {
    fn new(value: ColumnarValue) -> Result<Self> {
        let data_type = value.data_type();
        Ok(match value {
            ColumnarValue::Array(array) => Self { array, data_type, constant: false },
            ColumnarValue::Scalar(scalar) => Self { array: scalar.to_array()?, data_type, constant: true },
        })
    }

    fn at(&self, index: usize) -> usize {
        if self.constant { 0 } else { index }
    }
}

/// A [`Spec`] as a function of DataFusion.
#[derive(Debug)]
pub(super) struct Kernel {
    spec: &'static Spec,
    aliases: Vec<String>,
    signature: Signature,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl Kernel {
    pub(super) fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            aliases: spec.aliases.iter().map(|&alias| alias.to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn check_count(&self, found: usize) -> Result<()> {
        let most = self.spec.takes.len();
        let least = most - self.spec.optional - usize::from(self.spec.repeats_last);
        if found >= least && (found <= most || self.spec.repeats_last) {
            return Ok(());
        }
        let expected = match (self.spec.repeats_last, least == most) {
            (true, _) => format!("at least {least}"),
            (false, true) => least.to_string(),
            (false, false) => format!("{least} to {most}"),
        };
        let plural = if expected.ends_with('1') { "" } else { "s" };
        Err(DataFusionError::Plan(format!("{} takes {expected} argument{plural}, not {found}", self.spec.name)))
    }
}

impl ScalarUDFImpl for Kernel {
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
        self.check_count(found.len())?;
        let last = self.spec.takes.last().copied();
        let kinds = self.spec.takes.iter().copied().chain(std::iter::repeat_n(last, found.len()).flatten());
        found
            .iter()
            .zip(kinds)
            .map(|(data_type, kind)| {
                kind.accept(data_type)
                    .ok_or_else(|| DataFusionError::Plan(format!("{} does not accept {data_type}", self.spec.name)))
            })
            .collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.spec.gives.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.into_iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        let constant = columns.iter().all(|column| column.constant);
        let count = if constant { 1 } else { rows };
        let values = (0..count).map(|index| self.row(&Row { columns: &columns, index })).collect::<Result<Vec<_>>>()?;
        let array = self.spec.gives.array(values)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

impl Kernel {
    fn row(&self, row: &Row<'_>) -> Result<Value> {
        if !self.spec.sees_null && (0..row.len()).any(|place| row.is_null(place)) {
            return Ok(Value::Null);
        }
        (self.spec.eval)(row)
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text | Self::Scalar | Self::Any | Self::TextOrBytes | Self::Countable => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Bytes => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Date => DataType::Date32,
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        }
    }

    /// The type to which an argument of type `found` is cast.
    fn accept(self, found: &DataType) -> Option<DataType> {
        let found = match found {
            DataType::Dictionary(_, value) => value.as_ref(),
            DataType::RunEndEncoded(_, values) => values.data_type(),
            other => other,
        };
        let text = matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let bytes = matches!(
            found,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
        );
        let time = matches!(found, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
        let fits = found.is_null()
            || match self {
                Self::Text => text,
                Self::Int => found.is_integer(),
                Self::Float => found.is_numeric(),
                Self::Bool => found == &DataType::Boolean,
                Self::Bytes | Self::TextOrBytes => text || bytes,
                Self::Timestamp | Self::Date => text || time,
                Self::Interval => matches!(found, DataType::Interval(_)),
                Self::Texts => item(found).is_some(),
                Self::Countable => text || bytes || item(found).is_some(),
                Self::Scalar => !found.is_nested(),
                Self::Any => true,
            };
        fits.then(|| match self {
            Self::Scalar if found.is_integer() => DataType::Int64,
            Self::Scalar if found.is_floating() => DataType::Float64,
            Self::TextOrBytes | Self::Countable if bytes => DataType::Binary,
            Self::Countable => item(found).map_or(DataType::Utf8, |item| DataType::List(Arc::clone(item))),
            Self::Any => found.clone(),
            other => other.data_type(),
        })
    }

    fn array(self, values: Vec<Value>) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text | Self::Scalar | Self::Any | Self::TextOrBytes | Self::Countable => texts(values)?,
            Self::Int => Arc::new(Int64Array::from_iter(values.into_iter().map(|value| match value {
                Value::Int(value) => Some(value),
                _ => None,
            }))),
            Self::Float => Arc::new(Float64Array::from_iter(values.into_iter().map(|value| match value {
                Value::Float(value) => Some(value),
                _ => None,
            }))),
            Self::Bool => Arc::new(BooleanArray::from_iter(values.into_iter().map(|value| match value {
                Value::Bool(value) => Some(value),
                _ => None,
            }))),
            Self::Bytes => Arc::new(BinaryArray::from_iter(values.into_iter().map(|value| match value {
                Value::Bytes(value) => Some(value),
                _ => None,
            }))),
            Self::Timestamp => {
                Arc::new(TimestampMicrosecondArray::from_iter(values.into_iter().map(|value| match value {
                    Value::Timestamp(value) => Some(value),
                    _ => None,
                })))
            }
            Self::Date => Arc::new(Date32Array::from_iter(values.into_iter().map(|value| match value {
                Value::Date(value) => Some(value),
                _ => None,
            }))),
            Self::Interval => {
                Arc::new(IntervalMonthDayNanoArray::from_iter(values.into_iter().map(|value| match value {
                    Value::Interval(value) => Some(value),
                    _ => None,
                })))
            }
            Self::Texts => lists(values)?,
        })
    }
}

/// The elements of a type of lists.
fn item(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// Offsets of a text column have 32 bits: more text than they reach would not fit one batch.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

fn texts(values: Vec<Value>) -> Result<ArrayRef> {
    let bytes: usize = values.iter().map(|value| if let Value::Text(text) = value { text.len() } else { 0 }).sum();
    check_bytes(bytes)?;
    Ok(Arc::new(StringArray::from_iter(values.into_iter().map(|value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    }))))
}

fn lists(values: Vec<Value>) -> Result<ArrayRef> {
    let mut builder = ListBuilder::new(StringBuilder::new());
    let mut bytes = 0_usize;
    for value in values {
        let Value::Texts(items) = value else {
            builder.append_null();
            continue;
        };
        for item in &items {
            bytes = bytes.saturating_add(item.as_ref().map_or(1, |item| item.len().saturating_add(1)));
            check_bytes(bytes)?;
            builder.values().append_option(item.as_deref());
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

fn check_bytes(bytes: usize) -> Result<()> {
    if bytes <= BATCH_BYTES_MAX {
        return Ok(());
    }
    Err(DataFusionError::ResourcesExhausted(format!("a batch of {bytes} bytes of text is too large")))
}

/// The error for an argument that has no meaning.
pub(super) fn invalid(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(ErrorCode::InvalidValue, message)))
}

/// The error for a result that its type cannot hold.
pub(super) fn overflow(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(
        Error::new(ErrorCode::Overflow, message).with_hint("use a wider type, or TRY_CAST to get NULL"),
    ))
}

/// The error for text that cannot be read.
pub(super) fn unreadable(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(ErrorCode::Cast, message)))
}
