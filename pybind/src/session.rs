//! `velaria.Session`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyInt, PyTuple};
use velaria::{
    CsvOptions, DataFormat, Error, ErrorCode, ExcelFrame, Format, ReadOptions, SessionConfig, SourceOptions,
};

use crate::arrow_in;
use crate::dataframe::DataFrame;
use crate::error::{say, to_py, warn, wrong_type};
use crate::interrupts;
use crate::job;
use crate::options::{options, with};
use crate::parameters::parameters;
use crate::progress;
use crate::runtime::{plan, wait};
use crate::seconds::seconds;
use crate::stream::{
    CheckpointPath, Contract, Emit, RealtimeStreamSink, RealtimeStreamSource, StreamingDataFrame, StreamingQuery,
    declared_schema, named, sink_table, source_table,
};
use crate::variables::{self, Asked, Scan};
use crate::vector::{Arguments, Threshold, TopK, Words};

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

/// What a caller says about the cache of a source.
struct Cache<'a> {
    wanted: bool,
    dir: Option<PathBuf>,
    format: Option<&'a str>,
}

impl Cache<'_> {
    /// With what the environment says; one of the three is enough to ask for a cache.
    fn options(self, rows_in_memory: bool) -> Result<SourceOptions, Error> {
        let mut options = SourceOptions::from_environment()?;
        let format = self.format.map(named_format).transpose()?;
        if self.wanted || self.dir.is_some() || format.is_some() {
            options = options.with_materialization(self.dir, format)?;
        }
        Ok(if rows_in_memory { options.with_rows_in_memory() } else { options })
    }
}

fn named_format(word: &str) -> Result<DataFormat, Error> {
    DataFormat::named(word).ok_or_else(|| {
        Error::new(ErrorCode::InvalidArgument, format!("unknown materialization_format: {word}"))
            .with_hint("there are binary_row_batch, nanoarrow_ipc, arrow and parquet")
    })
}

/// An isolated set of views and tables.
///
///     >>> import velaria
///     >>> session = velaria.Session()
///     >>> people = session.create_dataframe_from_arrow({"name": ["ada", "bo"], "age": [36, 41]})
///     >>> session.create_temp_view("people", people)
///     >>> session.sql("SELECT name FROM people WHERE age > 40").fetchall()
///     [('bo',)]
#[pyclass(frozen, module = "velaria")]
pub(crate) struct Session {
    /// `None` once it is closed.
    session: Mutex<Option<velaria::Session>>,
    scan: Scan,
}

impl Session {
    pub(crate) fn open(&self, py: Python<'_>) -> PyResult<velaria::Session> {
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
        let frame = wait(py, async move { session.read(&path, format, &options).await })?;
        say(py, &frame.take_notices())?;
        Ok(DataFrame::new(frame))
    }
}

