//! Columns from plain Python values: `{"id": [1, 2], "name": ["a", None]}`.
//!
//! The type of a list is that of all of its values together: integers and floats make floats; nothing else mixes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, NullArray,
    RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{Field, Schema};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use velaria::{Error, ErrorCode};

use crate::arrow_in::{self, NESTING_MAX};
use crate::error::{to_py, wrong_type};
use crate::numpy;

/// The proleptic ordinal of 1970-01-01.
const EPOCH_ORDINAL: i64 = 719_163;

/// After how many values an interrupt is looked for: some milliseconds.
const VALUES_BETWEEN_CHECKS: usize = 1 << 16;

/// One batch from a dict of columns.
pub(crate) fn batch(dict: &Bound<'_, PyDict>) -> PyResult<RecordBatch> {
    let py = dict.py();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (name, values) in dict {
        let name: String = name.extract().map_err(|_| wrong_type(py, "column names must be text"))?;
        let column = column(&name, &values)?;
        if let Some(first) = columns.first().filter(|first| first.len() != column.len()) {
            let message =
                format!("column {name} has {} values, the columns before it have {}", column.len(), first.len());
            return Err(to_py(py, &Error::new(ErrorCode::SchemaMismatch, message)));
        }
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    // Without columns there are no rows, which arrow wants to be told.
    let options = RecordBatchOptions::new().with_row_count(Some(columns.first().map_or(0, |column| column.len())));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|error| to_py(py, &Error::new(ErrorCode::InvalidArrow, error.to_string())))
}

/// One column from its values.
pub(crate) fn column(name: &str, values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    if let Some(array) = arrow_in::column(values)? {
        return Ok(array);
    }
    if let Some(array) = numpy::array(values)? {
        return Ok(array);
    }
    // numpy arrays of text, dates or objects become plain values first.
    let values = if values.hasattr("__array_interface__")? { values.call_method0("tolist")? } else { values.clone() };
    if !values.is_instance_of::<PyList>() && !values.is_instance_of::<PyTuple>() {
        let found = values.get_type().name()?;
        let message = format!("column {name} is {found}: pass a list, a tuple, a numpy array or an Arrow array");
        return Err(wrong_type(values.py(), &message));
    }
    let values: Vec<Bound<'_, PyAny>> = values.try_iter()?.collect::<PyResult<_>>()?;
    array(name, &values)
}

/// What a Python value is in Arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Float,
    Text,
    Bytes,
    Date,
    Timestamp,
    ZonedTimestamp,
    List,
}

