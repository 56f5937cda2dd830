//! Engine calls that a coroutine awaits: no thread of Python waits for them.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use velaria::{Background, Error, ErrorCode, Result};

use crate::error::to_py;
use crate::exit::visit;
use crate::logs;
use crate::runtime::check_process;

/// What a call gives, and what there is to say about it.
pub(crate) type Outcome = (Py<PyAny>, Vec<String>);

/// Begins the work; the callable is called with the result.
type Start = Box<dyn FnOnce(Py<PyAny>) -> Result<Background> + Send>;

/// An engine call that begins when its coroutine does.
#[pyclass(frozen, module = "velaria._velaria", name = "_Job")]
pub(crate) struct Job(Mutex<State>);

enum State {
    Ready(Start),
    /// Held only: dropping it tells the call to stop.
    Running(#[expect(dead_code, reason = "it is held for its drop")] Background),
    Ended,
}

impl Job {
    /// A call of `future`. `convert` makes its value one of Python, on a thread that may take its time.
    pub(crate) fn new<T, F, C>(future: F, convert: C) -> Self
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        C: FnOnce(Python<'_>, T) -> PyResult<Outcome> + Send + 'static,
    {
        let start = move |done: Py<PyAny>| velaria::begin(future, move |result| answer(&done, result, convert));
        Self(Mutex::new(State::Ready(Box::new(start))))
    }

    /// The coroutine that runs it.
    pub(crate) fn coroutine(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        py.import(intern!(py, "velaria._aio"))?.call_method1(intern!(py, "wait"), (self,))
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

#[pymethods]
impl Job {
    /// Begins. `done(value, notices, error)` is called once, on another thread, unless the job is stopped before.
    fn start(&self, py: Python<'_>, done: Py<PyAny>) -> PyResult<()> {
        logs::refresh(py)?;
        let State::Ready(start) = self.replace(State::Ended) else {
            return Err(to_py(py, &Error::new(ErrorCode::Internal, "a job was started twice")));
        };
        let begun = check_process().and_then(|()| py.detach(|| start(done)));
        self.replace(State::Running(begun.map_err(|error| to_py(py, &error))?));
        Ok(())
    }

    /// Tells the engine to stop, if it works.
    fn stop(&self, py: Python<'_>) {
        let ended = self.replace(State::Ended);
        py.detach(|| drop(ended));
        logs::deliver_apart(py);
    }
}

/// `made`, or a coroutine that raises why there is none: who awaits a call looks for its errors there.
pub(crate) fn or_failed<'py>(py: Python<'py>, made: PyResult<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    match made {
        Err(error) if error.is_instance_of::<PyException>(py) => {
            py.import(intern!(py, "velaria._aio"))?.call_method1(intern!(py, "failed"), (error,))
        }
        made => made,
    }
}

fn answer<T>(done: &Py<PyAny>, result: Result<T>, convert: impl FnOnce(Python<'_>, T) -> PyResult<Outcome>) {
    // There is no answer to an interpreter that has ended.
    let _ = visit(|py| {
        let converted = catch_unwind(AssertUnwindSafe(|| result.map(|value| convert(py, value))));
        let panicked = || Error::new(ErrorCode::Internal, "a result could not be made into one of Python");
        let outcome = match converted {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(to_py(py, &error)),
            // Who awaits it would wait for ever.
            Err(_) => Err(to_py(py, &panicked())),
        };
        let said = match outcome {
            Ok((value, notices)) => done.call1(py, (value, notices, py.None())),
            Err(error) => done.call1(py, (py.None(), Vec::<String>::new(), error.into_value(py))),
        };
        if let Err(error) = said {
            error.write_unraisable(py, None);
        }
        logs::deliver_apart(py);
    });
}
