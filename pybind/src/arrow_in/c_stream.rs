//! The C stream interface: callbacks of somebody else.

use std::ffi::{CStr, c_int};
use std::thread;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use velaria::{Error, ErrorCode, Result};

use super::{c_array, c_schema, pointer};
use crate::error::to_py;
use crate::exit::{Lent, Visit};
use crate::runtime::shutting_down;

/// An `ArrowArrayStream` that is ours to read and to release.
pub(super) struct Stream {
    stream: Lent<FFI_ArrowArrayStream>,
}

#[expect(unsafe_code, reason = "the C stream interface is used from any one thread at a time")]
// SAFETY: the interface is not bound to a thread; `&mut self` keeps calls apart.
unsafe impl Send for Stream {}

impl Stream {
    pub(super) fn take(capsule: &Bound<'_, PyCapsule>) -> PyResult<Self> {
        let pointer = pointer(capsule, c"arrow_array_stream", "__arrow_c_stream__")?.cast::<FFI_ArrowArrayStream>();
        #[expect(unsafe_code, reason = "the capsule protocol hands out a pointer")]
        // SAFETY: a capsule of this name points to a stream; it is moved out, which the protocol allows once and marks by
        // clearing `release`.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
        if stream.release.is_none() {
            let error = Error::new(ErrorCode::InvalidArrow, "the Arrow stream was consumed already")
                .with_hint("a reader can be read once; make a new one");
            return Err(to_py(capsule.py(), &error));
        }
        Ok(Self { stream: Lent::new(stream) })
    }

    /// The type of the arrays. The lock is released around every call: the producer takes it where it needs it.
    pub(super) fn type_in(&mut self, py: Python<'_>) -> PyResult<DataType> {
        py.detach(|| self.data_type()).map_err(|error| with_python_cause(py, &error))
    }

    /// Reads to the end.
    pub(super) fn read(&mut self, py: Python<'_>, data_type: &DataType) -> PyResult<Vec<ArrayRef>> {
        let mut arrays = Vec::new();
        while let Some(array) = py.detach(|| self.next(data_type)).map_err(|error| with_python_cause(py, &error))? {
            arrays.push(array);
            py.check_signals()?;
        }
        Ok(arrays)
    }

    /// The arrays, one by one, for a thread of ours. They end with an error.
    pub(super) fn arrays(mut self, data_type: DataType) -> impl Iterator<Item = Result<ArrayRef>> + Send {
        let mut failed = false;
        std::iter::from_fn(move || {
            let next = if failed { None } else { self.visited(&data_type).transpose() };
            failed = matches!(next, Some(Err(_)));
            next
        })
    }

    /// The next array of a producer that may need the interpreter.
    fn visited(&mut self, data_type: &DataType) -> Result<Option<ArrayRef>> {
        let Some(_visit) = Visit::begin() else { return Err(shutting_down()) };
        self.next(data_type)
    }

    fn data_type(&mut self) -> Result<DataType> {
        let Some(get_schema) = self.stream.get_schema else { return Err(missing("get_schema")) };
        let mut schema = FFI_ArrowSchema::empty();
        #[expect(unsafe_code, reason = "callback of the C stream interface")]
        // SAFETY: the stream is not released, and both pointers are valid for the call.
        let status = unsafe { get_schema(&raw mut *self.stream, &raw mut schema) };
        self.check(status)?;
        if schema.release.is_none() {
            return Err(Error::new(ErrorCode::InvalidArrow, "the Arrow stream has no schema"));
        }
        c_schema::data_type(&schema)
    }

    fn next(&mut self, data_type: &DataType) -> Result<Option<ArrayRef>> {
        let Some(get_next) = self.stream.get_next else { return Err(missing("get_next")) };
        let mut array = FFI_ArrowArray::empty();
        #[expect(unsafe_code, reason = "callback of the C stream interface")]
        // SAFETY: the stream is not released, and both pointers are valid for the call. The two kinds of functions differ
        // in nothing but whether the caller expects to be unwound.
        let status = unsafe {
            let get_next = std::mem::transmute::<Callback, UnwindingCallback>(get_next);
            let stay = Stay;
            let status = get_next(&raw mut *self.stream, &raw mut array);
            std::mem::forget(stay);
            status
        };
        self.check(status)?;
        if array.is_released() { Ok(None) } else { c_array::import(array, data_type).map(Some) }
    }

    fn check(&mut self, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let text = self.last_error().unwrap_or_else(|| std::io::Error::from_raw_os_error(status).to_string());
        Err(Error::new(ErrorCode::InvalidArrow, format!("the Arrow stream failed: {text}")))
    }

    fn last_error(&mut self) -> Option<String> {
        let get_last_error = self.stream.get_last_error?;
        #[expect(unsafe_code, reason = "callback of the C stream interface")]
        // SAFETY: the stream is not released; the text, if any, lives until the next call and is copied at once.
        unsafe {
            let text = get_last_error(&raw mut *self.stream);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    }
}

type Callback = unsafe extern "C" fn(*mut FFI_ArrowArrayStream, *mut FFI_ArrowArray) -> c_int;
type UnwindingCallback = unsafe extern "C-unwind" fn(*mut FFI_ArrowArrayStream, *mut FFI_ArrowArray) -> c_int;

/// Keeps a thread for ever that would be unwound.
///
/// Before version 3.14 an interpreter that has ended ends the threads that ask for it, from within the callback. Rust cannot
/// go on from there, and aborts the process.
struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        loop {
            thread::park();
        }
    }
}

fn missing(callback: &str) -> Error {
    Error::new(ErrorCode::InvalidArrow, format!("the Arrow stream has no {callback} callback"))
}

/// `error` as an exception. A producer in Python may leave its own exception set, which says more than the text of the
/// interface; an interrupt that came while it ran is only in the text, and stays an interrupt.
fn with_python_cause(py: Python<'_>, error: &Error) -> PyErr {
    let raised = to_py(py, error);
    if let Some(cause) = PyErr::take(py) {
        raised.set_cause(py, Some(cause));
    }
    if !error.message().trim_end().ends_with("KeyboardInterrupt") {
        return raised;
    }
    let interrupt = PyKeyboardInterrupt::new_err(());
    interrupt.set_cause(py, Some(raised));
    interrupt
}
