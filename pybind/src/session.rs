//! `velaria.Session`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyInt, PyTuple};
use velaria::{CsvOptions, Error, ErrorCode, Format, ReadOptions, SessionConfig};

use crate::arrow_in;
use crate::dataframe::DataFrame;
use crate::error::{to_py, wrong_type};
use crate::options::{options, with};
use crate::parameters::parameters;
use crate::runtime::{plan, wait};

/// A number of bytes, or a text such as `1GiB` that says one.
struct Bytes(u64);

impl FromPyObject<'_, '_> for Bytes {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = obj.extract::<String>() {
            return velaria::bytes_of(&text).map(Self).map_err(|error| to_py(obj.py(), &error));
        }
        if !obj.is_instance_of::<PyInt>() {
            return Err(wrong_type(obj.py(), "memory_limit expects a number of bytes, or text such as '1GiB'"));
        }
        let message = || Error::new(ErrorCode::InvalidArgument, format!("not a number of bytes: {}", *obj));
        obj.extract().map(Self).map_err(|_| to_py(obj.py(), &message()))
    }
}

/// A time: a `timedelta`, or a number of seconds.
struct Seconds(Duration);

impl FromPyObject<'_, '_> for Seconds {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let seconds = match obj.getattr("total_seconds") {
            Ok(total) => total.call0()?.extract::<f64>(),
            Err(_) => obj.extract::<f64>(),
        };
        let Ok(seconds) = seconds else {
            return Err(wrong_type(obj.py(), "statement_timeout expects a number of seconds or a timedelta"));
        };
        velaria::duration_of(seconds).map(Self).map_err(|error| to_py(obj.py(), &error))
    }
}

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

impl Session {
    fn read_files(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: Option<Format>,
        options: ReadOptions,
    ) -> PyResult<DataFrame> {
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        wait(py, async move { session.read(&path, format, &options).await }).map(DataFrame::new)
    }
}

#[pymethods]
impl Session {
    /// A session with an empty catalog, and with limits.
    #[new]
    #[pyo3(signature = (*, memory_limit=None, threads=None, temp_dir=None, statement_timeout=None, read_only=false,
        allowed_paths=None, allow_local_files=true))]
    fn new(
        py: Python<'_>,
        memory_limit: Option<Bytes>,
        threads: Option<usize>,
        temp_dir: Option<PathBuf>,
        statement_timeout: Option<Seconds>,
        read_only: bool,
        allowed_paths: Option<Vec<PathBuf>>,
        allow_local_files: bool,
    ) -> PyResult<Self> {
        let mut config = SessionConfig::default();
        if let Some(Bytes(bytes)) = memory_limit {
            config = config.with_memory_limit(bytes);
        }
        if let Some(threads) = threads {
            config = config.with_threads(threads);
        }
        if let Some(path) = temp_dir {
            config = config.with_temp_dir(path);
        }
        if let Some(Seconds(timeout)) = statement_timeout {
            config = config.with_statement_timeout(timeout);
        }
        if read_only {
            config = config.with_read_only();
        }
        if let Some(paths) = allowed_paths {
            config = config.with_allowed_paths(paths);
        }
        if !allow_local_files {
            config = config.without_local_files();
        }
        let session = velaria::Session::new(config).map_err(|error| to_py(py, &error))?;
        Ok(Self { session: Mutex::new(Some(session)) })
    }

    /// A frame over a file, a directory, a pattern such as 'data/*.csv', or '-' for standard input.
    #[pyo3(signature = (path, *, format=None, **options))]
    fn read(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: Option<&str>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<DataFrame> {
        let mut options = self::options(py, options)?;
        // A word such as json_array says how as well: the reader takes it apart.
        if let Some(word) = format {
            options = options.with("format", word);
        }
        self.read_files(py, path, None, options)
    }

    /// A frame over CSV files.
    #[pyo3(signature = (path, delimiter=None, **options))]
    fn read_csv(
        &self,
        py: Python<'_>,
        path: PathBuf,
        delimiter: Option<&str>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<DataFrame> {
        let mut options = self::options(py, options)?;
        if let Some(delimiter) = delimiter {
            // For the words of the contract.
            CsvOptions::default().with_delimiter(delimiter).map_err(|error| to_py(py, &error))?;
            options = options.with("delimiter", delimiter);
        }
        self.read_files(py, path, Some(Format::Csv), options)
    }

    /// A frame over Parquet files.
    #[pyo3(signature = (path, **options))]
    fn read_parquet(&self, py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<DataFrame> {
        let options = self::options(py, options)?;
        self.read_files(py, path, Some(Format::Parquet), options)
    }

    /// A frame over Arrow IPC files or streams.
    #[pyo3(signature = (path, **options))]
    fn read_arrow(&self, py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<DataFrame> {
        let options = self::options(py, options)?;
        self.read_files(py, path, Some(Format::Arrow), options)
    }

    /// A frame over JSON files: one object a line, or an array of objects.
    #[pyo3(signature = (path, columns=None, format="auto", **options))]
    fn read_json(
        &self,
        py: Python<'_>,
        path: PathBuf,
        columns: Option<&Bound<'_, PyAny>>,
        format: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<DataFrame> {
        let mut options = self::options(py, options)?.with("format", format);
        if let Some(columns) = columns {
            options = with(py, options, "columns", columns)?;
        }
        self.read_files(py, path, Some(Format::Json), options)
    }

    /// A frame over line files: each line is cut at a text, or taken apart by a regular expression.
    #[pyo3(signature = (path, mappings=None, mode="split", split_delimiter=",", regex_pattern="", skip_empty_lines=true,
        **options))]
    #[expect(clippy::too_many_arguments, reason = "the names of the contract")]
    fn read_line_file(
        &self,
        py: Python<'_>,
        path: PathBuf,
        mappings: Option<&Bound<'_, PyAny>>,
        mode: &str,
        split_delimiter: &str,
        regex_pattern: &str,
        skip_empty_lines: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<DataFrame> {
        let mut options = self::options(py, options)?.with("mode", mode);
        options = options.with("split_delimiter", split_delimiter).with("regex_pattern", regex_pattern);
        options = options.with("skip_empty_lines", if skip_empty_lines { "true" } else { "false" });
        if let Some(mappings) = mappings {
            options = with(py, options, "mappings", mappings)?;
        }
        self.read_files(py, path, Some(Format::Line), options)
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

    /// Ends the statements of this session that other threads run now.
    fn interrupt(&self, py: Python<'_>) -> PyResult<()> {
        self.open(py)?.interrupt();
        Ok(())
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

/// A path as text.
pub(crate) fn text_of(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    path.into_os_string().into_string().map_err(|path| {
        to_py(py, &Error::new(ErrorCode::InvalidArgument, format!("path is not valid UTF-8: {}", path.display())))
    })
}
