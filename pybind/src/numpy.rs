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
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use velaria::{Error, ErrorCode};

use crate::error::to_py;

/// The Arrow array of a numpy array of numbers or booleans; `None` for everything else.
pub(crate) fn array(obj: &Bound<'_, PyAny>) -> PyResult<Option<ArrayRef>> {
    let py = obj.py();
    let Some(interface) = obj.getattr_opt(intern!(py, "__array_interface__"))? else { return Ok(None) };
    // The interface does not carry the mask of a masked array, whose hidden values must not come to light.
    if obj.hasattr(intern!(py, "mask"))? {
        return Ok(None);
    }
    let memory = Memory::read(&interface.cast_into()?)?;
    let Some(data_type) = data_type(&memory.kind) else { return Ok(None) };
    if memory.is_ready(&data_type) {
        return memory.array(obj, &data_type).map(Some);
    }
    let copy = obj.call_method1(intern!(py, "copy"), ("C",))?;
    let memory = Memory::read(&copy.getattr(intern!(py, "__array_interface__"))?.cast_into()?)?;
    memory.array(&copy, &data_type).map(Some)
}

/// Where the values of an array lie.
struct Memory {
    kind: String,
    shape: Vec<usize>,
    address: usize,
    /// Whether the values lie one after the other, the last dimension first.
    is_contiguous: bool,
}

impl Memory {
    fn read(interface: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = interface.py();
        let (address, _read_only): (usize, bool) = item(interface, intern!(py, "data"))?.extract()?;
        let strides = interface.get_item(intern!(py, "strides"))?;
        Ok(Self {
            kind: item(interface, intern!(py, "typestr"))?.extract()?,
            shape: item(interface, intern!(py, "shape"))?.extract()?,
            address,
            // The interface says strides only where they are others.
            is_contiguous: strides.is_none_or(|strides| strides.is_none()),
        })
    }

    /// Whether Arrow can read the values where they lie.
    fn is_ready(&self, data_type: &DataType) -> bool {
        self.is_contiguous && self.address.is_multiple_of(data_type.primitive_width().unwrap_or(1))
    }

    fn array(&self, owner: &Bound<'_, PyAny>, data_type: &DataType) -> PyResult<ArrayRef> {
        let (rows, width) = match self.shape.as_slice() {
            [rows] => (*rows, None),
            [rows, width] => (*rows, Some(*width)),
            _ => return Err(refused(owner, "it must have one or two dimensions")),
        };
        let length = rows.checked_mul(width.unwrap_or(1)).ok_or_else(|| refused(owner, "it is too large"))?;
        let values = values(owner, data_type, self.address, length).map_err(|error| to_py(owner.py(), &error))?;
        match width {
            Some(width) => vectors(owner, values, width, rows),
            None => Ok(values),
        }
    }
}

fn item<'py>(interface: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    interface.get_item(key)?.ok_or_else(|| refused(interface, &format!("its array interface has no {key}")))
}

fn refused(obj: &Bound<'_, PyAny>, why: &str) -> PyErr {
    to_py(obj.py(), &Error::new(ErrorCode::InvalidArgument, format!("cannot use this numpy array: {why}")))
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

fn values(owner: &Bound<'_, PyAny>, data_type: &DataType, address: usize, length: usize) -> Result<ArrayRef, Error> {
    let bytes = length.saturating_mul(data_type.primitive_width().unwrap_or(1));
    let buffer = match NonNull::new(address as *mut u8) {
        Some(pointer) if length > 0 => lend(owner, pointer, bytes),
        // Aligned for every type, unlike that of an empty vector of bytes.
        _ => MutableBuffer::new(0).into(),
    };
    if *data_type == DataType::Boolean {
        // numpy has a byte for each boolean where Arrow has a bit.
        let booleans: BooleanArray = buffer.iter().map(|byte| Some(*byte != 0)).collect();
        return Ok(Arc::new(booleans));
    }
    let valid = matches!(data_type, DataType::Timestamp(..) | DataType::Duration(_)).then(|| times(&buffer));
    let built = ArrayData::builder(data_type.clone()).len(length).add_buffer(buffer).nulls(valid).build();
    built.map(make_array).map_err(|error| Error::new(ErrorCode::InvalidArrow, error.to_string()))
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
