//! `velaria.RealtimeStreamSource` and `velaria.RealtimeStreamSink`: queues between the program and its queries.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema as ArrowSchema, SchemaRef};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};
use velaria::{Error, ErrorCode};

use crate::arrow_in;
use crate::dataframe::DataFrame;
use crate::error::{to_py, wrong_type};
use crate::runtime::{enter, plan};
use crate::schema::Schema;

use super::rows::{RowColumns, Unknown};

/// How long a push waits for room before signal handlers run.
const TICK: Duration = Duration::from_millis(50);

/// A stream that the program feeds: each batch that is pushed is one micro-batch.
///
///     >>> import velaria
///     >>> session = velaria.Session()
///     >>> source = session.create_realtime_stream_source({"key": "STRING", "value": "BIGINT"})
///     >>> sink = session.create_realtime_stream_sink()
///     >>> query = session.read_realtime_stream_source(source).write_stream_queue_sink(sink, trigger_interval_ms=0).start()
#[pyclass(frozen, module = "velaria")]
pub(crate) struct RealtimeStreamSource {
    source: velaria::stream::RealtimeStreamSource,
    columns: RowColumns,
}

impl RealtimeStreamSource {
    pub(crate) fn new(source: velaria::stream::RealtimeStreamSource, schema: SchemaRef) -> Self {
        Self { source, columns: RowColumns { schema, of: "realtime source", unknown: Unknown::Refused } }
    }

    pub(crate) fn source(&self) -> &velaria::stream::RealtimeStreamSource {
        &self.source
    }

    fn push(&self, py: Python<'_>, batch: RecordBatch) -> PyResult<()> {
        enter(py, |check| {
            let mut left = Some(batch);
            while let Some(batch) = left {
                left = self.source.offer(batch, TICK)?;
                check()?;
            }
            Ok(())
        })
    }
}

#[pymethods]
impl RealtimeStreamSource {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.RealtimeStreamSource' instances"))
    }

    /// The names and types of the columns.
    ///
    ///     >>> source.schema.names
    ///     ['key', 'value']
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(Arc::clone(&self.columns.schema))
    }

    /// Gives Arrow data to the queries that read this source: each of its batches is one micro-batch.
    ///
    ///     >>> source.push_arrow({"key": ["a"], "value": [1]})
    ///     >>> source.close()
    ///     >>> query.await_termination()
    ///     1
    fn push_arrow(&self, py: Python<'_>, obj: &Bound<'_, PyAny>) -> PyResult<()> {
        let (schema, batches) = arrow_in::table(obj)?;
        let names = |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        if names(&schema) != names(&self.columns.schema) {
            let error = Error::new(ErrorCode::SchemaMismatch, "queue stream source schema mismatch");
            return Err(to_py(py, &error.with_hint(self.columns.declared())));
        }
        for batch in batches {
            let fitted =
                velaria::stream::fit(&self.columns.schema, batch.columns()).map_err(|error| to_py(py, &error))?;
            self.push(py, fitted)?;
        }
        Ok(())
    }

    /// Gives rows, which are dicts or sequences, as one micro-batch.
    ///
    ///     >>> source.push_rows([{"key": "a", "value": 1}, ("b", 2)])
    ///     >>> source.close()
    ///     >>> query.await_termination()
    ///     1
    ///     >>> sink.poll().fetchall()
    ///     [('a', 1), ('b', 2)]
    fn push_rows(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = rows.try_iter().map_err(|_| wrong_type(py, "rows must contain dicts or sequences"))?;
        let rows = items.collect::<PyResult<Vec<_>>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        let batch = self.columns.batch(py, rows.into_iter().map(Ok))?;
        self.push(py, batch)
    }

    /// Says that nothing more will come.
    ///
    ///     >>> source.close()
    ///     >>> query.await_termination()
    ///     0
    fn close(&self) {
        self.source.close();
    }

    fn __repr__(&self) -> String {
        format!("<velaria.RealtimeStreamSource: {}>", self.columns.declared())
    }
}

