//! Engine errors as the exceptions of `velaria.errors`, and exceptions of the program as engine errors.

use std::error::Error as StdError;
use std::fmt;

use pyo3::exceptions::PyBaseException;
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

/// The exception for `error` as the class of that name in `velaria.errors`.
pub(crate) fn to_py_as(py: Python<'_>, error: &Error, class: &str) -> PyErr {
    exception(py, error, class).unwrap_or_else(|failure| failure)
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
    let raised = PyErr::from_value(module.getattr(class)?.call((report.to_string(),), Some(&values))?);
    if let Some(Raised(cause)) = error.source().and_then(|source| source.downcast_ref()) {
        raised.set_cause(py, Some(PyErr::from_value(cause.bind(py).clone().into_any())));
    }
    Ok(raised)
}

/// An exception on its way through the engine: the `__cause__` of what comes out.
struct Raised(Py<PyBaseException>);

impl fmt::Debug for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Raised").finish()
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exception of the program")
    }
}

impl StdError for Raised {}

/// The engine error for an exception that `who` of the program raised.
fn caused_by(py: Python<'_>, who: &str, raised: PyErr) -> Error {
    let name = raised.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    let text = raised.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    let words = if text.is_empty() { name } else { format!("{name}: {text}") };
    Error::new(ErrorCode::CallerFailed, format!("{who} raised {words}"))
        .with_hint("the exception is the __cause__ of this error")
        .with_source(Raised(raised.into_value(py)))
}

/// The engine error for an exception that `who` raised; one that came out of the engine goes back in as what it was.
pub(crate) fn to_engine(py: Python<'_>, who: &str, raised: PyErr) -> Error {
    let value = raised.value(py);
    let text = |name: &str| value.getattr(name).and_then(|text| text.extract::<String>()).ok();
    let code = text("code").and_then(|code| ErrorCode::ALL.iter().find(|known| known.as_str() == code));
    let (Some(code), Some(message)) = (code, text("message")) else {
        return caused_by(py, who, raised);
    };
    let error = Error::new(*code, message);
    let error = match text("hint") {
        Some(hint) => error.with_hint(hint),
        None => error,
    };
    error.with_source(Raised(raised.into_value(py)))
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
        ErrorKind::Remote => "RemoteError",
        ErrorKind::Timeout => "TimeoutError",
        ErrorKind::Resource => "ResourceError",
        ErrorKind::Cancelled => "CancelledError",
        // A kind that this table does not know is the fault of this table.
        _ => "InternalError",
    }
}
