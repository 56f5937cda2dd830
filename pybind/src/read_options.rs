//! Keywords of Python as options of readers.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use velaria::ReadOptions;

/// The options in `keywords`: text as it is, `None` as empty text, everything else as JSON.
pub(crate) fn read_options(py: Python<'_>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<ReadOptions> {
    let mut options = ReadOptions::new();
    for (name, value) in keywords.into_iter().flatten() {
        options = options.with(&name.extract::<String>()?, text(py, &value)?);
    }
    Ok(options)
}

fn text(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if value.is_none() {
        return Ok(String::new());
    }
    if value.is_instance_of::<PyString>() {
        return value.extract();
    }
    if value.is_instance_of::<PyBool>() {
        return Ok(value.extract::<bool>()?.to_string());
    }
    py.import("json")?.call_method1("dumps", (value,))?.extract()
}
