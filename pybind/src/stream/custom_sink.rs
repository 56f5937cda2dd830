//! Anything that Python can call as a sink of stream queries.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use velaria::stream::{self, EmissionTaker, HandedSinkTable, SinkTable, Taken};

use super::{Emission, RealtimeStreamSink};
use crate::error::{to_engine, wrong_type};
use crate::runtime::shutting_down;
use crate::threads::{self, TICK};

thread_local! {
    /// The query whose sink runs on this thread.
    static WRITES: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Whether this thread is the one on which the sink of the query called `id` runs, which the query waits for.
pub(super) fn is_called_by(id: &str) -> bool {
    WRITES.with_borrow(|query| query.as_deref() == Some(id))
}

/// The sink that `sink` means: a queue of ours, something to call, or something with a method `write_batch`.
pub(crate) fn sink_table(sink: &Bound<'_, PyAny>) -> PyResult<Arc<dyn SinkTable>> {
    if let Ok(queue) = sink.cast::<RealtimeStreamSink>() {
        return Ok(Arc::new(queue.get().sink().clone()));
    }
    if !sink.hasattr("write_batch")? && !sink.is_callable() {
        let message = "sink must be a RealtimeStreamSink, a function of an emission, or have a method write_batch";
        return Err(wrong_type(sink.py(), message));
    }
    Ok(Arc::new(HandedSinkTable::new(ProgramSink { sink: sink.clone().unbind() })))
}

struct ProgramSink {
    sink: Py<PyAny>,
}

impl fmt::Debug for ProgramSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramSink").finish_non_exhaustive()
    }
}

impl EmissionTaker for ProgramSink {
    fn start(&self, outlet: stream::Outlet) -> velaria::Result<()> {
        threads::visit(|py| {
            let name = format!("{}-sink", outlet.query_id());
            let outlet = Bound::new(py, Outlet { outlet: Mutex::new(Some(outlet)) })?;
            threads::start(py, &name, "drain", (outlet, &self.sink))
        })
    }
}

/// Where the thread of a sink takes what its query emits.
#[pyclass(frozen, module = "velaria")]
struct Outlet {
    /// `None` when the thread has said that it is done.
    outlet: Mutex<Option<stream::Outlet>>,
}

impl Outlet {
    fn with<T>(&self, action: impl FnOnce(Option<&stream::Outlet>) -> T) -> T {
        action(self.outlet.lock().unwrap_or_else(PoisonError::into_inner).as_ref())
    }
}

#[pymethods]
impl Outlet {
    /// The next emission and whether a checkpoint will remember it; `None` when there was none for so many seconds, `False` when
    /// there will be none any more.
    fn take<'py>(&self, py: Python<'py>, seconds: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let end = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let end = end.and_then(|patience| Instant::now().checked_add(patience));
        let taken = self.with(|outlet| {
            let Some(outlet) = outlet else { return Taken::Closed };
            WRITES.set(Some(outlet.query_id().to_owned()));
            let look = || {
                let left = end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()));
                match outlet.take(left.min(TICK)) {
                    Taken::Nothing if left.is_zero() => Some(Taken::Nothing),
                    Taken::Nothing => None,
                    taken => Some(taken),
                }
            };
            threads::wait(py, look, || outlet.abandon(shutting_down()))
        });
        match taken {
            Taken::Emission(emission) => {
                let is_remembered = emission.is_remembered;
                (Emission::new(emission), is_remembered).into_bound_py_any(py)
            }
            Taken::Nothing => Ok(py.None().into_bound(py)),
            Taken::Closed => false.into_bound_py_any(py),
        }
    }

    /// The emission is dealt with.
    fn done(&self) {
        self.with(|outlet| outlet.map(|outlet| outlet.done(Ok(()))));
    }

    /// It is not, because of an exception. Whether the query is told.
    fn fail(&self, py: Python<'_>, exception: &Bound<'_, PyBaseException>) -> bool {
        let raised = PyErr::from_value(exception.clone().into_any());
        let error = to_engine(py, "the stream sink", raised);
        self.with(|outlet| outlet.is_some_and(|outlet| outlet.done(Err(error))))
    }

    /// The thread is done with everything.
    fn leave(&self) {
        WRITES.set(None);
        let outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(outlet);
    }
}
