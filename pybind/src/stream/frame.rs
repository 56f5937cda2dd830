//! `velaria.StreamingDataFrame`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use velaria::stream::{ConsoleOutput, ConsoleSinkTable};
use velaria::{Parameter, StreamOptions, Totals};

use super::{CheckpointPath, Contract, RealtimeStreamSink, StreamingQuery, count, named, sink_table};
use crate::error::{to_py, wrong_type};
use crate::exit::visit;
use crate::names::names;
use crate::parameters::parameter;
use crate::schema::Schema;
use crate::session::text_of;

/// A query over a stream; it runs when it is written somewhere.
///
///     >>> import velaria
///     >>> session = velaria.Session()
///     >>> batches = [{"key": ["a", "b"], "value": [1, 2]}, {"key": ["a"], "value": [3]}]
///     >>> stream = session.create_stream_from_arrow(batches)
///     >>> sink = session.create_realtime_stream_sink()
///     >>> stream.filter("value", ">", 2).write_stream_queue_sink(sink).await_termination()
///     2
///     >>> sink.poll().fetchall()
///     [('a', 3)]
#[pyclass(frozen, module = "velaria")]
pub(crate) struct StreamingDataFrame {
    frame: velaria::StreamingDataFrame,
}

impl StreamingDataFrame {
    pub(crate) fn new(frame: velaria::StreamingDataFrame) -> Self {
        Self { frame }
    }

    pub(crate) fn frame(&self) -> &velaria::StreamingDataFrame {
        &self.frame
    }
}

fn made(py: Python<'_>, frame: velaria::Result<velaria::StreamingDataFrame>) -> PyResult<StreamingDataFrame> {
    frame.map(StreamingDataFrame::new).map_err(|error| to_py(py, &error))
}

fn begun(py: Python<'_>, query: velaria::Result<velaria::StreamingQuery>) -> PyResult<StreamingQuery> {
    query.map(StreamingQuery::new).map_err(|error| to_py(py, &error))
}

