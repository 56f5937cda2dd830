//! Threads on which code of the program runs for the engine: its sources, its sinks, its callbacks.
//!
//! They are threads of Python, whose loops stand in `velaria/_threads.py`: the interpreter ends a thread that is in Python code
//! when it exits, which must not find frames of ours beneath. What such a thread waits for in here it waits for in ticks; once
//! the interpreter exits, the wait is never left again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyDict};
use velaria::{Error, ErrorCode, Result};

use crate::error::to_engine;

/// How long a wait goes on before it looks whether the interpreter exits.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// How long the exit of the interpreter waits for threads that are about to come back to it.
const FAREWELL_MS: u32 = 500;

/// Whether the interpreter exits.
static CLOSING: AtomicBool = AtomicBool::new(false);
/// Threads that will take the interpreter lock without being asked.
static COMING: AtomicUsize = AtomicUsize::new(0);

/// A thread that will take the lock.
struct Coming;

impl Coming {
    fn new() -> Self {
        COMING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        COMING.fetch_sub(1, Ordering::SeqCst);
    }
}

fn is_closing() -> bool {
    CLOSING.load(Ordering::SeqCst)
}

/// Starts a thread called `name` that runs a function of `velaria._threads`.
pub(crate) fn start<'py>(
    py: Python<'py>,
    name: &str,
    function: &str,
    arguments: impl IntoPyObject<'py>,
) -> PyResult<()> {
    leave_at_exit(py)?;
    let module = py.import("velaria._threads")?;
    let options = PyDict::new(py);
    options.set_item("target", module.getattr(function)?)?;
    options.set_item("args", arguments)?;
    options.set_item("name", name)?;
    options.set_item("daemon", true)?;
    py.import("threading")?.getattr("Thread")?.call((), Some(&options))?.call_method0("start").map(|_| ())
}

/// Looks again and again with the lock released until there is something; each look takes a [`TICK`] at the most.
pub(crate) fn wait<T: Send>(py: Python<'_>, look: impl FnMut() -> Option<T> + Send) -> T {
    let coming = Coming::new();
    let found = py.detach(|| look_until(look));
    drop(coming);
    found
}

fn look_until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if is_closing() {
            // The guard of the caller counts this thread, which will not come.
            drop(Coming);
            loop {
                thread::park();
            }
        }
        match look() {
            Some(found) if !is_closing() => return found,
            _ => {}
        }
    }
}

/// Runs short code of Python on a thread of the engine.
pub(crate) fn visit<T>(action: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T> {
    let _coming = Coming::new();
    let gone = || Error::new(ErrorCode::Cancelled, "the interpreter is shutting down");
    if is_closing() {
        return Err(gone());
    }
    Python::try_attach(|py| action(py).map_err(|raised| to_engine(py, "the program", raised)))
        .unwrap_or_else(|| Err(gone()))
}

fn leave_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: PyOnceLock<()> = PyOnceLock::new();
    REGISTERED.get_or_try_init(py, || register(py)).map(|()| ())
}

fn register(py: Python<'_>) -> PyResult<()> {
    let leave = PyCFunction::new_closure(py, None, None, |arguments, _| {
        arguments.py().detach(leave);
    })?;
    py.import("atexit")?.call_method1("register", (leave,)).map(|_| ())
}

/// Lets no thread come back to the interpreter any more, and waits for those that are on their way.
fn leave() {
    CLOSING.store(true, Ordering::SeqCst);
    for _ in 0..FAREWELL_MS {
        if COMING.load(Ordering::SeqCst) == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
