//! Python keywords as the options of readers.
//!
//! A keyword is what its value says as text: a number, `true`, a text; a list or dict is JSON. `None` is as if the keyword was
//! not there.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use velaria::ReadOptions;

use crate::error::wrong_type;

/// The options in `keywords`.
pub(crate) fn options(py: Python<'_>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<ReadOptions> {
    let mut options = ReadOptions::new();
    for (key, value) in keywords.into_iter().flatten() {
        options = with(py, options, &key.extract::<String>()?, &value)?;
    }
    Ok(options)
}

/// `options` and one more, unless its value is `None`.
pub(crate) fn with(py: Python<'_>, options: ReadOptions, key: &str, value: &Bound<'_, PyAny>) -> PyResult<ReadOptions> {
    if value.is_none() {
        return Ok(options);
    }
    Ok(options.with(key, text(py, key, value)?))
}

fn text(py: Python<'_>, key: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    // Before numbers: a bool is an int.
    if value.is_instance_of::<PyBool>() {
        return Ok(if value.is_truthy()? { "true" } else { "false" }.to_owned());
    }
    if value.is_instance_of::<PyString>() {
        return value.extract();
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        return value.str()?.extract();
    }
    let json = py.import("json")?.call_method1("dumps", (value,));
    match json {
        Ok(json) => json.extract(),
        Err(_) => Err(wrong_type(py, &format!("option {key} expects text, a number, a bool, a list or a dict"))),
    }
}
