//! The command line from Python: the same code as the binary, writing to Python's streams.

use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::error::to_py;
use crate::runtime::{check_process, check_signals, enter};

/// Runs one command line, without the program name, and returns its exit code.
#[pyfunction]
pub(crate) fn cli_main(py: Python<'_>, argv: Vec<OsString>) -> PyResult<u8> {
    check_process().map_err(|error| to_py(py, &error))?;
    let sys = py.import("sys")?;
    let stdout = sys.getattr("stdout")?;
    let terminal = stdout.call_method0("isatty").and_then(|answer| answer.is_truthy()).unwrap_or(false);
    let program = program(py)?;
    let mut out = BufWriter::new(PyStream::new(stdout));
    let mut err = PyStream::new(sys.getattr("stderr")?);
    let raised = Mutex::new(None);
    let code = py.detach(|| {
        let mut input = BufReader::new(io::stdin());
        let mut streams = velaria_cli::Io::new(&mut input, &mut out, &mut err, terminal).with_program(program);
        velaria_cli::run(argv, &mut streams, &mut || check_signals(&raised))
    });
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(exception) => Err(exception),
        None => Ok(code),
    }
}

/// Runs one command line, without the program name, as the program of this process: signals and the standard streams are
/// the command line's own, as in the binary. Returns the exit code.
#[pyfunction]
pub(crate) fn cli_program(py: Python<'_>, argv: Vec<OsString>) -> PyResult<u8> {
    check_process().map_err(|error| to_py(py, &error))?;
    let program = program(py)?;
    let code = py.detach(|| {
        let mut streams = velaria_cli::Streams::standard();
        velaria_cli::run(argv, &mut streams.io().with_program(program), &mut || Ok(()))
    });
    // The interpreter was told of the signals as well; what they meant is in the code.
    let _ = py.check_signals();
    Ok(code)
}

/// Does an action of a tracked run on this thread and returns its document and the files that it made, as JSON.
#[pyfunction]
pub(crate) fn cli_act(py: Python<'_>, run_id: &str, action: Vec<OsString>) -> PyResult<String> {
    enter(py, |check| velaria_cli::act(run_id, action, check))
}

/// What the interpreter of a worker runs. The package is that of this process, wherever it was found, and only it.
const WORKER: &str = "import sys
sys.path.insert(0, sys.argv.pop(1))
from velaria.__main__ import entry_point
del sys.path[0]
entry_point()";

/// The program that runs this command line again: the interpreter, or nothing where Python is a part of another program.
fn program(py: Python<'_>) -> PyResult<Vec<OsString>> {
    let executable: Option<OsString> = py.import("sys")?.getattr("executable")?.extract()?;
    let Some(executable) = executable.filter(|path| !path.is_empty()) else { return Ok(Vec::new()) };
    let file: PathBuf = py.import("velaria")?.getattr("__file__")?.extract()?;
    let root = file.parent().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    Ok(vec![executable, "-c".into(), WORKER.into(), root.into_os_string()])
}

/// A Python text stream. Bytes go to the buffer below it, where there is one.
struct PyStream {
    stream: Py<PyAny>,
    /// The start of a character whose end is still to come, for streams without a buffer.
    partial: Vec<u8>,
}

impl PyStream {
    fn new(stream: Bound<'_, PyAny>) -> Self {
        Self { stream: stream.unbind(), partial: Vec::new() }
    }

    /// The text that `bytes` complete; writers cut between any two bytes.
    fn text(&mut self, bytes: &[u8]) -> io::Result<String> {
        self.partial.extend_from_slice(bytes);
        let end = match str::from_utf8(&self.partial) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let rest = self.partial.split_off(end);
        String::from_utf8(mem::replace(&mut self.partial, rest)).map_err(io::Error::other)
    }
}

impl Write for PyStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let stream = self.stream.clone_ref(py).into_bound(py);
            let Ok(buffer) = stream.getattr("buffer") else {
                stream.call_method1("write", (self.text(bytes)?,))?;
                return Ok(bytes.len());
            };
            stream.call_method0("flush")?;
            // A stream without a buffer of its own, as `python -u` has it, may take a part, or nothing at this moment.
            let taken: Option<usize> = buffer.call_method1("write", (bytes,))?.extract()?;
            taken.ok_or_else(|| io::ErrorKind::WouldBlock.into())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Python::attach(|py| self.stream.bind(py).call_method0("flush").map(|_| ()).map_err(io::Error::from))
    }
}
