//! Callbacks that are told the progress of a query.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use velaria::{ProgressWatch, Watched};

use crate::threads::{self, TICK};

thread_local! {
    /// Whether this thread tells the progress of a query.
    static REPORTS: Cell<bool> = const { Cell::new(false) };
}

/// The callbacks of one query.
#[derive(Default)]
pub(super) struct Reports {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    callbacks: Vec<Py<PyAny>>,
    /// The run that is told, or was.
    run: Option<u64>,
    /// Threads that tell it.
    running: usize,
}

impl Reports {
    // Nothing that Python does happens under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, callback: Py<PyAny>) {
        self.lock().callbacks.push(callback);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().callbacks.is_empty()
    }

    /// The callbacks for the collector of garbage, unless somebody has them in hand.
    pub(super) fn visit(&self, visit: &pyo3::pyclass::PyVisit<'_>) -> Result<(), pyo3::pyclass::PyTraverseError> {
        match self.state.try_lock() {
            Ok(state) => state.callbacks.iter().try_for_each(|callback| visit.call(callback)),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn clear(&self) {
        let callbacks = std::mem::take(&mut self.lock().callbacks);
        drop(callbacks);
    }

    /// Starts a thread that tells the run of now, unless it is told already.
    pub(super) fn tell(self: &Arc<Self>, py: Python<'_>, query: &velaria::StreamingQuery) -> PyResult<()> {
        if self.is_empty() {
            return Ok(());
        }
        let watch = py.detach(|| query.watch());
        {
            let mut state = self.lock();
            if state.run.replace(watch.run()) == Some(watch.run()) {
                return Ok(());
            }
            state.running += 1;
        }
        let name = format!("{}-progress", query.id());
        let watch = Watch { watch: Mutex::new(Some(watch)), reports: Arc::clone(self) };
        threads::start(py, &name, "report", (Bound::new(py, watch)?, query.id()))
    }

    /// Waits for the callbacks to have been told everything, for a while: they may take as long as they like.
    pub(super) fn settle(&self, patience: Duration) -> bool {
        if REPORTS.get() {
            return true;
        }
        let waited = self.ended.wait_timeout_while(self.lock(), patience, |state| state.running > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.running == 0
    }
}

/// The progress of one run, for the thread that tells it.
#[pyclass(frozen, module = "velaria")]
struct Watch {
    watch: Mutex<Option<ProgressWatch>>,
    reports: Arc<Reports>,
}

#[pymethods]
impl Watch {
    /// The next progress as JSON, or `None` at the end.
    fn next(&self, py: Python<'_>) -> Option<String> {
        REPORTS.set(true);
        let mut guard = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = guard.as_mut()?;
        let look = || match watch.next(TICK) {
            Watched::Progress(progress) => Some(velaria::json::to_line(&*progress).ok()),
            Watched::Nothing => None,
            Watched::End => Some(None),
        };
        // Whoever waits for the callbacks does so for a while only.
        threads::wait(py, look, || {})
    }

    /// Whom to tell.
    fn callbacks(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.reports.lock().callbacks.iter().map(|callback| callback.clone_ref(py)).collect()
    }

    /// The thread is done.
    fn leave(&self) {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if watch.is_some() {
            self.reports.lock().running -= 1;
            self.reports.ended.notify_all();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // For a thread that could not be started.
        self.leave();
    }
}
