//! Query vectors from Python: one vector, or many of one length.
//!
//! numpy arrays and whatever speaks Arrow are converted as a whole; of other sequences each item is asked for its number.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyList, PyString, PyTuple};
use velaria::{Error, ErrorCode, Queries};

use crate::error::{to_py, wrong_type};
use crate::{arrow_in, numpy};

/// The numbers of query vectors, one vector after the other.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) values: Vec<f64>,
    pub(crate) dimension: usize,
    pub(crate) shape: Shape,
}

impl Numbers {
    /// The queries; none where there is no number.
    pub(crate) fn queries(self) -> velaria::Result<Option<Queries>> {
        if self.values.is_empty() { Ok(None) } else { Queries::try_new(self.values, self.dimension).map(Some) }
    }
}

/// How the caller wrote the query.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One vector.
    #[default]
    One,
    /// A sequence of vectors, which may have one.
    Many,
}

/// The numbers in `obj`: one vector, or a sequence of vectors.
pub(crate) fn numbers(obj: &Bound<'_, PyAny>) -> PyResult<Numbers> {
    match read(obj)? {
        Read::Numbers(numbers) => Ok(numbers),
        Read::Items(items) if is_vector(items.first())? => vectors(obj.py(), &items),
        Read::Items(items) => one(&items),
    }
}

/// What was found without looking into the items of a sequence.
enum Read<'py> {
    Numbers(Numbers),
    Items(Vec<Bound<'py, PyAny>>),
}

fn read<'py>(obj: &Bound<'py, PyAny>) -> PyResult<Read<'py>> {
    // Lists come first: asking one whether it speaks Arrow costs more than reading it.
    if obj.is_instance_of::<PyList>() || obj.is_instance_of::<PyTuple>() {
        return items(obj);
    }
    if is_text(obj) {
        return Err(not_numbers(obj.py()));
    }
    match array(obj)? {
        Some(array) => of_array(obj.py(), &array).map(Read::Numbers),
        None if is_sequence(obj)? => items(obj),
        None => Err(wrong_type(obj.py(), "query_vector must be a sequence of floats")),
    }
}

fn items<'py>(obj: &Bound<'py, PyAny>) -> PyResult<Read<'py>> {
    obj.try_iter()?.collect::<PyResult<_>>().map(Read::Items)
}

/// Python calls text a sequence, of text or of bytes; nobody means its characters as numbers.
fn is_text(obj: &Bound<'_, PyAny>) -> bool {
    obj.is_instance_of::<PyString>() || obj.is_instance_of::<PyBytes>() || obj.is_instance_of::<PyByteArray>()
}

fn not_numbers(py: Python<'_>) -> PyErr {
    wrong_type(py, "query_vector must contain only numbers")
}

fn invalid(py: Python<'_>, message: &str) -> PyErr {
    to_py(py, &Error::new(ErrorCode::InvalidArgument, message))
}

/// What `obj` is as an Arrow array, if it has its numbers in memory.
fn array(obj: &Bound<'_, PyAny>) -> PyResult<Option<ArrayRef>> {
    match numpy::array(obj)? {
        Some(array) => Ok(Some(array)),
        None => arrow_in::column(obj),
    }
}

/// Sets and dicts have numbers too, but in no order.
fn is_sequence(obj: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(!obj.is_instance_of::<PyDict>() && obj.hasattr("__len__")? && obj.hasattr("__getitem__")?)
}

fn of_array(py: Python<'_>, array: &ArrayRef) -> PyResult<Numbers> {
    if array.null_count() > 0 {
        return Err(not_numbers(py));
    }
    match array.data_type() {
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let dimension = usize::try_from(list.value_length()).unwrap_or(0);
            many(py, &list.values().slice(0, list.len() * dimension), dimension)
        }
        DataType::List(_) => of_list::<i32>(py, array),
        DataType::LargeList(_) => of_list::<i64>(py, array),
        _ => {
            let values = floats(py, array)?;
            Ok(Numbers { dimension: values.len(), values, shape: Shape::One })
        }
    }
}

fn of_list<O: OffsetSizeTrait>(py: Python<'_>, array: &ArrayRef) -> PyResult<Numbers> {
    let list = array.as_list::<O>();
    let lengths: Vec<usize> = list.offsets().lengths().collect();
    let dimension = common_length(py, &lengths)?;
    let first = list.offsets().first().map_or(0, |offset| offset.as_usize());
    many(py, &list.values().slice(first, list.len() * dimension), dimension)
}

fn many(py: Python<'_>, items: &ArrayRef, dimension: usize) -> PyResult<Numbers> {
    Ok(Numbers { values: floats(py, items)?, dimension, shape: Shape::Many })
}

fn common_length(py: Python<'_>, lengths: &[usize]) -> PyResult<usize> {
    let first = lengths.first().copied().unwrap_or(0);
    match lengths.iter().find(|length| **length != first) {
        None => Ok(first),
        Some(other) => Err(invalid(py, &format!("query vectors have different lengths: {first} and {other}"))),
    }
}

fn floats(py: Python<'_>, array: &ArrayRef) -> PyResult<Vec<f64>> {
    let data_type = array.data_type();
    // A boolean is a number to Python.
    if array.null_count() > 0 || !(data_type.is_numeric() || *data_type == DataType::Boolean) {
        return if array.is_empty() { Ok(Vec::new()) } else { Err(not_numbers(py)) };
    }
    let floats = cast(array, &DataType::Float64).map_err(|_| not_numbers(py))?;
    Ok(floats.as_primitive::<Float64Type>().values().to_vec())
}

/// Whether the items of a sequence are vectors: the first one says so.
fn is_vector(first: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    let Some(first) = first.filter(|first| !first.is_instance_of::<PyFloat>() && !is_text(first)) else {
        return Ok(false);
    };
    // A single number of numpy or torch has a method for its length, which raises.
    Ok(first.len().is_ok() || first.hasattr("__arrow_c_array__")?)
}

fn one(items: &[Bound<'_, PyAny>]) -> PyResult<Numbers> {
    let values: Vec<f64> = items.iter().map(number).collect::<PyResult<_>>()?;
    Ok(Numbers { dimension: values.len(), values, shape: Shape::One })
}

fn vectors(py: Python<'_>, items: &[Bound<'_, PyAny>]) -> PyResult<Numbers> {
    let mut values = Vec::new();
    let mut lengths = Vec::with_capacity(items.len());
    for item in items {
        // Items of items are numbers: a list may hold itself.
        let next = match read(item)? {
            Read::Numbers(numbers) => numbers,
            Read::Items(items) => one(&items)?,
        };
        if next.shape == Shape::Many {
            return Err(not_numbers(py));
        }
        lengths.push(next.dimension);
        values.extend(next.values);
    }
    Ok(Numbers { dimension: common_length(py, &lengths)?, values, shape: Shape::Many })
}

fn number(item: &Bound<'_, PyAny>) -> PyResult<f64> {
    let py = item.py();
    item.extract::<f64>().map_err(|error| {
        if error.is_instance_of::<PyTypeError>(py) {
            not_numbers(py)
        } else if error.is_instance_of::<PyOverflowError>(py) {
            invalid(py, "query_vector has an integer that is too large for a float")
        } else {
            error
        }
    })
}
