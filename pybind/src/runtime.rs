//! The one way from Python into the engine: the lock is released, Ctrl-C is noticed, a forked child is refused.

use std::future::Future;
use std::process;
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;
use velaria::{Error, ErrorCode, Result};

use crate::error::to_py;

static OWNER: OnceLock<u32> = OnceLock::new();

/// Runs `future` on the engine's threads with the lock released.
///
/// A signal handler that raises (Ctrl-C by default) ends the query and its exception is passed on.
pub(crate) fn wait<T, F>(py: Python<'_>, future: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    check_process().map_err(|error| to_py(py, &error))?;
    let raised = Mutex::new(None);
    let result = py.detach(|| velaria::wait(future, || check_signals(&raised)));
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(exception) => Err(exception),
        None => result.map_err(|error| to_py(py, &error)),
    }
}

/// Lets a signal handler run; its exception is kept in `raised`.
pub(crate) fn check_signals(raised: &Mutex<Option<PyErr>>) -> Result<()> {
    match Python::try_attach(|py| py.check_signals()) {
        // The interpreter is shutting down: nobody waits for the answer any more.
        None => Err(Error::new(ErrorCode::Cancelled, "the interpreter is shutting down")),
        Some(Ok(())) => Ok(()),
        Some(Err(exception)) => {
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(exception);
            Err(Error::new(ErrorCode::Cancelled, "interrupted"))
        }
    }
}

/// The engine's threads do not survive a fork: without this check the child would wait for ever.
fn check_process() -> Result<()> {
    let owner = *OWNER.get_or_init(process::id);
    if owner == process::id() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Closed, "velaria cannot be used in a forked process that used it before the fork")
        .with_hint("start child processes with multiprocessing's \"spawn\" or \"forkserver\" method"))
}
