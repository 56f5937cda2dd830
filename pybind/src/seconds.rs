//! Times from Python: a `timedelta`, or a number of seconds.

use std::time::Duration;

use pyo3::prelude::*;

use crate::error::{to_py, wrong_type};

/// The time that `obj`, the argument `name`, says.
pub(crate) fn seconds(obj: &Bound<'_, PyAny>, name: &str) -> PyResult<Duration> {
    let seconds = match obj.getattr("total_seconds") {
        Ok(total) => total.call0()?.extract::<f64>(),
        Err(_) => obj.extract::<f64>(),
    };
    let Ok(seconds) = seconds else {
        return Err(wrong_type(obj.py(), &format!("{name} expects a number of seconds or a timedelta")));
    };
    velaria::duration_of(seconds).map_err(|error| to_py(obj.py(), &error))
}
