//! Options of readers: keyword arguments as the words that every surface has.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};
use velaria::ReadOptions;

use crate::error::wrong_type;

/// The options that were given; `None` is as good as nothing.
pub(crate) fn read_options(py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<ReadOptions> {
    let mut options = ReadOptions::new();
    for (key, value) in given.into_iter().flatten() {
        if !value.is_none() {
            let key: String = key.extract()?;
            let text = word(py, &key, &value)?;
            options = options.with(&key, text);
        }
    }
    Ok(options)
}

/// A text or number as it is; true and false; lists and dicts as JSON.
fn word(py: Python<'_>, key: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(flag.is_true().to_string());
    }
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyInt>() {
        return Ok(value.str()?.to_string());
    }
    let json = PyModule::import(py, "json")?.getattr("dumps")?.call1((value,)).and_then(|text| text.extract());
    json.map_err(|_| wrong_type(py, &format!("option {key} expects a text, a number, a truth value, a list or a dict")))
}