#[pymethods]
impl Session {
    /// A session with an empty catalog, and with limits.
    #[new]
    #[pyo3(signature = (*, memory_limit=None, threads=None, temp_dir=None, statement_timeout=None, read_only=false,
        allowed_paths=None, allow_local_files=true, allow_python_scan=true, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of the constructor")]
    fn new(
        py: Python<'_>,
        memory_limit: Option<Bytes>,
        threads: Option<usize>,
        temp_dir: Option<PathBuf>,
        statement_timeout: Option<&Bound<'_, PyAny>>,
        read_only: bool,
        allowed_paths: Option<Vec<PathBuf>>,
        allow_local_files: bool,
        allow_python_scan: bool,
        progress: Option<&Bound<'_, PyAny>>,
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
        if let Some(timeout) = statement_timeout {
            config = config.with_statement_timeout(seconds(timeout, "statement_timeout")?);
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
        session.set_progress_listener(progress::chosen(py, progress)?);
        interrupts::prepare(py);
        let scan = if allow_python_scan { Scan::Caller } else { Scan::Off };
        Ok(Self { session: Mutex::new(Some(session)), scan })
    }

    /// A frame over a file, a directory, a pattern such as 'data/*.csv', or '-' for standard input.
    ///
    ///     >>> people.write_parquet("people.parquet")
    ///     2
    ///     >>> session.read("people.parquet").columns
    ///     ['name', 'age']
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
    ///
    ///     >>> people.write_csv("people.csv", delimiter=";")
    ///     2
    ///     >>> session.read_csv("people.csv", delimiter=";").fetchall()
    ///     [('ada', 36), ('bo', 41)]
    #[pyo3(signature = (path, delimiter=None, materialization=false, materialization_dir=None, materialization_format=None,
        cache_in_memory=false, **options))]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn read_csv(
        &self,
        py: Python<'_>,
        path: PathBuf,
        delimiter: Option<&str>,
        materialization: bool,
        materialization_dir: Option<PathBuf>,
        materialization_format: Option<&str>,
        cache_in_memory: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<DataFrame> {
        let mut options = self::options(py, options)?;
        if let Some(delimiter) = delimiter {
            // For the words of the contract.
            CsvOptions::default().with_delimiter(delimiter).map_err(|error| to_py(py, &error))?;
            options = options.with("delimiter", delimiter);
        }
        let cache = Cache { wanted: materialization, dir: materialization_dir, format: materialization_format };
        let source = cache.options(cache_in_memory).map_err(|error| to_py(py, &error))?;
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        let frame = wait(py, async move { session.read_with(&path, Some(Format::Csv), &options, &source).await })?;
        say(py, &frame.take_notices())?;
        Ok(DataFrame::new(frame))
    }

    /// A frame over Parquet files.
    ///
    ///     >>> people.write_parquet("people.parquet")
    ///     2
    ///     >>> session.read_parquet("people.parquet").count()
    ///     2
    #[pyo3(signature = (path, **options))]
    fn read_parquet(&self, py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<DataFrame> {
        let options = self::options(py, options)?;
        self.read_files(py, path, Some(Format::Parquet), options)
    }

    /// A frame over Arrow IPC files or streams.
    ///
    ///     >>> people.write_arrow("people.arrow")
    ///     2
    ///     >>> session.read_arrow("people.arrow").count()
    ///     2
    #[pyo3(signature = (path, **options))]
    fn read_arrow(&self, py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<DataFrame> {
        let options = self::options(py, options)?;
        self.read_files(py, path, Some(Format::Arrow), options)
    }

    /// A frame over JSON files: one object a line, or an array of objects.
    ///
    ///     >>> people.write_ndjson("people.ndjson")
    ///     2
    ///     >>> session.read_json("people.ndjson", columns=["age"]).fetchall()
    ///     [(36,), (41,)]
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
    ///
    ///     >>> with open("app.log", "w") as log:
    ///     ...     _ = log.write("WARN disk is full\nINFO started\n")
    ///     >>> lines = session.read_line_file("app.log", mode="regex", regex_pattern="(?P<level>[A-Z]+) (?P<text>.*)")
    ///     >>> lines.fetchall()
    ///     [('WARN', 'disk is full'), ('INFO', 'started')]
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

    /// What a file is and how to read it, as a dict. Options of CSV that are known are keywords.
    ///
    ///     >>> people.write_csv("people.csv", delimiter=";")
    ///     2
    ///     >>> found = session.probe("people.csv")
    ///     >>> found["kind"], found["delimiter"], found["schema"]
    ///     ('csv', ';', ['name', 'age'])
    #[pyo3(signature = (path, **options))]
    fn probe<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (session, path, options) = (self.open(py)?, text_of(py, path)?, self::options(py, options)?);
        let document = wait(py, async move { velaria::json::to_line(&session.probe(&path, &options)?) })?;
        py.import("json")?.call_method1("loads", (document,))
    }

    /// A frame over one sheet of a workbook; a dict of them, by name, for `sheet="*"`.
    ///
    ///     >>> session.sql("COPY people TO 'people.xlsx'").count()
    ///     1
    ///     >>> session.read_excel("people.xlsx", sheet=0, range="A:A").fetchall()
    ///     [('ada',), ('bo',)]
    #[pyo3(signature = (path, **options))]
    fn read_excel<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (session, path, options) = (self.open(py)?, text_of(py, path)?, self::options(py, options)?);
        if options.text("sheet") != Some("*") {
            let read = wait(py, async move { session.read_excel(&path, &options).await })?;
            return excel_frame(py, read)?.into_bound_py_any(py);
        }
        let sheets = wait(py, async move { session.read_excel_sheets(&path, &options).await })?;
        let frames = PyDict::new(py);
        for sheet in sheets {
            frames.set_item(sheet.name.clone(), excel_frame(py, sheet)?)?;
        }
        Ok(frames.into_any())
    }

    /// The names of the sheets of a workbook, hidden ones included.
    ///
    ///     >>> session.sql("COPY people TO 'people.xlsx'").count()
    ///     1
    ///     >>> session.excel_sheets("people.xlsx")
    ///     ['Sheet1']
    fn excel_sheets(&self, py: Python<'_>, path: PathBuf) -> PyResult<Vec<String>> {
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        let sheets = wait(py, async move { session.excel_sheets(&path).await })?;
        Ok(sheets.into_iter().map(|sheet| sheet.name).collect())
    }

    /// A frame over Arrow data, a dict of columns or a two-dimensional numpy array.
    ///
    ///     >>> session.create_dataframe_from_arrow({"id": [1, 2], "tags": [["a"], None]}).fetchall()
    ///     [(1, ['a']), (2, None)]
    fn create_dataframe_from_arrow(&self, py: Python<'_>, obj: &Bound<'_, PyAny>) -> PyResult<DataFrame> {
        let session = self.open(py)?;
        let (schema, batches) = arrow_in::table(obj)?;
        let frame = session.create_dataframe_from_arrow(schema, batches).map_err(|error| to_py(py, &error))?;
        Ok(DataFrame::new(frame))
    }

    /// A frame over a stream of Arrow data, which is pulled batch by batch while the frame runs. It can run once.
    ///
    ///     >>> session.read_arrow_stream(people).fetchall()
    ///     [('ada', 36), ('bo', 41)]
    fn read_arrow_stream(&self, py: Python<'_>, obj: &Bound<'_, PyAny>) -> PyResult<DataFrame> {
        let session = self.open(py)?;
        let (schema, batches) = arrow_in::batches(obj)?;
        session.read_batches_once(schema, batches).map(DataFrame::new).map_err(|error| to_py(py, &error))
    }

    /// Makes a frame known under a name; a view or table of that name is replaced.
    ///
    ///     >>> session.create_temp_view("adults", session.sql("SELECT * FROM people WHERE age >= 40"))
    ///     >>> session.sql("SELECT COUNT(*) FROM adults").fetchall()
    ///     [(1,)]
    fn create_temp_view(&self, py: Python<'_>, name: &str, frame: &Bound<'_, PyAny>) -> PyResult<()> {
        let session = self.open(py)?;
        let made = if let Ok(frame) = frame.cast::<DataFrame>() {
            session.create_temp_view(name, frame.get().frame())
        } else if let Ok(frame) = frame.cast::<StreamingDataFrame>() {
            session.create_stream_view(name, frame.get().frame())
        } else {
            return Err(wrong_type(py, "create_temp_view expects a DataFrame or StreamingDataFrame"));
        };
        made.map_err(|error| to_py(py, &error))
    }

    /// A stream over Arrow data: each of its batches is one micro-batch.
    ///
    ///     >>> stream = session.create_stream_from_arrow([{"id": [1, 2]}, {"id": [3]}])
    ///     >>> stream.columns
    ///     ['id']
    fn create_stream_from_arrow(&self, py: Python<'_>, obj: &Bound<'_, PyAny>) -> PyResult<StreamingDataFrame> {
        let session = self.open(py)?;
        let (schema, batches) = arrow_in::table(obj)?;
        let frame = session.create_stream_from_arrow(schema, batches).map_err(|error| to_py(py, &error))?;
        Ok(StreamingDataFrame::new(frame))
    }

    /// A stream over the CSV files of a folder, those that are there and those that will come.
    ///
    ///     >>> import os
    ///     >>> os.mkdir("incoming")
    ///     >>> people.write_csv("incoming/1.csv")
    ///     2
    ///     >>> session.read_stream_csv_dir("incoming").columns
    ///     ['name', 'age']
    #[pyo3(signature = (path, delimiter=",", **options))]
    fn read_stream_csv_dir(
        &self,
        py: Python<'_>,
        path: PathBuf,
        delimiter: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StreamingDataFrame> {
        // For the words of the contract.
        CsvOptions::default().with_delimiter(delimiter).map_err(|error| to_py(py, &error))?;
        let options = self::options(py, options)?.with("delimiter", delimiter);
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        plan(py, async move { session.read_stream_csv_dir(&path, &options) }).map(StreamingDataFrame::new)
    }

    /// A stream over the files of a folder. `columns` is an Arrow schema, or a dict or pairs of names and SQL types; without
    /// it the columns are those of the first file.
    ///
    ///     >>> import os
    ///     >>> os.mkdir("incoming")
    ///     >>> session.read_stream("incoming", "json", columns={"id": "BIGINT", "name": "STRING"}).columns
    ///     ['id', 'name']
    #[pyo3(signature = (path, format="csv", columns=None, **options))]
    fn read_stream(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: &str,
        columns: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StreamingDataFrame> {
        let options = self::options(py, options)?;
        let (session, path) = (self.open(py)?, text_of(py, path)?);
        let format = Format::named(format).map_err(|error| to_py(py, &error))?;
        let columns = columns.map(|columns| declared_schema(&session, columns)).transpose()?;
        let frame = plan(py, async move { session.read_stream(&path, Some(format), &options, columns.as_ref()) })?;
        Ok(StreamingDataFrame::new(frame))
    }

    /// The stream that a SELECT over streams makes.
    ///
    ///     >>> session.create_temp_view("events", session.create_stream_from_arrow({"key": ["a"], "value": [1]}))
    ///     >>> session.stream_sql("SELECT key, COUNT(*) AS n FROM events GROUP BY key").columns
    ///     ['key', 'n']
    #[pyo3(signature = (text, **options))]
    fn stream_sql(
        &self,
        py: Python<'_>,
        text: &str,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StreamingDataFrame> {
        let (session, text, options) = (self.open(py)?, text.to_owned(), named(py, options)?);
        plan(py, async move { session.stream_sql(&text, &options).await }).map(StreamingDataFrame::new)
    }

    /// What a stream query would do, in the sections `logical`, `physical` and `strategy`. Nothing runs.
    ///
    ///     >>> session.create_temp_view("events", session.create_stream_from_arrow({"key": ["a"], "value": [1]}))
    ///     >>> print(session.explain_stream_sql("SELECT key FROM events WHERE value > 0").split("physical")[0], end="")
    ///     logical
    ///     source=events
    ///     1. Scan source=events
    ///     2. Filter column=value op=>
    ///     3. Project columns=[key]
    #[pyo3(signature = (sql, trigger_interval_ms=1000, checkpoint_path=CheckpointPath::default(),
        checkpoint_delivery_mode="at-least-once", execution_mode="single-process", local_workers=1,
        max_inflight_partitions=0, **options))]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn explain_stream_sql(
        &self,
        py: Python<'_>,
        sql: &str,
        trigger_interval_ms: i64,
        checkpoint_path: CheckpointPath,
        checkpoint_delivery_mode: &str,
        execution_mode: &str,
        local_workers: i64,
        max_inflight_partitions: i64,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<String> {
        let contract = Contract {
            trigger_interval_ms,
            checkpoint_path,
            checkpoint_delivery_mode: Some(checkpoint_delivery_mode),
            execution_mode: Some(execution_mode),
            local_workers: Some(local_workers),
            max_inflight_partitions: Some(max_inflight_partitions),
        };
        let (session, sql, options) = (self.open(py)?, sql.to_owned(), contract.with(py, options)?);
        let explain = plan(py, async move { session.explain_stream_sql(&sql, &options).await })?;
        Ok(explain.to_string())
    }

    /// Starts the query of an `INSERT INTO` a sink.
    ///
    ///     >>> session.create_temp_view("events", session.create_stream_from_arrow({"key": ["a", "b"], "value": [1, 2]}))
    ///     >>> session.sql("CREATE SINK TABLE kept (key STRING) USING csv OPTIONS (path 'kept.csv')").count()
    ///     1
    ///     >>> query = session.start_stream_sql("INSERT INTO kept SELECT key FROM events WHERE value > 1")
    ///     >>> query.await_termination()
    ///     1
    ///     >>> session.read_csv("kept.csv").fetchall()
    ///     [('b',)]
    #[pyo3(signature = (sql, trigger_interval_ms=1000, checkpoint_path=CheckpointPath::default(),
        checkpoint_delivery_mode="at-least-once", execution_mode="single-process", local_workers=1,
        max_inflight_partitions=0, **options))]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn start_stream_sql(
        &self,
        py: Python<'_>,
        sql: &str,
        trigger_interval_ms: i64,
        checkpoint_path: CheckpointPath,
        checkpoint_delivery_mode: &str,
        execution_mode: &str,
        local_workers: i64,
        max_inflight_partitions: i64,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StreamingQuery> {
        let contract = Contract {
            trigger_interval_ms,
            checkpoint_path,
            checkpoint_delivery_mode: Some(checkpoint_delivery_mode),
            execution_mode: Some(execution_mode),
            local_workers: Some(local_workers),
            max_inflight_partitions: Some(max_inflight_partitions),
        };
        let (session, sql, options) = (self.open(py)?, sql.to_owned(), contract.with(py, options)?);
        plan(py, async move { session.start_stream_sql(&sql, &options).await }).map(StreamingQuery::new)
    }

    /// A queue that the program feeds. `columns` is an Arrow schema, or a dict or pairs of names and SQL types.
    ///
    ///     >>> source = session.create_realtime_stream_source({"key": "STRING", "value": "BIGINT"})
    ///     >>> source.push_rows([{"key": "a", "value": 1}])
    ///     >>> source.close()
    fn create_realtime_stream_source(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyAny>,
    ) -> PyResult<RealtimeStreamSource> {
        let session = self.open(py)?;
        let schema = declared_schema(&session, columns)?;
        let source = session.create_realtime_stream_source(Arc::clone(&schema));
        Ok(RealtimeStreamSource::new(source, schema))
    }

    /// The stream of what is pushed into a source.
    ///
    ///     >>> source = session.create_realtime_stream_source({"key": "STRING", "value": "BIGINT"})
    ///     >>> session.read_realtime_stream_source(source).columns
    ///     ['key', 'value']
    fn read_realtime_stream_source(&self, py: Python<'_>, source: &Bound<'_, PyAny>) -> PyResult<StreamingDataFrame> {
        let Ok(source) = source.cast::<RealtimeStreamSource>() else {
            return Err(wrong_type(py, "source must be a RealtimeStreamSource"));
        };
        let frame = self.open(py)?.read_realtime_stream_source(source.get().source());
        frame.map(StreamingDataFrame::new).map_err(|error| to_py(py, &error))
    }

    /// The stream of what a program gives: rows, which are dicts or sequences, or Arrow data, from anything that Python can iterate
    /// over. `schema` is an Arrow schema, or a dict or pairs of names and SQL types; without it the first rows say the columns.
    ///
    /// >>> import velaria
    /// >>> velaria.Session().read_custom_stream([("ada", 9.5)], {"name": "STRING", "score": "DOUBLE"}).columns
    /// ['name', 'score']
    #[pyo3(signature = (source, schema=None, *, emit_interval_seconds=1.0, emit_rows=1024, bounded=None))]
    fn read_custom_stream(
        &self,
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        schema: Option<&Bound<'_, PyAny>>,
        emit_interval_seconds: f64,
        emit_rows: i64,
        bounded: Option<bool>,
    ) -> PyResult<StreamingDataFrame> {
        let session = self.open(py)?;
        let declared = schema.map(|columns| declared_schema(&session, columns)).transpose()?;
        let emit = Emit { interval_seconds: emit_interval_seconds, rows: emit_rows };
        let table = Arc::new(source_table(source, declared, &emit, bounded)?);
        let frame = session.read_stream_table("custom", table);
        frame.map(StreamingDataFrame::new).map_err(|error| to_py(py, &error))
    }

    /// Makes a sink known under a name that is new, for `INSERT INTO`: a `RealtimeStreamSink`, or what `write_stream_custom` takes.
    ///
    ///     >>> sink = session.create_realtime_stream_sink()
    ///     >>> session.create_stream_sink("totals", sink)
    fn create_stream_sink(&self, py: Python<'_>, name: &str, sink: &Bound<'_, PyAny>) -> PyResult<()> {
        self.open(py)?.create_stream_sink(name, sink_table(sink)?).map_err(|error| to_py(py, &error))
    }

    /// A queue that a query fills.
    ///
    ///     >>> sink = session.create_realtime_stream_sink()
    ///     >>> stream = session.create_stream_from_arrow({"id": [1, 2]})
    ///     >>> stream.write_stream_queue_sink(sink).await_termination()
    ///     1
    ///     >>> sink.poll().fetchall()
    ///     [(1,), (2,)]
    fn create_realtime_stream_sink(&self, py: Python<'_>) -> PyResult<RealtimeStreamSink> {
        let session = self.open(py)?;
        let sink = session.create_realtime_stream_sink();
        Ok(RealtimeStreamSink::new(session, sink))
    }

    /// Runs one statement, with values for its parameters; names that the session does not have are variables of the
    /// caller.
    ///
    ///     >>> session.sql("SELECT name FROM people WHERE age > ?", [40]).fetchall()
    ///     [('bo',)]
    ///     >>> session.sql("SELECT name FROM people WHERE name = :name", {"name": "ada"}).fetchall()
    ///     [('ada',)]
    #[pyo3(signature = (text, params=None))]
    fn sql(&self, py: Python<'_>, text: &str, params: Option<&Bound<'_, PyAny>>) -> PyResult<DataFrame> {
        variables::sql(py, self.open(py)?, text, parameters(py, params)?, self.scan, Asked::Run)
    }

    /// What a query will do, in the sections `frontend`, `logical`, `physical` and `strategy`. Nothing runs.
    ///
    ///     >>> session.explain_sql("SELECT name FROM people").splitlines()[0]
    ///     'frontend'
    #[pyo3(signature = (text, params=None))]
    fn explain_sql(&self, py: Python<'_>, text: &str, params: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
        let frame = variables::sql(py, self.open(py)?, text, parameters(py, params)?, self.scan, Asked::Plan)?;
        let frame = frame.frame().clone();
        plan(py, async move { frame.explain_sql().await })
    }

    /// A frame over a table or view.
    ///
    ///     >>> session.table("people").fetchall()
    ///     [('ada', 36), ('bo', 41)]
    fn table(&self, py: Python<'_>, name: &str) -> PyResult<DataFrame> {
        let (session, name) = (self.open(py)?, name.to_owned());
        plan(py, async move { session.table(&name).await }).map(DataFrame::new)
    }

    /// Runs one statement without variables of the caller, who is not the one that wrote it.
    #[pyo3(signature = (text, params=None))]
    fn _sql_alone(&self, py: Python<'_>, text: &str, params: Option<&Bound<'_, PyAny>>) -> PyResult<DataFrame> {
        variables::sql(py, self.open(py)?, text, parameters(py, params)?, Scan::Foreign, Asked::Run)
    }

    /// Awaits the frame of one statement, with values for its parameters; variables of the caller are read at once.
    ///
    /// >>> import asyncio, velaria
    /// >>> asyncio.run(velaria.Session().sql_async("SELECT ? AS a", [1])).fetchall()
    /// [(1,)]
    #[pyo3(signature = (text, params=None))]
    fn sql_async<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        params: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let statement = || variables::sql_async(py, self.open(py)?, text, parameters(py, params)?, self.scan);
        job::or_failed(py, statement())
    }

    /// Says which function is called with a `velaria.Progress` while queries run that begin from now on.
    ///
    /// >>> import velaria
    /// >>> session, seen = velaria.Session(), []
    /// >>> session.on_progress(seen.append)
    /// >>> session.sql("SELECT SUM(v) AS s FROM range(10) AS t(v)").fetchall()
    /// [(45,)]
    /// >>> seen[-1].rows
    /// 10
    #[pyo3(signature = (callback))]
    fn on_progress(&self, py: Python<'_>, callback: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let session = self.open(py)?;
        let listener = match callback {
            Some(callback) if !callback.is_callable() => {
                return Err(wrong_type(py, "callback must be a function or None"));
            }
            callback => callback.map(|callback| progress::listener(callback.unbind())),
        };
        session.set_progress_listener(listener);
        Ok(())
    }

    /// The rows of a view or table whose vectors are nearest to one or many query vectors: `row_id`, `score`.
    ///
    ///     >>> items = {"name": ["east", "north", "far"], "place": [[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]]}
    ///     >>> session.create_temp_view("items", session.create_dataframe_from_arrow(items))
    ///     >>> session.vector_search("items", "place", [1.0, 0.0], top_k=2, metric="l2", columns=["name"]).fetchall()
    ///     [(0, 0.0, 'east'), (1, 1.4142135623730951, 'north')]
    #[pyo3(signature = (table, vector_column, query_vector, top_k=TopK(10), metric="cosine", *, filter=None, columns=None,
        acceleration="auto"), text_signature = "($self, table, vector_column, query_vector, top_k=10, metric='cosine', *, \
        filter=None, columns=None, acceleration='auto')")]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn vector_search(
        &self,
        py: Python<'_>,
        table: &str,
        vector_column: &str,
        query_vector: &Bound<'_, PyAny>,
        top_k: TopK,
        metric: &str,
        filter: Option<&str>,
        columns: Option<&Bound<'_, PyAny>>,
        acceleration: &str,
    ) -> PyResult<DataFrame> {
        let arguments = Arguments { table, vector_column, query_vector, top_k, metric, filter, columns, acceleration };
        let (session, search) = (self.open(py)?, arguments.search()?);
        plan(py, async move { session.vector_search(&search).await }).map(DataFrame::new)
    }

    /// What `vector_search` does for the same arguments, as lines of text.
    ///
    ///     >>> items = {"name": ["east", "north", "far"], "place": [[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]]}
    ///     >>> session.create_temp_view("items", session.create_dataframe_from_arrow(items))
    ///     >>> print(session.explain_vector_search("items", "place", [1.0, 0.0], top_k=2), end="")
    ///     mode=exact-scan
    ///     metric=cosine
    ///     dimension=2
    ///     top_k=2
    ///     candidate_rows=3
    ///     acceleration=flat-buffer+heap-topk
    ///     filter_pushdown=false
    #[pyo3(signature = (table, vector_column, query_vector, top_k=TopK(10), metric="cosine", *, filter=None, columns=None,
        acceleration="auto"), text_signature = "($self, table, vector_column, query_vector, top_k=10, metric='cosine', *, \
        filter=None, columns=None, acceleration='auto')")]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn explain_vector_search(
        &self,
        py: Python<'_>,
        table: &str,
        vector_column: &str,
        query_vector: &Bound<'_, PyAny>,
        top_k: TopK,
        metric: &str,
        filter: Option<&str>,
        columns: Option<&Bound<'_, PyAny>>,
        acceleration: &str,
    ) -> PyResult<String> {
        let arguments = Arguments { table, vector_column, query_vector, top_k, metric, filter, columns, acceleration };
        let (session, search) = (self.open(py)?, arguments.search()?);
        plan(py, async move { session.explain_vector_search(&search).await })
    }

    /// The nearest rows of a view or table, whole, with their `vector_score`.
    ///
    ///     >>> items = {"name": ["east", "north", "far"], "place": [[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]]}
    ///     >>> session.create_temp_view("items", session.create_dataframe_from_arrow(items))
    ///     >>> session.hybrid_search("items", "place", [1.0, 0.0], metric="l2", score_threshold=2, filter="name <> 'east'").fetchall()
    ///     [('north', [0.0, 1.0], 1.4142135623730951)]
    #[pyo3(signature = (table, vector_column, query_vector, top_k=TopK(10), metric="cosine", score_threshold=None, *,
        filter=None, columns=None, acceleration="auto"), text_signature = "($self, table, vector_column, query_vector, top_k=10, \
        metric='cosine', score_threshold=None, *, filter=None, columns=None, acceleration='auto')")]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn hybrid_search(
        &self,
        py: Python<'_>,
        table: &str,
        vector_column: &str,
        query_vector: &Bound<'_, PyAny>,
        top_k: TopK,
        metric: &str,
        score_threshold: Option<Threshold>,
        filter: Option<&str>,
        columns: Option<&Bound<'_, PyAny>>,
        acceleration: &str,
    ) -> PyResult<DataFrame> {
        let arguments = Arguments { table, vector_column, query_vector, top_k, metric, filter, columns, acceleration };
        let (session, search) = (self.open(py)?, arguments.hybrid(score_threshold)?);
        plan(py, async move { session.hybrid_search(&search).await }).map(DataFrame::new)
    }

    /// What `hybrid_search` does for the same arguments, as lines of text.
    ///
    ///     >>> items = {"name": ["east", "north", "far"], "place": [[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]]}
    ///     >>> session.create_temp_view("items", session.create_dataframe_from_arrow(items))
    ///     >>> print(session.explain_hybrid_search("items", "place", [1.0, 0.0]).splitlines()[0])
    ///     mode=exact-scan-hybrid-search
    #[pyo3(signature = (table, vector_column, query_vector, top_k=TopK(10), metric="cosine", score_threshold=None, *,
        filter=None, columns=None, acceleration="auto"), text_signature = "($self, table, vector_column, query_vector, top_k=10, \
        metric='cosine', score_threshold=None, *, filter=None, columns=None, acceleration='auto')")]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn explain_hybrid_search(
        &self,
        py: Python<'_>,
        table: &str,
        vector_column: &str,
        query_vector: &Bound<'_, PyAny>,
        top_k: TopK,
        metric: &str,
        score_threshold: Option<Threshold>,
        filter: Option<&str>,
        columns: Option<&Bound<'_, PyAny>>,
        acceleration: &str,
    ) -> PyResult<String> {
        let arguments = Arguments { table, vector_column, query_vector, top_k, metric, filter, columns, acceleration };
        let (session, search) = (self.open(py)?, arguments.hybrid(score_threshold)?);
        plan(py, async move { session.explain_hybrid_search(&search).await })
    }

    /// The rows of a view or table whose words fit a text best, whole, with their `keyword_score`.
    ///
    ///     >>> session.create_temp_view("notes", session.create_dataframe_from_arrow({"text": ["disk is full", "disk", "started"]}))
    ///     >>> [row[0] for row in session.keyword_search("notes", ["text"], "full disk").fetchall()]
    ///     ['disk is full', 'disk']
    #[pyo3(signature = (table, text_columns, query_text, top_k=TopK(10), *, filter=None),
        text_signature = "($self, table, text_columns, query_text, top_k=10, *, filter=None)")]
    fn keyword_search(
        &self,
        py: Python<'_>,
        table: &str,
        text_columns: &Bound<'_, PyAny>,
        query_text: &str,
        top_k: TopK,
        filter: Option<&str>,
    ) -> PyResult<DataFrame> {
        let arguments = Words { table, text_columns, query_text, top_k, filter };
        let (session, search) = (self.open(py)?, arguments.search()?);
        plan(py, async move { session.keyword_search(&search).await }).map(DataFrame::new)
    }

    /// The rows that fit both a text and a vector, best first by the ranks that they have in either search.
    ///
    ///     >>> notes = {"text": ["disk is full", "started"], "place": [[1.0, 0.0], [0.0, 1.0]]}
    ///     >>> session.create_temp_view("notes", session.create_dataframe_from_arrow(notes))
    ///     >>> found = session.fused_search("notes", ["text"], "disk", "place", [1.0, 0.0], top_k=1)
    ///     >>> found.fetchall()[0][0]
    ///     'disk is full'
    #[pyo3(signature = (table, text_columns, query_text, vector_column, query_vector, top_k=TopK(10), metric="cosine", *,
        filter=None, candidates=None), text_signature = "($self, table, text_columns, query_text, vector_column, \
        query_vector, top_k=10, metric='cosine', *, filter=None, candidates=None)")]
    #[expect(clippy::too_many_arguments, reason = "two searches have two sets of arguments")]
    fn fused_search(
        &self,
        py: Python<'_>,
        table: &str,
        text_columns: &Bound<'_, PyAny>,
        query_text: &str,
        vector_column: &str,
        query_vector: &Bound<'_, PyAny>,
        top_k: TopK,
        metric: &str,
        filter: Option<&str>,
        candidates: Option<u64>,
    ) -> PyResult<DataFrame> {
        let words = Words { table, text_columns, query_text, top_k, filter };
        let (session, search) = (self.open(py)?, words.fused(vector_column, query_vector, metric, candidates)?);
        plan(py, async move { session.fused_search(&search).await }).map(DataFrame::new)
    }

    /// Ends the statements of this session that other threads run now.
    ///
    ///     >>> session.interrupt()  # nothing runs, so nothing ends
    fn interrupt(&self, py: Python<'_>) -> PyResult<()> {
        self.open(py)?.interrupt();
        Ok(())
    }

    /// Forgets the views and tables. Frames that were made keep working.
    ///
    ///     >>> session.close()
    ///     >>> session.sql("SELECT 1")
    ///     Traceback (most recent call last):
    ///         ...
    ///     velaria.errors.UsageError: ...
    fn close(&self) {
        let closed = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without the lock: what is dropped may be objects of Python, whose code may use this session.
        drop(closed);
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

/// Runs one statement in the session of the process, with values for its parameters.
///
///     >>> import velaria
///     >>> velaria.sql("SELECT name FROM (VALUES ('ada', 36), ('bo', 41)) AS people(name, age) WHERE age > ?", [40]).fetchall()
///     [('bo',)]
#[pyfunction]
#[pyo3(signature = (text, params=None))]
pub(crate) fn sql(py: Python<'_>, text: &str, params: Option<&Bound<'_, PyAny>>) -> PyResult<DataFrame> {
    let session = default_session(py)?;
    interrupts::prepare(py);
    variables::sql(py, session, text, parameters(py, params)?, Scan::Caller, Asked::Run)
}

/// The session of [`sql`], made when it is needed first.
fn default_session(py: Python<'_>) -> PyResult<velaria::Session> {
    static SESSION: OnceLock<velaria::Session> = OnceLock::new();
    match SESSION.get() {
        Some(session) => Ok(session.clone()),
        None => {
            let session = velaria::Session::new(SessionConfig::default()).map_err(|error| to_py(py, &error))?;
            session.set_progress_listener(progress::chosen(py, None)?);
            Ok(SESSION.get_or_init(|| session).clone())
        }
    }
}

/// The frame of a sheet, after what there is to say about it was said.
fn excel_frame(py: Python<'_>, read: ExcelFrame) -> PyResult<DataFrame> {
    read.warnings.iter().try_for_each(|text| warn(py, &format!("sheet {}: {text}", read.name)))?;
    Ok(DataFrame::new(read.frame))
}

/// A path as text.
pub(crate) fn text_of(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    path.into_os_string().into_string().map_err(|path| {
        to_py(py, &Error::new(ErrorCode::InvalidArgument, format!("path is not valid UTF-8: {}", path.display())))
    })
}
