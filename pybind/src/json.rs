//! Python values as JSON values, and back.
//!
//! What JSON has no value for becomes the text that the command line writes for it: dates in ISO form, decimals with all
//! digits, bytes in hex. NaN and the infinities become null.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};
use velaria::{Error, ErrorCode};
use velaria_workspace::{Number, Object, Value};

use crate::error::{to_py, wrong_type};

/// Deeper values are cycles, or made to break readers.
const DEPTH_MAX: usize = 100;

/// The JSON object that a dict says; `name` is what an error calls it.
pub(crate) fn object(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Object> {
    match value.cast::<PyDict>() {
        Ok(dict) => fields(dict, 0),
        Err(_) => Err(wrong_type(value.py(), &format!("{name} must be a dict"))),
    }
}

/// The Python value of `value`.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Number(number) => number_to_python(py, number),
        Value::String(text) => text.into_bound_py_any(py),
        Value::Array(items) => {
            let list = PyList::empty(py);
            items.iter().try_for_each(|item| list.append(to_python(py, item)?))?;
            Ok(list.into_any())
        }
        Value::Object(object) => object_to_python(py, object).map(Bound::into_any),
    }
}

/// The dict of `object`.
pub(crate) fn object_to_python<'py>(py: Python<'py>, object: &Object) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    object.iter().try_for_each(|(key, value)| dict.set_item(key, to_python(py, value)?))?;
    Ok(dict)
}

fn number_to_python<'py>(py: Python<'py>, number: &Number) -> PyResult<Bound<'py, PyAny>> {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => number.into_bound_py_any(py),
        (None, Some(number)) => number.into_bound_py_any(py),
        (None, None) => number.as_f64().into_bound_py_any(py),
    }
}

fn value(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > DEPTH_MAX {
        return Err(to_py(
            value.py(),
            &Error::new(ErrorCode::InvalidArgument, "the value is nested too deeply for JSON"),
        ));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    // Before numbers: a bool is an int.
    if value.is_instance_of::<PyBool>() {
        return value.extract().map(Value::Bool);
    }
    if value.is_instance_of::<PyString>() {
        return text(value).map(Value::String);
    }
    if value.is_instance_of::<PyInt>() {
        return integer(value);
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Number::from_f64(value.extract()?).map_or(Value::Null, Value::Number));
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return fields(dict, depth).map(Value::Object);
    }
    other(value, depth)
}

fn other(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyTuple>()
        || value.is_instance_of::<PySet>()
        || value.is_instance_of::<PyFrozenSet>()
    {
        let items = value.try_iter()?.map(|item| self::value(&item?, depth + 1));
        return items.collect::<PyResult<_>>().map(Value::Array);
    }
    if value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>() {
        return value.call_method0("hex")?.extract().map(Value::String);
    }
    // numpy's scalars and arrays, without naming numpy.
    if value.hasattr("tolist")? {
        return self::value(&value.call_method0("tolist")?, depth + 1);
    }
    if value.hasattr("isoformat")? {
        return text(&value.call_method0("isoformat")?).map(Value::String);
    }
    text(value.str()?.as_any()).map(Value::String)
}

/// Integers that JSON's readers would round are written as text.
fn integer(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(number) = value.extract::<i64>() {
        return Ok(Value::from(number));
    }
    match value.extract::<u64>() {
        Ok(number) => Ok(Value::from(number)),
        Err(_) => text(value.str()?.as_any()).map(Value::String),
    }
}

fn fields(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Object> {
    dict.iter().map(|(key, item)| Ok((text(key.str()?.as_any())?, value(&item, depth + 1)?))).collect()
}

/// Text, where half a surrogate pair becomes the character for what is unknown.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(value.cast::<PyString>()?.to_string_lossy().into_owned())
}
