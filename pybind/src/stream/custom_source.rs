//! Anything that Python can iterate over as a stream.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};
use velaria::stream::{self, Cut, ItemSource, Offered, Piece, PulledStream, Rereading, SourceOffset};
use velaria::{Error, ErrorCode};

use super::rows::{RowColumns, Unknown, inferred};
use crate::arrow_in;
use crate::error::{to_engine, to_py, wrong_type};
use crate::runtime::shutting_down;
use crate::threads::{self, TICK};

const SOURCE: &str = "stream source";
/// Longer than any program runs: an interval beyond it is none.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How many rows are looked at before signal handlers run.
const ROWS_PER_CHECK: usize = 1024;

/// When rows become a micro-batch, as Python says it.
pub(crate) struct Emit {
    pub(crate) interval_seconds: f64,
    pub(crate) rows: i64,
}

impl Emit {
    fn cut(&self) -> Result<Cut, Error> {
        let refused = |name: &str| Error::new(ErrorCode::InvalidArgument, format!("{name} must be > 0"));
        // Not NaN either.
        if self.interval_seconds.is_nan() || self.interval_seconds <= 0.0 {
            return Err(refused("emit_interval_seconds"));
        }
        let rows = usize::try_from(self.rows).ok().filter(|rows| *rows > 0).ok_or_else(|| refused("emit_rows"))?;
        let after = Duration::try_from_secs_f64(self.interval_seconds).unwrap_or(FOREVER).min(FOREVER);
        Ok(Cut { rows, after })
    }
}

/// What a program gives as a stream.
struct ProgramSource {
    source: Py<PyAny>,
    columns: RowColumns,
    /// Items of an iterator that were taken to infer columns.
    head: Mutex<Vec<Py<PyAny>>>,
    /// Where a source with offsets stood when the stream was made.
    start: Option<SourceOffset>,
}

impl fmt::Debug for ProgramSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramSource").field("schema", &self.columns.schema).finish_non_exhaustive()
    }
}

/// The stream of `source`; without `declared` its columns are those of what it gives first.
pub(crate) fn source_table(
    source: &Bound<'_, PyAny>,
    declared: Option<SchemaRef>,
    emit: &Emit,
    bounded: Option<bool>,
) -> PyResult<PulledStream<impl ItemSource + use<>>> {
    let py = source.py();
    let cut = emit.cut().map_err(|error| to_py(py, &error))?;
    let rereading = rereading(source)?;
    let bounded = bounded.unwrap_or(rereading == Rereading::Same);
    let start = match rereading {
        Rereading::ByOffset => Some(offset_of(&source.call_method0("offset")?)?),
        Rereading::Never | Rereading::Anew | Rereading::Same => None,
    };
    let unknown = if declared.is_some() { Unknown::LeftOut } else { Unknown::Refused };
    let (schema, head) = match declared {
        Some(schema) => (schema, Vec::new()),
        None => peeked(source, cut, rereading)?,
    };
    let columns = RowColumns { schema: Arc::clone(&schema), of: SOURCE, unknown };
    let program = ProgramSource { source: source.clone().unbind(), columns, head: Mutex::new(head), start };
    Ok(PulledStream::new(program, schema, bounded, rereading, cut))
}

fn rereading(source: &Bound<'_, PyAny>) -> PyResult<Rereading> {
    if source.is_instance_of::<PyString>() || source.is_instance_of::<PyBytes>() || source.is_instance_of::<PyDict>() {
        return Err(no_source(source));
    }
    let is_iterator = source.hasattr("__next__")?;
    if !is_iterator && (!source.hasattr("__iter__")? || source.hasattr("__arrow_c_stream__")?) {
        return Err(no_source(source));
    }
    Ok(if source.hasattr("offset")? && source.hasattr("seek")? {
        Rereading::ByOffset
    } else if is_iterator {
        Rereading::Never
    } else if source.hasattr("__len__")? {
        Rereading::Same
    } else {
        Rereading::Anew
    })
}

