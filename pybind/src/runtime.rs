//! The one way from Python into the engine: the lock is released, Ctrl-C is noticed, a forked child is refused.
//!
//! A consumer of a C stream enters by a second door, [`wait_from_c`]: it may or may not hold the lock.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::future::Future;
use std::process;
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use velaria::{Error, ErrorCode, Result};

use crate::error::to_py;
use crate::exit::{Visit, come_back, is_closed};
use crate::interrupts;
use crate::logs;

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
    // Waits that are short and many would never look.
    py.check_signals()?;
    logs::refresh(py)?;
    let outer = RAISED.replace(Some(None));
    let raised = Mutex::new(None);
    let (result, way_back) = py.detach(|| (run(&mut || check_signals(&raised)), come_back()));
    drop(way_back);
    let told = RAISED.replace(outer).flatten();
    let logged = logs::deliver(py);
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner).or(told) {
        Some(exception) => Err(exception),
        None => logged.and(result.map_err(|error| to_py(py, &error))),
    }
}

thread_local! {
    /// What code of the program raised on this thread while it waits for the engine, if it does wait.
    static RAISED: RefCell<Option<Option<PyErr>>> = const { RefCell::new(None) };
}

/// Has the call that this thread waits in end with `exception`; gives it back when the thread waits in none.
pub(crate) fn end_wait(exception: PyErr) -> Result<(), PyErr> {
    RAISED.with_borrow_mut(|raised| match raised {
        Some(slot) => {
            slot.get_or_insert(exception);
            Ok(())
        }
        None => Err(exception),
    })
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
        if let Some(exception) = raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
            raise_later(py, exception);
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

/// Whether this thread may still ask for the interpreter.
fn check_exit() -> Result<()> {
    if is_closed() { Err(shutting_down()) } else { Ok(()) }
}

/// Attaches this thread to the interpreter, whatever pyo3 believes about it.
///
/// pyo3 counts its own attachments. `to_arrow` calls pyarrow, which gives the lock away before it pulls from us: on that
/// thread pyo3 would still count one and take the lock for granted, so the interpreter itself has to be asked.
pub(crate) fn attached<R>(action: impl FnOnce(Python<'_>) -> R) -> Option<R> {
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

/// Makes Python code that the main thread runs next raise what a signal handler raised.
///
/// Libraries look for `KeyboardInterrupt` themselves, and by the flag of the interpreter; for others there is its queue of
/// calls.
fn raise_later(py: Python<'_>, exception: PyErr) {
    if exception.is_instance_of::<PyKeyboardInterrupt>(py) || !queue(exception) {
        #[expect(unsafe_code, reason = "the only way to set the interpreter's interrupt flag")]
        // SAFETY: the function may be called at any time, with or without the interpreter lock.
        unsafe {
            pyo3::ffi::PyErr_SetInterrupt();
        }
    }
}

/// Queues a call that raises `exception`; `false` when the queue is full.
fn queue(exception: PyErr) -> bool {
    let argument = Box::into_raw(Box::new(exception)).cast::<c_void>();
    #[expect(unsafe_code, reason = "pending calls are an interface of C")]
    // SAFETY: the interpreter calls the function once with the argument, which is a box that nobody else has; and never when
    // it says that it did not queue it, so the box is taken back then.
    unsafe {
        let queued = pyo3::ffi::Py_AddPendingCall(Some(raise), argument) == 0;
        if !queued {
            drop(Box::from_raw(argument.cast::<PyErr>()));
        }
        queued
    }
}

/// Raises the exception in the box that `argument` points to. The interpreter calls it on the main thread, with the lock.
extern "C" fn raise(argument: *mut c_void) -> c_int {
    #[expect(unsafe_code, reason = "an argument of C")]
    // SAFETY: `queue` made the box for this one call.
    let exception = unsafe { Box::from_raw(argument.cast::<PyErr>()) };
    Python::attach(|py| exception.restore(py));
    -1
}

/// What a Python library that was called for us returned; an interrupt goes before what the library made of it.
pub(crate) fn interrupt_first<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<T> {
    result.or_else(|error| py.check_signals().and(Err(error)))
}

/// Lets a signal handler run; its exception is kept in `raised`.
pub(crate) fn check_signals(raised: &Mutex<Option<PyErr>>) -> Result<()> {
    let Some(_visit) = Visit::begin() else { return Err(shutting_down()) };
    match Python::try_attach(|py| py.check_signals()) {
        None => Err(shutting_down()),
        Some(Ok(())) if RAISED.with_borrow(|raised| matches!(raised, Some(Some(_)))) => {
            Err(Error::new(ErrorCode::Cancelled, "interrupted"))
        }
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