fn kind(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Kind>> {
    let kind = if value.is_none() {
        return Ok(None);
    } else if value.is_instance_of::<PyBool>() {
        Kind::Boolean
    } else if value.is_instance_of::<PyInt>() {
        Kind::Integer
    } else if value.is_instance_of::<PyFloat>() {
        Kind::Float
    } else if value.is_instance_of::<PyString>() {
        Kind::Text
    } else if value.is_instance_of::<PyBytes>() {
        Kind::Bytes
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        Kind::List
    } else if is_datetime(value)? {
        if value.getattr("tzinfo")?.is_none() { Kind::Timestamp } else { Kind::ZonedTimestamp }
    } else if is_date(value)? {
        Kind::Date
    } else {
        let found = value.get_type().name()?;
        let message = format!(
            "column {name} holds a value of type {found}: use None, bool, int, float, str, bytes, date, datetime or lists of those, or pass an Arrow array"
        );
        return Err(wrong_type(value.py(), &message));
    };
    Ok(Some(kind))
}

fn is_datetime(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.is_instance(&value.py().import("datetime")?.getattr("datetime")?)
}

fn is_date(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.is_instance(&value.py().import("datetime")?.getattr("date")?)
}

/// The one kind of all values.
fn common_kind(name: &str, values: &[Bound<'_, PyAny>]) -> PyResult<Option<Kind>> {
    let mut common = None;
    for (seen, value) in values.iter().enumerate() {
        check_signals(value.py(), seen)?;
        let Some(next) = kind(name, value)? else { continue };
        common = match (common, next) {
            (None, next) => Some(next),
            (Some(seen), next) if seen == next => Some(seen),
            (Some(Kind::Integer | Kind::Float), Kind::Integer | Kind::Float) => Some(Kind::Float),
            (Some(seen), next) => {
                let message = format!("column {name} mixes {} and {} values", word(seen), word(next));
                return Err(wrong_type(value.py(), &message));
            }
        };
    }
    Ok(common)
}

/// Lets Ctrl-C end a long list.
fn check_signals(py: Python<'_>, seen: usize) -> PyResult<()> {
    if seen.is_multiple_of(VALUES_BETWEEN_CHECKS) { py.check_signals() } else { Ok(()) }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "bool",
        Kind::Integer => "int",
        Kind::Float => "float",
        Kind::Text => "str",
        Kind::Bytes => "bytes",
        Kind::Date => "date",
        Kind::Timestamp => "datetime",
        Kind::ZonedTimestamp => "datetime with a zone",
        Kind::List => "list",
    }
}

/// One column from values that are plain.
pub(crate) fn array(name: &str, values: &[Bound<'_, PyAny>]) -> PyResult<ArrayRef> {
    nested(name, values, 0)
}

fn nested(name: &str, values: &[Bound<'_, PyAny>], depth: usize) -> PyResult<ArrayRef> {
    let Some(kind) = common_kind(name, values)? else { return Ok(Arc::new(NullArray::new(values.len()))) };
    Ok(match kind {
        Kind::Boolean => Arc::new(BooleanArray::from(extract::<bool>(values)?)),
        Kind::Integer => {
            Arc::new(Int64Array::from(extract::<i64>(values).map_err(|error| too_large(name, error, values))?))
        }
        Kind::Float => Arc::new(Float64Array::from(extract::<f64>(values)?)),
        Kind::Text => Arc::new(StringArray::from(extract::<String>(values)?)),
        Kind::Bytes => {
            let bytes = extract::<Vec<u8>>(values)?;
            Arc::new(BinaryArray::from(bytes.iter().map(Option::as_deref).collect::<Vec<_>>()))
        }
        Kind::Date => Arc::new(Date32Array::from(convert(values, days)?)),
        Kind::Timestamp => Arc::new(TimestampMicrosecondArray::from(convert(values, naive_micros)?)),
        Kind::ZonedTimestamp => {
            Arc::new(TimestampMicrosecondArray::from(convert(values, zoned_micros)?).with_timezone("UTC"))
        }
        Kind::List => list(name, values, depth)?,
    })
}

fn extract<'py, T: for<'a> FromPyObject<'a, 'py>>(values: &[Bound<'py, PyAny>]) -> PyResult<Vec<Option<T>>> {
    convert(values, |value| value.extract::<T>().map_err(Into::into))
}

fn convert<'py, T>(
    values: &[Bound<'py, PyAny>],
    convert: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<Option<T>>> {
    let mut seen = 0_usize;
    let convert = |value: &Bound<'py, PyAny>| {
        seen += 1;
        check_signals(value.py(), seen)?;
        if value.is_none() { Ok(None) } else { convert(value).map(Some) }
    };
    values.iter().map(convert).collect()
}

fn too_large(name: &str, cause: PyErr, values: &[Bound<'_, PyAny>]) -> PyErr {
    let Some(first) = values.first() else { return cause };
    let error = Error::new(ErrorCode::Overflow, format!("column {name} holds an integer beyond 64 bits"))
        .with_hint("pass it as text and cast it to DECIMAL in SQL");
    let raised = to_py(first.py(), &error);
    raised.set_cause(first.py(), Some(cause));
    raised
}

fn days(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    let ordinal: i64 = value.call_method0("toordinal")?.extract()?;
    Ok(i32::try_from(ordinal - EPOCH_ORDINAL)?)
}

fn naive_micros(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    micros_since(value, &value.py().import("datetime")?.getattr("datetime")?.call1((1970, 1, 1))?)
}

fn zoned_micros(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let module = value.py().import("datetime")?;
    let utc = module.getattr("timezone")?.getattr("utc")?;
    micros_since(value, &module.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?)
}

fn micros_since(value: &Bound<'_, PyAny>, epoch: &Bound<'_, PyAny>) -> PyResult<i64> {
    let delta = value.call_method1("__sub__", (epoch,))?;
    let part = |name: &str| -> PyResult<i64> { delta.getattr(name)?.extract() };
    Ok(part("days")? * 86_400_000_000 + part("seconds")? * 1_000_000 + part("microseconds")?)
}

fn list(name: &str, values: &[Bound<'_, PyAny>], depth: usize) -> PyResult<ArrayRef> {
    if let Some(first) = values.first().filter(|_| depth >= NESTING_MAX) {
        let message = format!("column {name} holds lists that are nested more than {NESTING_MAX} deep");
        return Err(wrong_type(first.py(), &message));
    }
    let mut items = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    for value in values {
        let before = items.len();
        if !value.is_none() {
            for item in value.try_iter()? {
                items.push(item?);
            }
        }
        lengths.push(items.len() - before);
        valid.push(!value.is_none());
    }
    let items = nested(name, &items, depth + 1)?;
    let field = Arc::new(Field::new("item", items.data_type().clone(), true));
    let Some(first) = values.first() else { return Ok(Arc::new(NullArray::new(0))) };
    ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), items, Some(NullBuffer::from(valid)))
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| to_py(first.py(), &Error::new(ErrorCode::InvalidArrow, error.to_string())))
}