fn no_source(source: &Bound<'_, PyAny>) -> PyErr {
    let found = source.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    let message = format!(
        "cannot make a stream of {found}: pass an iterator or iterable of rows or of Arrow batches; \
         create_stream_from_arrow takes Arrow data that is there already"
    );
    wrong_type(source.py(), &message)
}

/// The columns of the first rows or of the first batch, and what was taken out of an iterator for it.
fn peeked(source: &Bound<'_, PyAny>, cut: Cut, rereading: Rereading) -> PyResult<(SchemaRef, Vec<Py<PyAny>>)> {
    let py = source.py();
    let iterator = source.try_iter()?;
    let begun = Instant::now();
    let mut rows: Vec<Bound<'_, PyAny>> = Vec::new();
    let mut schema = None;
    for item in iterator.clone() {
        let item = item?;
        if speaks_arrow(&item)? {
            if rows.is_empty() {
                let held = Held { batch: one_batch(&item)? };
                schema = Some(held.batch.schema());
                rows.push(Bound::new(py, held)?.into_any());
            } else {
                rows.push(item);
                break;
            }
        } else {
            rows.push(item);
        }
        if schema.is_some() || rows.len() >= cut.rows || begun.elapsed() >= cut.after {
            break;
        }
        if rows.len().is_multiple_of(ROWS_PER_CHECK) {
            py.check_signals()?;
        }
    }
    let schema = match schema {
        Some(schema) => schema,
        None => inferred(py, without_arrow(&rows)?, SOURCE)?,
    };
    if schema.fields().is_empty() {
        let error = Error::new(ErrorCode::InvalidArgument, "the stream source has no rows to tell its columns by");
        return Err(to_py(py, &error.with_hint("pass schema: an Arrow schema, or a dict of names and SQL types")));
    }
    if rereading == Rereading::Never {
        return Ok((schema, rows.into_iter().map(Bound::unbind).collect()));
    }
    if iterator.hasattr("close")? && !iterator.is(source) {
        iterator.call_method0("close")?;
    }
    Ok((schema, Vec::new()))
}

/// The rows before a batch that came behind them.
fn without_arrow<'a, 'py>(rows: &'a [Bound<'py, PyAny>]) -> PyResult<&'a [Bound<'py, PyAny>]> {
    match rows.split_last() {
        Some((last, before)) if speaks_arrow(last)? => Ok(before),
        _ => Ok(rows),
    }
}

fn speaks_arrow(item: &Bound<'_, PyAny>) -> PyResult<bool> {
    // Nearly every item is one of these.
    if item.is_exact_instance_of::<PyDict>()
        || item.is_exact_instance_of::<PyTuple>()
        || item.is_exact_instance_of::<PyList>()
    {
        return Ok(false);
    }
    Ok(item.is_instance_of::<Held>() || item.hasattr("__arrow_c_stream__")? || item.hasattr("__arrow_c_array__")?)
}

/// All rows of an item that is Arrow data: one item is one micro-batch, because there is one offset behind it.
fn one_batch(item: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    if let Ok(held) = item.cast::<Held>() {
        return Ok(held.get().batch.clone());
    }
    let (schema, mut batches) = arrow_in::table(item)?;
    match (batches.pop(), batches.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            batches.push(last);
            let error = |error: arrow::error::ArrowError| Error::new(ErrorCode::InvalidArrow, error.to_string());
            concat_batches(&schema, &batches).map_err(|cause| to_py(item.py(), &error(cause)))
        }
        (None, _) => Ok(RecordBatch::new_empty(schema)),
    }
}

/// A batch that was taken to infer columns: not every Arrow item can be read again.
#[pyclass(frozen, module = "velaria")]
struct Held {
    batch: RecordBatch,
}

/// What a source says that it stands behind, as text: JSON, so that it comes back as what it was.
fn offset_of(offset: &Bound<'_, PyAny>) -> PyResult<SourceOffset> {
    // Asked for behind every row: a number, as most are, takes no detour.
    if offset.is_exact_instance_of::<PyInt>()
        && let Ok(number) = offset.extract::<i64>()
    {
        return Ok(SourceOffset(number.to_string()));
    }
    Ok(SourceOffset(offset.py().import("json")?.call_method1("dumps", (offset,))?.extract()?))
}

