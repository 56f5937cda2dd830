//! numpy arrays as Arrow arrays, through numpy's array interface (version 3) and without importing numpy.
//!
//! Numbers are shared and not copied: the array must not be changed while a frame uses it. A two-dimensional array
//! becomes a column of vectors.

use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, BooleanArray, FixedSizeListArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow::datatypes::{DataType, Field, TimeUnit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use velaria::{Error, ErrorCode};

use crate::error::to_py;

/// The Arrow array of a numpy array of numbers or booleans; `None` for everything else.
pub(crate) fn array(obj: &Bound<'_, PyAny>) -> PyResult<Option<ArrayRef>> {
    // The interface does not carry the mask of a masked array, whose hidden values must not come to light.
    if !obj.hasattr("__array_interface__")? || obj.hasattr("mask")? {
        return Ok(None);
    }
    let contiguous = contiguous(obj)?;
    let interface = contiguous.getattr("__array_interface__")?.cast_into::<PyDict>()?;
    let kind: String = item(&interface, "typestr")?.extract()?;
    let shape: Vec<usize> = item(&interface, "shape")?.extract()?;
    let (address, _read_only): (usize, bool) = item(&interface, "data")?.extract()?;
    let rows = match shape.as_slice() {
        [rows] | [rows, _] => *rows,
        _ => return Err(refused(obj, "it must have one or two dimensions")),
    };
    let length: usize = shape.iter().product();
    let Some(values) = values(&contiguous, &kind, address, length) else { return Ok(None) };
    let values = values.map_err(|error| to_py(obj.py(), &error))?;
    match shape.as_slice() {
        [_, width] => vectors(obj, values, *width, rows).map(Some),
        _ => Ok(Some(values)),
    }
}

fn item<'py>(interface: &Bound<'py, PyDict>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    interface.get_item(key)?.ok_or_else(|| refused(interface, &format!("its array interface has no {key}")))
}

fn refused(obj: &Bound<'_, PyAny>, why: &str) -> PyErr {
    to_py(obj.py(), &Error::new(ErrorCode::InvalidArgument, format!("cannot use this numpy array: {why}")))
}

/// The same array in C order and aligned; it is only copied when it is not so already.
fn contiguous<'py>(obj: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let flags = obj.getattr("flags")?;
    let ready = flags.get_item("C_CONTIGUOUS")?.is_truthy()? && flags.get_item("ALIGNED")?.is_truthy()?;
    if ready { Ok(obj.clone()) } else { obj.call_method("copy", PyTuple::new(obj.py(), ["C"])?, None) }
}

fn data_type(kind: &str) -> Option<DataType> {
    let native = if cfg!(target_endian = "little") { '<' } else { '>' };
    let code = kind.strip_prefix([native, '|', '='])?;
    match code {
        "i1" => Some(DataType::Int8),
        "i2" => Some(DataType::Int16),
        "i4" => Some(DataType::Int32),
        "i8" => Some(DataType::Int64),
        "u1" => Some(DataType::UInt8),
        "u2" => Some(DataType::UInt16),
        "u4" => Some(DataType::UInt32),
        "u8" => Some(DataType::UInt64),
        "f2" => Some(DataType::Float16),
        "f4" => Some(DataType::Float32),
        "f8" => Some(DataType::Float64),
        "b1" => Some(DataType::Boolean),
        _ => match code.split_at_checked(2)? {
            ("M8", rest) => Some(DataType::Timestamp(unit(rest)?, None)),
            ("m8", rest) => Some(DataType::Duration(unit(rest)?)),
            _ => None,
        },
    }
}

fn unit(text: &str) -> Option<TimeUnit> {
    match text {
        "[s]" => Some(TimeUnit::Second),
        "[ms]" => Some(TimeUnit::Millisecond),
        "[us]" => Some(TimeUnit::Microsecond),
        "[ns]" => Some(TimeUnit::Nanosecond),
        _ => None,
    }
}

/// numpy's "not a time" is the smallest integer.
fn times(buffer: &Buffer) -> NullBuffer {
    buffer.typed_data::<i64>().iter().map(|time| *time != i64::MIN).collect::<BooleanBuffer>().into()
}

fn values(owner: &Bound<'_, PyAny>, kind: &str, address: usize, length: usize) -> Option<Result<ArrayRef, Error>> {
    let data_type = data_type(kind)?;
    let width = data_type.primitive_width().unwrap_or(1);
    let buffer = match NonNull::new(address as *mut u8) {
        Some(pointer) if length > 0 => lend(owner, pointer, length.checked_mul(width)?),
        // Aligned for every type, unlike that of an empty vector of bytes.
        _ => MutableBuffer::new(0).into(),
    };
    if data_type == DataType::Boolean {
        // numpy has a byte for each boolean where Arrow has a bit.
        let booleans: BooleanArray = buffer.iter().map(|byte| Some(*byte != 0)).collect();
        return Some(Ok(Arc::new(booleans)));
    }
    let valid = matches!(data_type, DataType::Timestamp(..) | DataType::Duration(_)).then(|| times(&buffer));
    let built = ArrayData::builder(data_type).len(length).add_buffer(buffer).nulls(valid).build();
    Some(built.map(make_array).map_err(|error| Error::new(ErrorCode::InvalidArrow, error.to_string())))
}

/// The memory of `owner`, which is kept alive as long as the buffer is.
fn lend(owner: &Bound<'_, PyAny>, pointer: NonNull<u8>, bytes: usize) -> Buffer {
    let owner = Arc::new(AssertUnwindSafe(owner.clone().unbind()));
    #[expect(unsafe_code, reason = "memory that a Python object lends")]
    // SAFETY: the array interface promises `bytes` readable bytes at `pointer` for as long as the object lives, and the
    // buffer holds a reference to it. Any bit pattern is a number.
    unsafe {
        Buffer::from_custom_allocation(pointer, bytes, owner)
    }
}

fn vectors(obj: &Bound<'_, PyAny>, values: ArrayRef, width: usize, rows: usize) -> PyResult<ArrayRef> {
    let Ok(size) = i32::try_from(width) else { return Err(refused(obj, "its rows are too wide")) };
    if size == 0 && rows > 0 {
        return Err(refused(obj, "its rows are empty"));
    }
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    FixedSizeListArray::try_new(field, size, values, None)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| refused(obj, &error.to_string()))
}
