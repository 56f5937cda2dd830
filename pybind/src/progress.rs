//! What a query has read, told to a function of Python.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use velaria::{Progress, ProgressListener};

use crate::exit::visit;
use crate::runtime::end_wait;

/// Who is told by default of the queries of a session: `chosen` is the argument of its constructor.
pub(crate) fn chosen(py: Python<'_>, chosen: Option<&Bound<'_, PyAny>>) -> PyResult<Option<ProgressListener>> {
    // Without a word of anybody the module is not imported.
    if chosen.is_none_or(|chosen| chosen.is_none()) && std::env::var_os("VELARIA_PROGRESS").is_none() {
        return Ok(None);
    }
    let callback = py.import("velaria.progress")?.call_method1("chosen", (chosen,))?;
    Ok((!callback.is_none()).then(|| listener(callback.unbind())))
}

/// A listener that calls `callback` with a `velaria.Progress`. What the callback raises does not end the query; the first
/// time it is logged.
pub(crate) fn listener(callback: Py<PyAny>) -> ProgressListener {
    let failed = AtomicBool::new(false);
    ProgressListener::new(move |progress| {
        // An interpreter that ends has nobody to tell.
        let _ = visit(|py| {
            if let Err(error) = tell(py, &callback, progress) {
                refuse(py, error, &failed);
            }
        });
    })
}

fn tell(py: Python<'_>, callback: &Py<PyAny>, progress: &Progress) -> PyResult<()> {
    let class = py.import("velaria.progress")?.getattr("Progress")?;
    let seconds = progress.elapsed.as_secs_f64();
    let values = (progress.rows, progress.bytes, progress.rows_total, seconds, progress.finished);
    callback.call1(py, (class.call1(values)?,)).map(|_| ())
}

fn refuse(py: Python<'_>, error: PyErr, failed: &AtomicBool) {
    let error = match error.is_instance_of::<PyException>(py) {
        true => error,
        // It is meant for the query: Ctrl-C, or a signal handler that ends the program.
        false => match end_wait(error) {
            Ok(()) => return,
            Err(error) => error,
        },
    };
    if failed.swap(true, Ordering::Relaxed) && error.is_instance_of::<PyException>(py) {
        return;
    }
    if let Err(failure) = log(py, &error) {
        failure.write_unraisable(py, None);
    }
}

fn log(py: Python<'_>, error: &PyErr) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("velaria.progress",))?;
    let keywords = PyDict::new(py);
    keywords.set_item("exc_info", error.value(py))?;
    logger.call_method("error", ("a progress callback failed",), Some(&keywords)).map(|_| ())
}