impl ItemSource for ProgramSource {
    type Item = Py<PyAny>;

    fn batch(&self, items: Vec<Py<PyAny>>) -> velaria::Result<RecordBatch> {
        threads::visit(|py| self.columns.batch(py, items.into_iter().map(|item| Ok(item.into_bound(py)))))
    }

    fn start(&self, inlet: stream::Inlet<Py<PyAny>>) -> velaria::Result<()> {
        threads::visit(|py| {
            let head = std::mem::take(&mut *self.head.lock().unwrap_or_else(PoisonError::into_inner));
            let place = match inlet.resume().or(self.start.as_ref()) {
                Some(offset) => PyTuple::new(py, [py.import("json")?.call_method1("loads", (offset.0.as_str(),))?])?,
                None => PyTuple::empty(py),
            };
            let name = format!("{}-pull", inlet.query_id());
            let columns = Arc::clone(&self.columns.schema);
            let inlet = Bound::new(py, Inlet { inlet: Mutex::new(Some(inlet)), schema: columns })?;
            threads::start(py, &name, "pull", (inlet, &self.source, head, place))
        })
    }
}

/// Where the thread of a source puts its items.
#[pyclass(frozen, module = "velaria")]
struct Inlet {
    /// `None` when the thread has said that it is done.
    inlet: Mutex<Option<stream::Inlet<Py<PyAny>>>>,
    schema: SchemaRef,
}

impl Inlet {
    /// A batch with the columns of the stream.
    fn fitted(&self, item: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
        let py = item.py();
        let batch = one_batch(item)?;
        let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let (given, wanted) = (names(batch.schema_ref()), names(&self.schema));
        if given != wanted {
            let message = "a batch of the stream source has other columns than the stream";
            let hint = format!("it has {}, the stream has {}", given.join(", "), wanted.join(", "));
            return Err(to_py(py, &Error::new(ErrorCode::SchemaMismatch, message).with_hint(hint)));
        }
        stream::fit(&self.schema, batch.columns()).map_err(|error| to_py(py, &error))
    }

    fn end(&self, outcome: velaria::Result<()>) -> bool {
        let inlet = self.inlet.lock().unwrap_or_else(PoisonError::into_inner).take();
        inlet.is_some_and(|inlet| inlet.end(outcome))
    }
}

#[pymethods]
impl Inlet {
    /// Puts one item into the stream; whether more are wanted.
    #[pyo3(signature = (item, offset=None))]
    fn push(&self, item: &Bound<'_, PyAny>, offset: Option<&Bound<'_, PyTuple>>) -> PyResult<bool> {
        let py = item.py();
        let offset = offset.map(|offset| offset_of(&offset.get_item(0)?)).transpose()?;
        let mut piece = match speaks_arrow(item)? {
            true => Piece::Batch(self.fitted(item)?),
            false => Piece::Item(item.clone().unbind()),
        };
        let guard = self.inlet.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(inlet) = guard.as_ref() else { return Ok(false) };
        loop {
            match inlet.offer(piece, offset.as_ref()) {
                Offered::Taken => return Ok(true),
                Offered::Stopped => return Ok(false),
                Offered::Full(back) => piece = back,
            }
            let leave = || {
                inlet.end(Err(shutting_down()));
            };
            threads::wait(py, || inlet.wait_for_room(TICK).then_some(()), leave);
        }
    }

    /// Nothing more will come.
    fn finish(&self, py: Python<'_>) {
        py.detach(|| self.end(Ok(())));
    }

    /// Nothing more will come because of an exception. Whether the query is told.
    fn fail(&self, py: Python<'_>, exception: &Bound<'_, PyBaseException>) -> bool {
        let raised = PyErr::from_value(exception.clone().into_any());
        let error = to_engine(py, "the stream source", raised);
        py.detach(|| self.end(Err(error)))
    }
}
