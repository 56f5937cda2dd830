//! Python values as parameters of a statement: a list or tuple for `?` and `$1`, a dict for `:name`.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDate, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyList, PyString, PyTime, PyTuple,
};
use velaria::{Error, ErrorCode, Parameter, Parameters};

use crate::error::{to_py, wrong_type};

/// The parameters in `values`; `None` means that there are none.
pub(crate) fn parameters(py: Python<'_>, values: Option<&Bound<'_, PyAny>>) -> PyResult<Parameters> {
    let Some(values) = values else { return Ok(Parameters::None) };
    if let Ok(values) = values.cast::<PyDict>() {
        return named(py, values);
    }
    if values.cast::<PyList>().is_ok() || values.cast::<PyTuple>().is_ok() {
        return Ok(Parameters::Positional(items(py, values)?));
    }
    Err(wrong_type(py, "params must be a list, a tuple or a dict"))
}

fn named(py: Python<'_>, values: &Bound<'_, PyDict>) -> PyResult<Parameters> {
    let mut named = BTreeMap::new();
    for (name, value) in values {
        let Ok(name) = name.extract::<String>() else { return Err(wrong_type(py, "names of params must be text")) };
        named.insert(name, parameter(py, &value)?);
    }
    Ok(Parameters::Named(named))
}

fn items(py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<Vec<Parameter>> {
    values.try_iter()?.map(|value| parameter(py, &value?)).collect()
}

/// One value.
pub(crate) fn parameter(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Parameter> {
    if value.is_none() {
        return Ok(Parameter::Null);
    }
    // Before numbers and dates: a bool is an int, and a datetime is a date.
    if value.is_instance_of::<PyBool>() {
        return value.extract().map(Parameter::Boolean);
    }
    if value.is_instance_of::<PyInt>() {
        return integer(py, value);
    }
    if value.is_instance_of::<PyFloat>() {
        return value.extract().map(Parameter::Float);
    }
    if value.is_instance_of::<PyString>() {
        return value.extract().map(Parameter::Text);
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Parameter::Bytes(bytes.as_bytes().to_vec()));
    }
    if value.is_instance_of::<PyDateTime>() {
        let text = iso(value)?;
        let zoned = !value.getattr("tzinfo")?.is_none();
        return Ok(if zoned { Parameter::TimestampWithZone(text) } else { Parameter::Timestamp(text) });
    }
    if value.is_instance_of::<PyDate>() {
        return iso(value).map(Parameter::Date);
    }
    if value.is_instance_of::<PyTime>() {
        return iso(value).map(Parameter::Time);
    }
    other(py, value)
}

fn other(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Parameter> {
    if value.is_instance_of::<PyDelta>() {
        return duration(py, value);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return items(py, value).map(Parameter::List);
    }
    let class = value.get_type();
    if class.name()?.to_cow()? == "Decimal" && class.module()?.to_cow()? == "decimal" {
        // Without an exponent: Decimal('1E+2') is written 100.
        return value.call_method1("__format__", ("f",))?.extract().map(Parameter::Decimal);
    }
    Err(wrong_type(py, &format!("a value of type {} cannot be a parameter", class.name()?)))
}

fn integer(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Parameter> {
    match value.extract::<i64>() {
        Ok(number) => Ok(Parameter::Integer(number)),
        // Beyond 64 bits only a decimal holds it exactly.
        Err(_) => value.str()?.extract().map(Parameter::Decimal).map_err(|_: PyErr| too_large(py)),
    }
}

fn duration(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Parameter> {
    let part = |name| value.getattr(name)?.extract::<i64>();
    let (days, seconds, micros) = (part("days")?, part("seconds")?, part("microseconds")?);
    let total = days
        .checked_mul(86_400)
        .and_then(|total| total.checked_add(seconds))
        .and_then(|total| total.checked_mul(1_000_000))
        .and_then(|total| total.checked_add(micros));
    total.map(Parameter::Duration).ok_or_else(|| too_large(py))
}

fn iso(value: &Bound<'_, PyAny>) -> PyResult<String> {
    value.call_method0("isoformat")?.extract()
}

fn too_large(py: Python<'_>) -> PyErr {
    to_py(py, &Error::new(ErrorCode::InvalidArgument, "a parameter is too large for any SQL type"))
}