fn operand(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Parameter> {
    parameter(py, value).map_err(|cause| {
        let error = wrong_type(py, "value must be None, int, float, bool, or string");
        error.set_cause(py, Some(cause));
        error
    })
}

fn totals(stateful: bool) -> Totals {
    if stateful { Totals::Running } else { Totals::PerBatch }
}

/// `sys.stdout` of the program.
#[derive(Debug)]
struct PythonOutput;

impl ConsoleOutput for PythonOutput {
    fn write_text(&self, text: &str) -> io::Result<()> {
        // Nobody reads the output of an interpreter that is gone.
        visit(|py| print(py, text)).unwrap_or(Ok(())).map_err(|error| io::Error::other(error.to_string()))
    }
}

fn print(py: Python<'_>, text: &str) -> PyResult<()> {
    let stdout = py.import("sys")?.getattr("stdout")?;
    stdout.call_method1("write", (text,))?;
    stdout.call_method0("flush").map(|_| ())
}

#[pymethods]
impl StreamingDataFrame {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.StreamingDataFrame' instances"))
    }

    /// The names and types of the columns. Nothing runs.
    ///
    ///     >>> stream.schema.types
    ///     ['Utf8', 'Int64']
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(self.frame.schema())
    }

    /// The column names. Nothing runs.
    ///
    ///     >>> stream.columns
    ///     ['key', 'value']
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.frame.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The columns of these names, in this order.
    ///
    ///     >>> stream.select(["value"]).columns
    ///     ['value']
    fn select(&self, columns: &Bound<'_, PyAny>) -> PyResult<Self> {
        let names = names("columns", columns)?;
        made(columns.py(), self.frame.select(&names))
    }

    /// The rows whose value of a column compares with `value` as `op` says.
    ///
    ///     >>> print(stream.filter("value", ">=", 2).explain().splitlines()[3])
    ///     2. Filter column=value op=>=
    fn filter(&self, py: Python<'_>, column: &str, op: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let value = operand(py, value)?;
        made(py, self.frame.filter(column, op, &value))
    }

    /// A copy of a column under another name, as the last column.
    ///
    ///     >>> stream.with_column("copy", "value").columns
    ///     ['key', 'value', 'copy']
    fn with_column(&self, py: Python<'_>, name: &str, source_column: &str) -> PyResult<Self> {
        made(py, self.frame.with_column(name, source_column))
    }

    /// Without a column; one that is not there is no error.
    ///
    ///     >>> stream.drop("value").columns
    ///     ['key']
    fn drop(&self, py: Python<'_>, column: &str) -> PyResult<Self> {
        made(py, self.frame.drop(column))
    }

    /// At most `n` rows of the whole stream, which ends then.
    ///
    ///     >>> sink = session.create_realtime_stream_sink()
    ///     >>> _ = stream.limit(1).write_stream_queue_sink(sink).await_termination()
    ///     >>> sink.poll().fetchall()
    ///     [('a', 1)]
    fn limit(&self, py: Python<'_>, n: i64) -> PyResult<Self> {
        let n = usize::try_from(count(py, "n", n)?).unwrap_or(usize::MAX);
        made(py, self.frame.limit(n))
    }

    /// The start of the window that a time falls into, as the last column; with `slide_ms` a row is in several.
    ///
    ///     >>> times = session.create_stream_from_arrow({"at": ["2026-03-29T10:00:40"]})
    ///     >>> sink = session.create_realtime_stream_sink()
    ///     >>> times.window("at", 60000).write_stream_queue_sink(sink).await_termination()
    ///     1
    ///     >>> sink.poll().fetchall()
    ///     [('2026-03-29T10:00:40', '2026-03-29T10:00:00')]
    #[pyo3(signature = (time_column, window_ms, output_column="window_start", slide_ms=0))]
    fn window(
        &self,
        py: Python<'_>,
        time_column: &str,
        window_ms: i64,
        output_column: &str,
        slide_ms: i64,
    ) -> PyResult<Self> {
        let (window_ms, slide_ms) = (count(py, "window_ms", window_ms)?, count(py, "slide_ms", slide_ms)?);
        made(py, self.frame.window(time_column, window_ms, output_column, slide_ms))
    }

    /// The sum of a column for each key: of a micro-batch, or of the whole stream when it is stateful.
    ///
    ///     >>> sink = session.create_realtime_stream_sink()
    ///     >>> stream.group_sum(["key"], "value", stateful=True, output_column="total").write_stream_queue_sink(sink).await_termination()
    ///     2
    ///     >>> sink.poll().fetchall(), sink.poll().fetchall()
    ///     ([('a', 1), ('b', 2)], [('a', 4)])
    #[pyo3(signature = (keys, value_column, stateful=false, output_column="sum"))]
    fn group_sum(
        &self,
        keys: &Bound<'_, PyAny>,
        value_column: &str,
        stateful: bool,
        output_column: &str,
    ) -> PyResult<Self> {
        let names = names("keys", keys)?;
        made(keys.py(), self.frame.group_sum(&names, value_column, totals(stateful), output_column))
    }

    /// The number of rows for each key: of a micro-batch, or of the whole stream when it is stateful.
    ///
    ///     >>> stream.group_count(["key"], stateful=True).columns
    ///     ['key', 'count']
    #[pyo3(signature = (keys, stateful=false, output_column="count"))]
    fn group_count(&self, keys: &Bound<'_, PyAny>, stateful: bool, output_column: &str) -> PyResult<Self> {
        let names = names("keys", keys)?;
        made(keys.py(), self.frame.group_count(&names, totals(stateful), output_column))
    }

    /// A query that appends its rows to a CSV file. It is not started.
    ///
    ///     >>> stream.write_stream_csv("events.csv").await_termination()
    ///     2
    ///     >>> session.read_csv("events.csv").count()
    ///     3
    #[pyo3(signature = (path, delimiter=",", trigger_interval_ms=1000, checkpoint_path=CheckpointPath::default(), **options))]
    fn write_stream_csv(
        &self,
        py: Python<'_>,
        path: PathBuf,
        delimiter: &str,
        trigger_interval_ms: i64,
        checkpoint_path: CheckpointPath,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StreamingQuery> {
        let options = two(py, trigger_interval_ms, checkpoint_path, options)?;
        begun(py, self.frame.write_stream_csv(&text_of(py, path)?, delimiter, &options))
    }

    /// A query that prints its rows to `sys.stdout`. It is not started.
    ///
    ///     >>> stream.limit(1).write_stream_console(trigger_interval_ms=0).await_termination()
    ///     [console:console] batch
    ///     ...
    ///     1
    #[pyo3(signature = (trigger_interval_ms=1000, checkpoint_path=CheckpointPath::default(), **options))]
    fn write_stream_console(
        &self,
        py: Python<'_>,
        trigger_interval_ms: i64,
        checkpoint_path: CheckpointPath,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StreamingQuery> {
        let options = two(py, trigger_interval_ms, checkpoint_path, options)?;
        let console = Arc::new(ConsoleSinkTable::new(Arc::new(PythonOutput)));
        begun(py, self.frame.write(console, &options))
    }

    /// A query whose rows are taken from `sink`. It is not started.
    ///
    ///     >>> sink = session.create_realtime_stream_sink()
    ///     >>> stream.write_stream_queue_sink(sink).await_termination()
    ///     2
    ///     >>> sink.poll().count()
    ///     2
    #[pyo3(signature = (sink, trigger_interval_ms=1000, checkpoint_path=CheckpointPath::default(),
        checkpoint_delivery_mode="at-least-once", execution_mode="single-process", local_workers=1,
        max_inflight_partitions=0, **options))]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn write_stream_queue_sink(
        &self,
        py: Python<'_>,
        sink: &Bound<'_, PyAny>,
        trigger_interval_ms: i64,
        checkpoint_path: CheckpointPath,
        checkpoint_delivery_mode: &str,
        execution_mode: &str,
        local_workers: i64,
        max_inflight_partitions: i64,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StreamingQuery> {
        let Ok(sink) = sink.cast::<RealtimeStreamSink>() else {
            return Err(wrong_type(py, "sink must be a RealtimeStreamSink"));
        };
        let contract = Contract {
            trigger_interval_ms,
            checkpoint_path,
            checkpoint_delivery_mode: Some(checkpoint_delivery_mode),
            execution_mode: Some(execution_mode),
            local_workers: Some(local_workers),
            max_inflight_partitions: Some(max_inflight_partitions),
        };
        let options = contract.with(py, options)?;
        begun(py, self.frame.write_stream_queue_sink(sink.get().sink(), &options))
    }

    /// A query that hands the rows of each micro-batch to `sink`: a function of an `Emission`, or an object with `write_batch`.
    /// It is not started.
    ///
    /// >>> import velaria
    /// >>> stream = velaria.Session().read_custom_stream([{"v": 1}, {"v": 2}])
    /// >>> stream.write_stream_custom(lambda emission: print(len(emission), "rows")).await_termination()
    /// 2 rows
    /// 1
    #[pyo3(signature = (sink, trigger_interval_ms=1000, checkpoint_path=CheckpointPath::default(),
        checkpoint_delivery_mode="at-least-once", execution_mode="single-process", local_workers=1,
        max_inflight_partitions=0, **options))]
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the other sinks")]
    fn write_stream_custom(
        &self,
        py: Python<'_>,
        sink: &Bound<'_, PyAny>,
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
        let options = contract.with(py, options)?;
        begun(py, self.frame.write(sink_table(sink)?, &options))
    }

    /// What the query will do, in the sections `logical`, `physical` and `strategy`. Nothing runs.
    ///
    ///     >>> print(stream.select(["key"]).explain().splitlines()[3])
    ///     2. Project columns=[key]
    #[pyo3(signature = (**options))]
    fn explain(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<String> {
        let options = named(py, options)?;
        self.frame.explain(&options).map(|explain| explain.to_string()).map_err(|error| to_py(py, &error))
    }

    fn __repr__(&self) -> String {
        let schema = self.frame.schema();
        let fields: Vec<String> =
            schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect();
        format!("<velaria.StreamingDataFrame [{}]>", fields.join(", "))
    }
}

fn two(
    py: Python<'_>,
    trigger_interval_ms: i64,
    checkpoint_path: CheckpointPath,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<StreamOptions> {
    Contract { trigger_interval_ms, checkpoint_path, ..Contract::default() }.with(py, options)
}
