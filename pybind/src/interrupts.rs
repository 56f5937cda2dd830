//! Ctrl-C, as threads see it that the interpreter tells nothing about signals.
//!
//! Only the main thread may ask whether a signal came. DuckDB and pyarrow pull a stream on threads of their own while the
//! main thread waits for them and asks nothing, so nobody would end a query that computes. The interpreter writes the number
//! of each signal into a file of its choice as soon as it comes, which any thread may read: here that is a pipe.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// The two ends of the pipe; none where there can be none.
static PIPE: PyOnceLock<Option<(i32, i32)>> = PyOnceLock::new();

/// How many numbers are taken at a time.
const SIGNALS_MAX: usize = 4096;

/// Begins to listen, once in a process. Only the main thread can, and it may be others that export and pull.
///
/// Who has the interpreter write elsewhere, as asyncio may, keeps that; then nothing changes.
pub(crate) fn prepare(py: Python<'_>) {
    if PIPE.get(py).is_none() {
        listen(py);
    }
}

/// Listens for a stream that is made now. What came before is not meant for it.
pub(crate) fn listen(py: Python<'_>) {
    // Without it everything works as before.
    if cfg!(unix) && take(py).is_ok() && is_main_thread(py).unwrap_or(false) {
        let _ = install(py);
    }
}

/// Whether Ctrl-C was pressed, for a thread that is not the main one.
pub(crate) fn heard(py: Python<'_>) -> bool {
    !is_main_thread(py).unwrap_or(true) && take(py).unwrap_or(false)
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    threading.call_method0("get_ident")?.eq(main)
}

fn pipe(py: Python<'_>) -> Option<(i32, i32)> {
    *PIPE.get_or_init(py, || make_pipe(py).ok())
}

fn make_pipe(py: Python<'_>) -> PyResult<(i32, i32)> {
    let os = py.import("os")?;
    let ends: (i32, i32) = os.call_method0("pipe")?.extract()?;
    os.call_method1("set_blocking", (ends.0, false))?;
    os.call_method1("set_blocking", (ends.1, false))?;
    Ok(ends)
}

fn install(py: Python<'_>) -> PyResult<()> {
    let Some((_, input)) = pipe(py) else { return Ok(()) };
    let signal = py.import("signal")?;
    let quiet = PyDict::new(py);
    quiet.set_item("warn_on_full_buffer", false)?;
    let before: i32 = signal.call_method("set_wakeup_fd", (input,), Some(&quiet))?.extract()?;
    if before != -1 && before != input {
        signal.call_method1("set_wakeup_fd", (before,))?;
    }
    Ok(())
}

/// Takes what was written, and tells whether Ctrl-C is among it and means what it usually means.
fn take(py: Python<'_>) -> PyResult<bool> {
    let Some((output, _)) = pipe(py) else { return Ok(false) };
    // Nothing to read is an error, too.
    let Ok(read) = py.import("os")?.call_method1("read", (output, SIGNALS_MAX)) else { return Ok(false) };
    let signal = py.import("signal")?;
    let (number, usual) = (signal.getattr("SIGINT")?, signal.getattr("default_int_handler")?);
    Ok(read.contains(&number)? && signal.call_method1("getsignal", (number,))?.is(&usual))
}
