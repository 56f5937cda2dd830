//! `velaria.Session`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyTuple};
use velaria::{CsvOptions, Error, ErrorCode, SessionConfig};

use crate::arrow_in;
use crate::dataframe::DataFrame;
use crate::error::{to_py, wrong_type};
use crate::parameters::parameters;
use crate::runtime::{plan, wait};

/// An isolated set of views and tables.
#[pyclass(frozen, module = "velaria")]
pub(crate) struct Session {
    /// `None` once it is closed.
    session: Mutex<Option<velaria::Session>>,
}

impl Session {
    fn open(&self, py: Python<'_>) -> PyResult<velaria::Session> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).clone();
        session.ok_or_else(|| to_py(py, &Error::new(ErrorCode::Closed, "the session is closed")))
    }
}

#[pymethods]
impl Session {
    /// A session with an empty catalog.
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let session = velaria::Session::new(SessionConfig::default()).map_err(|error| to_py(py, &error))?;
        Ok(Self { session: Mutex::new(Some(session)) })
    }

    /// A frame over a CSV file with a header line.
    #[pyo3(signature = (path, delimiter=","))]
    fn read_csv(&self, py: Python<'_>, path: PathBuf, delimiter: &str) -> PyResult<DataFrame> {
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        let options = CsvOptions::default().with_delimiter(delimiter).map_err(|error| to_py(py, &error))?;
        wait(py, async move { session.read_csv(&path, &options).await }).map(DataFrame::new)
    }

    /// A frame over a Parquet file.
    fn read_parquet(&self, py: Python<'_>, path: PathBuf) -> PyResult<DataFrame> {
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        wait(py, async move { session.read_parquet(&path).await }).map(DataFrame::new)
    }

    /// A frame over an NDJSON file: one JSON object a line.
    fn read_json(&self, py: Python<'_>, path: PathBuf) -> PyResult<DataFrame> {
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        wait(py, async move { session.read_json(&path).await }).map(DataFrame::new)
    }

    /// A frame over Arrow data, a dict of columns or a two-dimensional numpy array.
    fn create_dataframe_from_arrow(&self, py: Python<'_>, obj: &Bound<'_, PyAny>) -> PyResult<DataFrame> {
        let session = self.open(py)?;
        let (schema, batches) = arrow_in::table(obj)?;
        let frame = session.create_dataframe_from_arrow(schema, batches).map_err(|error| to_py(py, &error))?;
        Ok(DataFrame::new(frame))
    }

    /// Makes a frame known under a name; a view or table of that name is replaced.
    fn create_temp_view(&self, py: Python<'_>, name: &str, frame: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(frame) = frame.cast::<DataFrame>() else {
            return Err(wrong_type(py, "create_temp_view expects a DataFrame or StreamingDataFrame"));
        };
        self.open(py)?.create_temp_view(name, frame.get().frame()).map_err(|error| to_py(py, &error))
    }

    /// Runs one statement, with values for its parameters.
    #[pyo3(signature = (text, params=None))]
    fn sql(&self, py: Python<'_>, text: &str, params: Option<&Bound<'_, PyAny>>) -> PyResult<DataFrame> {
        let (session, text, parameters) = (self.open(py)?, text.to_owned(), parameters(py, params)?);
        plan(py, async move { session.sql_with(&text, &parameters).await }).map(DataFrame::new)
    }

    /// Forgets the views and tables. Frames that were made keep working.
    fn close(&self) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> &'static str {
        let closed = self.session.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if closed { "<velaria.Session (closed)>" } else { "<velaria.Session>" }
    }
}

fn text_of(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    path.into_os_string().into_string().map_err(|path| {
        to_py(py, &Error::new(ErrorCode::InvalidArgument, format!("path is not valid UTF-8: {}", path.display())))
    })
}