/// Where a query puts its rows for the program to take.
///
///     >>> import velaria
///     >>> session = velaria.Session()
///     >>> sink = session.create_realtime_stream_sink()
///     >>> stream = session.create_stream_from_arrow([{"id": [1, 2]}, {"id": [3]}])
///     >>> stream.write_stream_queue_sink(sink, trigger_interval_ms=0).await_termination()
///     2
#[pyclass(frozen, module = "velaria")]
pub(crate) struct RealtimeStreamSink {
    session: velaria::Session,
    sink: velaria::stream::RealtimeStreamSink,
}

impl RealtimeStreamSink {
    pub(crate) fn new(session: velaria::Session, sink: velaria::stream::RealtimeStreamSink) -> Self {
        Self { session, sink }
    }

    pub(crate) fn sink(&self) -> &velaria::stream::RealtimeStreamSink {
        &self.sink
    }
}

#[pymethods]
impl RealtimeStreamSink {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.RealtimeStreamSink' instances"))
    }

    /// The next batch of rows as a `DataFrame`, or `None` when none is there now.
    ///
    ///     >>> sink.poll().fetchall(), sink.poll().fetchall(), sink.poll()
    ///     ([(1,), (2,)], [(3,)], None)
    fn poll(&self, py: Python<'_>) -> PyResult<Option<DataFrame>> {
        let Some(batch) = self.sink.poll() else { return Ok(None) };
        let frame = self.session.create_dataframe_from_arrow(batch.schema(), vec![batch]);
        frame.map(DataFrame::new).map(Some).map_err(|error| to_py(py, &error))
    }

    /// The next batch of rows as a `pyarrow.Table`, or `None` when none is there now.
    ///
    ///     >>> sink.poll_arrow().num_rows
    ///     2
    fn poll_arrow<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let pyarrow = py.import("pyarrow")?;
        self.poll(py)?.map(|frame| pyarrow.call_method1("table", (frame,))).transpose()
    }

    /// Whether the query has ended; there may still be rows to poll.
    ///
    ///     >>> sink.closed()
    ///     True
    fn closed(&self) -> bool {
        self.sink.closed()
    }

    fn __repr__(&self) -> &'static str {
        "<velaria.RealtimeStreamSink>"
    }
}

/// The columns that a program declares: an Arrow schema, or a dict or pairs of names and the type words of SQL.
pub(crate) fn declared_schema(session: &velaria::Session, columns: &Bound<'_, PyAny>) -> PyResult<SchemaRef> {
    let py = columns.py();
    if columns.hasattr("__arrow_c_schema__")? {
        let capsule = columns.call_method0("__arrow_c_schema__")?;
        let capsule = capsule.cast::<PyCapsule>().map_err(|_| untyped(py))?;
        return arrow_in::schema_of(capsule).map(Arc::new);
    }
    let pairs = match columns.cast::<PyDict>() {
        Ok(dict) => dict.items().into_any(),
        Err(_) => columns.clone(),
    };
    let fields = pairs.try_iter().map_err(|_| untyped(py))?.map(|pair| field(session, &pair?));
    Ok(Arc::new(ArrowSchema::new(fields.collect::<PyResult<Vec<Field>>>()?)))
}

fn field(session: &velaria::Session, pair: &Bound<'_, PyAny>) -> PyResult<Field> {
    let py = pair.py();
    let Ok((name, word)) = pair.extract::<(String, String)>() else { return Err(untyped(py)) };
    // The words are those of CAST; planning it says what they mean, and runs nothing.
    let (session, text) = (session.clone(), format!("SELECT CAST(NULL AS {word})"));
    let schema = plan(py, async move { session.sql(&text).await.map(|frame| frame.schema()) })?;
    match schema.fields().iter().as_slice() {
        [field] => Ok(Field::new(name, field.data_type().clone(), true)),
        _ => Err(untyped(py)),
    }
}

fn untyped(py: Python<'_>) -> PyErr {
    wrong_type(py, "columns must be an Arrow schema, or a dict or pairs of names and SQL types")
}
