//! The one way from Python into the engine: the lock is released, Ctrl-C is noticed, a forked child is refused.
//!
//! A consumer of a C stream enters by a second door, [`wait_from_c`]: it may or may not hold the lock.

use std::future::Future;
use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::prelude::*;
use velaria::{Error, ErrorCode, Result};

use crate::error::to_py;
use crate::interrupts;

static OWNER: OnceLock<u32> = OnceLock::new();

/// Runs `future` on the engine's threads with the lock released.
///
/// A signal handler that raises (Ctrl-C by default) ends the query and its exception is passed on.
pub(crate) fn wait<T, F>(py: Python<'_>, future: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    enter(py, |check| velaria::wait(future, check))
}

/// Runs `future` like [`wait`], but lets it begin on this thread: a short query is planned without a hop.
pub(crate) fn plan<T, F>(py: Python<'_>, future: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    enter(py, |check| velaria::plan(future, check))
}

/// Lets signal handlers run; an error means that one raised.
pub(crate) type Check<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Runs `run` with the lock released; it calls the check it is given while it waits.
pub(crate) fn enter<T: Send>(py: Python<'_>, run: impl FnOnce(Check<'_>) -> Result<T> + Send) -> PyResult<T> {
    check_process().map_err(|error| to_py(py, &error))?;
    let raised = Mutex::new(None);
    let result = py.detach(|| run(&mut || check_signals(&raised)));
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(exception) => Err(exception),
        None => result.map_err(|error| to_py(py, &error)),
    }
}

/// Runs `future` like [`plan`] for a caller that speaks C, on a thread that holds the lock or does not.
///
/// C has no exceptions: after an interrupt the result is an error in words, and the signal is set again so that the
/// caller's return to Python raises `KeyboardInterrupt`.
pub(crate) fn wait_from_c<T, F>(future: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    check_process()?;
    let Some(_visit) = Visit::begin() else { return Err(shutting_down()) };
    let waited = attached(|py| {
        let raised = Mutex::new(None);
        let check = || check_exit().and_then(|()| check_signals(&raised)).and_then(|()| check_interrupts());
        let result = py.detach(|| velaria::plan(future, check));
        if raised.into_inner().is_ok_and(|exception| exception.is_some()) {
            rearm_interrupt();
        }
        result
    });
    waited.unwrap_or_else(|| Err(shutting_down()))
}

/// A thread that is none of Python's is told here that Ctrl-C was pressed; the main thread is told by Python as well.
fn check_interrupts() -> Result<()> {
    match Python::try_attach(interrupts::heard) {
        Some(true) => Err(Error::new(ErrorCode::Cancelled, "interrupted")),
        _ => Ok(()),
    }
}

/// The thread on which the interpreter ends, once it does.
static LEAVING: OnceLock<ThreadId> = OnceLock::new();

/// How many threads are inside of calls that need the interpreter.
static VISITS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// How long the end of the interpreter waits for them.
const LEAVE: Duration = Duration::from_secs(2);

/// A call that needs the interpreter, on a thread that is none of Python's.
///
/// The interpreter never comes back to threads that ask for it while it ends, and the library whose thread it is would wait
/// for it when the process ends. So it does not end before they are out.
pub(crate) struct Visit(());

impl Visit {
    /// Begins a call; `None` when the interpreter ends.
    pub(crate) fn begin() -> Option<Self> {
        *visits() += 1;
        let visit = Self(());
        check_exit().ok().map(|()| visit)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        *visits() -= 1;
        VISITS.1.notify_all();
    }
}

fn visits() -> MutexGuard<'static, usize> {
    VISITS.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this thread may still ask for the interpreter.
fn check_exit() -> Result<()> {
    match LEAVING.get() {
        Some(main) if *main != thread::current().id() => Err(shutting_down()),
        _ => Ok(()),
    }
}

/// Called when the interpreter is about to end: no call begins on other threads, and those that run come to an end.
#[pyfunction]
fn leave(py: Python<'_>) {
    let _ = LEAVING.set(thread::current().id());
    py.detach(|| {
        let out = VISITS.1.wait_timeout_while(visits(), LEAVE, |visits| *visits > 0);
        drop(out.unwrap_or_else(PoisonError::into_inner));
    });
}

/// Has the interpreter say when it is about to end.
pub(crate) fn notice_exit(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(leave, module)?,)).map(|_| ())
}

/// Attaches this thread to the interpreter, whatever pyo3 believes about it.
///
/// pyo3 counts its own attachments. `to_arrow` calls pyarrow, which gives the lock away before it pulls from us: on that
/// thread pyo3 would still count one and take the lock for granted, so the interpreter itself has to be asked.
fn attached<R>(action: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let _lock = Lock::take()?;
    Python::try_attach(action)
}

/// The interpreter lock, released on drop.
struct Lock(pyo3::ffi::PyGILState_STATE);

impl Lock {
    fn take() -> Option<Self> {
        #[expect(unsafe_code, reason = "pyo3 skips this call where it believes to hold the lock")]
        // SAFETY: the first call is always allowed; the second one is while the interpreter is initialized, on any
        // thread and with or without the lock, and `drop` makes its counterpart on the same thread (not `Send`).
        unsafe {
            (pyo3::ffi::Py_IsInitialized() != 0).then(|| Self(pyo3::ffi::PyGILState_Ensure()))
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "counterpart of `take`")]
        // SAFETY: `take` made the state on this thread.
        unsafe {
            pyo3::ffi::PyGILState_Release(self.0);
        }
    }
}

fn rearm_interrupt() {
    #[expect(unsafe_code, reason = "the only way to set the interpreter's interrupt flag from outside of Python code")]
    // SAFETY: the function may be called at any time, with or without the interpreter lock.
    unsafe {
        pyo3::ffi::PyErr_SetInterrupt();
    }
}

/// What a Python library that was called for us returned; an interrupt goes before what the library made of it.
pub(crate) fn interrupt_first<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<T> {
    result.or_else(|error| py.check_signals().and(Err(error)))
}

/// Lets a signal handler run; its exception is kept in `raised`.
pub(crate) fn check_signals(raised: &Mutex<Option<PyErr>>) -> Result<()> {
    match Python::try_attach(|py| py.check_signals()) {
        None => Err(shutting_down()),
        Some(Ok(())) => Ok(()),
        Some(Err(exception)) => {
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(exception);
            Err(Error::new(ErrorCode::Cancelled, "interrupted"))
        }
    }
}

/// Nobody waits for the answer any more.
pub(crate) fn shutting_down() -> Error {
    Error::new(ErrorCode::Cancelled, "the interpreter is shutting down")
}

/// The engine's threads do not survive a fork: without this check the child would wait for ever.
pub(crate) fn check_process() -> Result<()> {
    let owner = *OWNER.get_or_init(process::id);
    if owner == process::id() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Closed, "velaria cannot be used in a forked process that used it before the fork")
        .with_hint("start child processes with multiprocessing's \"spawn\" or \"forkserver\" method"))
}
