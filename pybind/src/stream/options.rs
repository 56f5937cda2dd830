//! Python keywords as the options of stream queries.
//!
//! Every value becomes the text that SQL would give, so that one place says what an option may be.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};
use velaria::{Error, ErrorCode, STREAM_OPTIONS, StreamOptions};

use crate::error::{to_py, wrong_type};

/// A folder as text; a path object is one too.
#[derive(Default)]
pub(crate) struct CheckpointPath(String);

impl FromPyObject<'_, '_> for CheckpointPath {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        path_text(&obj)?.map(Self).ok_or_else(|| wrong_type(obj.py(), "checkpoint_path expects text or a path"))
    }
}

/// The options that may be given without their names, in the order of the contract.
#[derive(Default)]
pub(crate) struct Contract<'a> {
    pub(crate) trigger_interval_ms: i64,
    pub(crate) checkpoint_path: CheckpointPath,
    pub(crate) checkpoint_delivery_mode: Option<&'a str>,
    pub(crate) execution_mode: Option<&'a str>,
    pub(crate) local_workers: Option<i64>,
    pub(crate) max_inflight_partitions: Option<i64>,
}

impl Contract<'_> {
    /// These options and the keywords in `more`.
    pub(crate) fn with(&self, py: Python<'_>, more: Option<&Bound<'_, PyDict>>) -> PyResult<StreamOptions> {
        let mut options = named(py, more)?;
        self.set(&mut options).map_err(|error| to_py(py, &error))?;
        Ok(options)
    }

    fn set(&self, options: &mut StreamOptions) -> velaria::Result<()> {
        options.set("trigger_interval_ms", &self.trigger_interval_ms.to_string())?;
        options.set("checkpoint_path", &self.checkpoint_path.0)?;
        set_text(options, "checkpoint_delivery_mode", self.checkpoint_delivery_mode)?;
        set_text(options, "execution_mode", self.execution_mode)?;
        set_text(options, "local_workers", self.local_workers.map(|number| number.to_string()).as_deref())?;
        let partitions = self.max_inflight_partitions.map(|number| number.to_string());
        set_text(options, "max_inflight_partitions", partitions.as_deref())
    }
}

fn set_text(options: &mut StreamOptions, name: &str, text: Option<&str>) -> velaria::Result<()> {
    text.map_or(Ok(()), |text| options.set(name, text))
}

/// The options in `keywords`; `None` is as if the keyword was not there.
pub(crate) fn named(py: Python<'_>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<StreamOptions> {
    let mut options = StreamOptions::default();
    for (name, value) in keywords.into_iter().flatten() {
        let name: String = name.extract()?;
        if !STREAM_OPTIONS.iter().any(|entry| entry.name == name) {
            return Err(wrong_type(py, &format!("got an unexpected keyword argument '{name}'")));
        }
        if !value.is_none() {
            options.set(&name, &text(&name, &value)?).map_err(|error| to_py(py, &error))?;
        }
    }
    Ok(options)
}

fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    // Before numbers: a bool is an int.
    if value.is_instance_of::<PyBool>() {
        return Ok(if value.is_truthy()? { "true" } else { "false" }.to_owned());
    }
    if value.is_instance_of::<PyInt>() {
        return value.str()?.extract();
    }
    path_text(value)?
        .ok_or_else(|| wrong_type(value.py(), &format!("option {name} expects text, a whole number or a bool")))
}

/// Text, or the text of a path object.
fn path_text(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_instance_of::<PyString>() {
        return value.extract().map(Some);
    }
    match value.hasattr("__fspath__")? {
        true => value.call_method0("__fspath__")?.extract().map(Some),
        false => Ok(None),
    }
}

/// A number that cannot be negative.
pub(crate) fn count(py: Python<'_>, name: &str, value: i64) -> PyResult<u64> {
    u64::try_from(value).map_err(|_| {
        let error = Error::new(ErrorCode::InvalidArgument, format!("{name} must be a whole number from 0 on"));
        to_py(py, &error.with_hint(format!("found '{value}'")))
    })
}
