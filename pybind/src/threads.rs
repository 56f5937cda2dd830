//! Threads on which code of the program runs for the engine: its sources, its sinks, its callbacks.
//!
//! They are threads of Python, whose loops stand in `velaria/_threads.py`: the interpreter ends a thread that is in Python code
//! when it exits, which must not find frames of ours beneath. What such a thread waits for in here it waits for in ticks; once
//! the interpreter exits, the wait is never left again, and the engine is told so: code that runs at the exit may stop a query
//! that waits for the thread.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use velaria::Result;

use crate::error::to_engine;
use crate::exit::{self, Visit};
use crate::runtime::shutting_down;

/// How long a wait goes on before it looks whether the interpreter exits.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Starts a thread called `name` that runs a function of `velaria._threads`.
pub(crate) fn start<'py>(
    py: Python<'py>,
    name: &str,
    function: &str,
    arguments: impl IntoPyObject<'py>,
) -> PyResult<()> {
    let module = py.import("velaria._threads")?;
    let options = PyDict::new(py);
    options.set_item("target", module.getattr(function)?)?;
    options.set_item("args", arguments)?;
    options.set_item("name", name)?;
    options.set_item("daemon", true)?;
    py.import("threading")?.getattr("Thread")?.call((), Some(&options))?.call_method0("start").map(|_| ())
}

/// Looks again and again with the lock released until there is something; each look takes a [`TICK`] at the most. `leave` runs
/// when the thread stays away for ever.
pub(crate) fn wait<T: Send>(py: Python<'_>, look: impl FnMut() -> Option<T> + Send, leave: impl FnOnce() + Send) -> T {
    let (found, _way_back) = py.detach(|| look_until(look, leave));
    found
}

/// What was found, and the leave to go back to the interpreter with it.
fn look_until<T>(mut look: impl FnMut() -> Option<T>, leave: impl FnOnce()) -> (T, Visit) {
    let mut leave = Some(leave);
    loop {
        let found = look();
        if found.is_none() && !exit::is_closed() {
            continue;
        }
        let visit = Visit::begin().unwrap_or_else(|| {
            if let Some(leave) = leave.take() {
                leave();
            }
            exit::come_back()
        });
        if let Some(found) = found {
            return (found, visit);
        }
    }
}

/// Runs short code of Python on a thread of the engine.
pub(crate) fn visit<T>(action: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T> {
    exit::visit(|py| action(py).map_err(|raised| to_engine(py, "the program", raised)))
        .unwrap_or_else(|| Err(shutting_down()))
}
