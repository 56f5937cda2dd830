//! Names of columns from Python.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::wrong_type;

/// The names in `value`, the argument `argument`. A bare text is a sequence of its letters to Python, which nobody means.
pub(crate) fn names(argument: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let py = value.py();
    let refused = || wrong_type(py, &format!("{argument} must be a sequence of strings"));
    if value.is_instance_of::<PyString>() {
        return Err(refused());
    }
    value
        .try_iter()
        .map_err(|_| refused())?
        .map(|name| name?.extract().map_err(|_| wrong_type(py, &format!("{argument} must contain only strings"))))
        .collect()
}
