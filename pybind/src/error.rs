//! Engine errors as the exceptions of `velaria.errors`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use velaria::{Error, ErrorCode, ErrorKind};

static CLASSES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// The exception for `error`, with its code, message, hint and position as attributes.
pub(crate) fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error.code() {
        // The contract has a class of its own for it, within the class of its kind.
        ErrorCode::RunActive => "RunDeleteConflictError",
        _ => class_name(error.kind()),
    };
    exception(py, error, class).unwrap_or_else(|failure| failure)
}

/// The exception for an argument of a type that is not accepted; it is a `TypeError` too.
pub(crate) fn wrong_type(py: Python<'_>, message: &str) -> PyErr {
    let error = Error::new(ErrorCode::InvalidArgument, message);
    exception(py, &error, "ArgumentTypeError").unwrap_or_else(|failure| failure)
}

/// Says each of `notices` as a warning.
pub(crate) fn say(py: Python<'_>, notices: &[String]) -> PyResult<()> {
    notices.iter().try_for_each(|notice| warn(py, notice))
}

/// A warning of `velaria.errors`, for the caller's line.
pub(crate) fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    let class = PyModule::import(py, "velaria.errors")?.getattr("Warning")?;
    PyModule::import(py, "warnings")?.getattr("warn")?.call1((message, class)).map(|_| ())
}

fn exception(py: Python<'_>, error: &Error, class: &str) -> PyResult<PyErr> {
    let module = CLASSES.get_or_try_init(py, || PyModule::import(py, "velaria.errors").map(Bound::unbind))?.bind(py);
    let report = error.report();
    let values = PyDict::new(py);
    values.set_item("message", &report.message)?;
    values.set_item("code", &report.code)?;
    values.set_item("hint", &report.hint)?;
    if let Some(place) = &report.position {
        let position = module.getattr("Position")?.call1((place.line, place.column, place.length, &place.text))?;
        values.set_item("position", position)?;
    }
    Ok(PyErr::from_value(module.getattr(class)?.call((report.to_string(),), Some(&values))?))
}

fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Parse => "ParseError",
        ErrorKind::Plan => "PlanError",
        ErrorKind::Unsupported => "UnsupportedError",
        ErrorKind::Catalog => "CatalogError",
        ErrorKind::Usage => "UsageError",
        ErrorKind::Data => "DataError",
        ErrorKind::Constraint => "IntegrityError",
        ErrorKind::FileNotFound => "FileMissingError",
        ErrorKind::Io => "IoError",
        ErrorKind::AccessDenied => "AccessDeniedError",
        ErrorKind::Timeout => "TimeoutError",
        ErrorKind::Resource => "ResourceError",
        ErrorKind::Cancelled => "CancelledError",
        // A kind that this table does not know is the fault of this table.
        _ => "InternalError",
    }
}
