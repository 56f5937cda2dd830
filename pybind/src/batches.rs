//! A running query, asked for a few batches at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use velaria::{BatchStream, DataFrame, Error, Result};

use crate::arrow_out::{PULLED_MAX, pull};
use crate::cell;
use crate::error::{say, to_py};
use crate::job::Job;
use crate::kept::Kept;
use crate::runtime::plan;

/// The batches of a query, which begins when it is asked first. The first one comes alone and at once; then more and more
/// are taken at a time, because each wait costs as much as computing a small batch.
struct Source {
    frame: DataFrame,
    stream: Arc<tokio::sync::Mutex<Option<BatchStream>>>,
    wanted: AtomicUsize,
    /// Why the query ended, while batches from before are handed out.
    failed: Mutex<Option<Error>>,
}

impl Source {
    fn new(frame: &DataFrame) -> Self {
        Self { frame: frame.clone(), stream: Arc::default(), wanted: AtomicUsize::new(1), failed: Mutex::default() }
    }

    /// The next batches; none at the end.
    fn next(&self) -> impl Future<Output = Result<VecDeque<Result<RecordBatch>>>> + Send + 'static {
        let (frame, stream) = (self.frame.clone(), Arc::clone(&self.stream));
        let wanted =
            self.wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |wanted| Some((2 * wanted).min(PULLED_MAX)));
        let (Ok(wanted) | Err(wanted)) = wanted;
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            if let Some(error) = failed {
                return Err(error);
            }
            let mut stream = stream.lock().await;
            let running = match &mut *stream {
                Some(running) => running,
                empty => empty.insert(frame.execute().await?),
            };
            Ok(pull(running, wanted).await)
        }
    }

    /// The batches before an error; the error itself when there are none.
    fn batches(&self, pulled: VecDeque<Result<RecordBatch>>) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::with_capacity(pulled.len());
        for batch in pulled {
            match batch {
                Ok(batch) => batches.push(batch),
                Err(error) if batches.is_empty() => return Err(error),
                Err(error) => *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
        }
        Ok(batches)
    }
}

/// The batches of a query for `async for`.
#[pyclass(frozen, module = "velaria._velaria", name = "_BatchSource")]
pub(crate) struct BatchSource(Arc<Source>);

impl BatchSource {
    pub(crate) fn new(frame: &DataFrame) -> Self {
        Self(Arc::new(Source::new(frame)))
    }
}

#[pymethods]
impl BatchSource {
    /// A job that gives the next batches as a list of `pyarrow.RecordBatch`; an empty one at the end.
    fn pull(&self) -> Job {
        let source = Arc::clone(&self.0);
        Job::new(self.0.next(), move |py, pulled| {
            let batches = source.batches(pulled).map_err(|error| to_py(py, &error))?;
            let record_batch = py.import("pyarrow")?.getattr("record_batch")?;
            let batches = batches.into_iter().map(|batch| record_batch.call1((Kept::of(batch),)));
            let batches = PyList::new(py, batches.collect::<PyResult<Vec<_>>>()?)?;
            Ok((batches.into_any().unbind(), source.frame.take_notices()))
        })
    }
}

/// The rows of a query, some at a time.
#[pyclass(frozen, module = "velaria._velaria", name = "_RowReader")]
pub(crate) struct RowReader {
    source: Source,
    ready: Mutex<VecDeque<RecordBatch>>,
}

impl RowReader {
    /// The rows of `frame`, of which the first batch is there: what is wrong from the start is known now.
    pub(crate) fn open(py: Python<'_>, frame: &DataFrame) -> PyResult<Self> {
        let reader = Self { source: Source::new(frame), ready: Mutex::default() };
        reader.more(py)?;
        Ok(reader)
    }

    /// Takes batches until they have `rows` rows, or all.
    fn take(&self, py: Python<'_>, rows: usize) -> PyResult<Vec<RecordBatch>> {
        let (mut taken, mut missing) = (Vec::new(), rows);
        while missing > 0 {
            let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(batch) = ready else {
                if self.more(py)? {
                    continue;
                }
                break;
            };
            let first = batch.num_rows().min(missing);
            if first < batch.num_rows() {
                let rest = batch.slice(first, batch.num_rows() - first);
                self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_front(rest);
            }
            missing -= first;
            taken.push(batch.slice(0, first));
        }
        Ok(taken)
    }

    /// Asks for more batches; whether there were any.
    fn more(&self, py: Python<'_>) -> PyResult<bool> {
        let pulled = plan(py, self.source.next())?;
        let batches = self.source.batches(pulled).map_err(|error| to_py(py, &error))?;
        let some = !batches.is_empty();
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).extend(batches);
        // Last: a warning may be an exception, and the rows are for the next call then.
        say(py, &self.source.frame.take_notices())?;
        Ok(some)
    }
}

#[pymethods]
impl RowReader {
    /// The next rows as tuples: at most `rows` of them, all by default, none at the end.
    #[pyo3(signature = (rows=None))]
    fn fetch<'py>(&self, py: Python<'py>, rows: Option<usize>) -> PyResult<Bound<'py, PyList>> {
        let batches = self.take(py, rows.unwrap_or(usize::MAX))?;
        let list = PyList::empty(py);
        cell::for_each_row(py, &batches, |values| list.append(PyTuple::new(py, values)?))?;
        Ok(list)
    }
}
