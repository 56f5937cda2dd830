//! The command line from Python: the same code as the binary, writing to Python's streams.

use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Write};
use std::mem;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::error::to_py;
use crate::runtime::{check_process, check_signals};

/// Runs one command line, without the program name, and returns its exit code.
#[pyfunction]
pub(crate) fn cli_main(py: Python<'_>, argv: Vec<OsString>) -> PyResult<u8> {
    check_process().map_err(|error| to_py(py, &error))?;
    let sys = py.import("sys")?;
    let stdout = sys.getattr("stdout")?;
    let terminal = stdout.call_method0("isatty").and_then(|answer| answer.is_truthy()).unwrap_or(false);
    let mut out = BufWriter::new(PyStream::new(stdout));
    let mut err = PyStream::new(sys.getattr("stderr")?);
    let raised = Mutex::new(None);
    let code = py.detach(|| {
        let mut input = BufReader::new(io::stdin());
        let mut streams = velaria_cli::Io::new(&mut input, &mut out, &mut err, terminal);
        velaria_cli::run(argv, &mut streams, &mut || check_signals(&raised))
    });
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(exception) => Err(exception),
        None => Ok(code),
    }
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
            let written = match stream.getattr("buffer") {
                Ok(buffer) => stream.call_method0("flush").and_then(|_| buffer.call_method1("write", (bytes,))),
                Err(_) => stream.call_method1("write", (self.text(bytes)?,)),
            };
            written.map(|_| bytes.len()).map_err(io::Error::from)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Python::attach(|py| self.stream.bind(py).call_method0("flush").map(|_| ()).map_err(io::Error::from))
    }
}
