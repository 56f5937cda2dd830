//! Arrow data from Python objects.
//!
//! What comes through the C data interface was made by somebody else: every callback may be missing and every buffer may
//! lie. `c_stream.rs` calls callbacks that are there, `c_schema.rs` and `c_array.rs` believe what they have checked, and
//! arrays are validated in full before anything looks at them.

mod c_array;
mod c_schema;
mod c_stream;

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Arc, Once};

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyCapsule, PyDict, PyList, PyTuple};
use velaria::{Batches, Error, ErrorCode, Result};

use self::c_stream::Stream;
use crate::error::{to_py, wrong_type};
use crate::{columns, numpy};

/// What can be made into a table, for the message when something else comes.
pub(crate) const ACCEPTED: &str = "an object with __arrow_c_stream__ or __arrow_c_array__ (pyarrow, pandas, polars, duckdb, …), \
     a list or tuple of those, a dict of columns, or a two-dimensional numpy array";

/// The name of the column that a two-dimensional numpy array becomes.
const VECTOR_COLUMN: &str = "vector";

/// How deeply lists may be nested. A list can contain itself.
pub(crate) const NESTING_MAX: usize = 64;

/// The rows of a Python object.
pub(crate) fn table(obj: &Bound<'_, PyAny>) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    table_at(obj, 0)
}

fn table_at(obj: &Bound<'_, PyAny>, depth: usize) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let py = obj.py();
    if let Some(chunks) = chunks(obj)? {
        return chunks.into_batches().map_err(|error| to_py(py, &error));
    }
    if let Ok(dict) = obj.cast::<PyDict>() {
        let batch = columns::batch(dict)?;
        return Ok((batch.schema(), vec![batch]));
    }
    if obj.is_instance_of::<PyList>() || obj.is_instance_of::<PyTuple>() {
        return sequence(obj, depth);
    }
    match numpy::array(obj)? {
        Some(array) if matches!(array.data_type(), DataType::FixedSizeList(..)) => {
            let schema = Arc::new(Schema::new(vec![Field::new(VECTOR_COLUMN, array.data_type().clone(), true)]));
            let batch =
                RecordBatch::try_new(Arc::clone(&schema), vec![array]).map_err(|error| to_py(py, &invalid(&error)))?;
            Ok((schema, vec![batch]))
        }
        _ => Err(not_accepted(obj)),
    }
}

/// The rows of a Python object that has a stream, to be pulled one batch after the other.
pub(crate) fn batches(obj: &Bound<'_, PyAny>) -> PyResult<(SchemaRef, Batches)> {
    let py = obj.py();
    if !obj.hasattr("__arrow_c_stream__")? {
        let found = obj.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
        let message = format!("cannot read {found} as a stream: pass an object with __arrow_c_stream__");
        return Err(wrong_type(py, &message));
    }
    let mut stream = stream(obj)?;
    let data_type = stream.type_in(py)?;
    let schema = schema(&data_type).map_err(|error| to_py(py, &error))?;
    let own = Arc::clone(&schema);
    let batches = stream.arrays(data_type).map(move |array| batch(&array?, &own));
    Ok((schema, Box::new(batches)))
}

/// One column of a Python object that speaks Arrow, or `None` when it does not.
pub(crate) fn column(obj: &Bound<'_, PyAny>) -> PyResult<Option<ArrayRef>> {
    let Some(chunks) = chunks(obj)? else { return Ok(None) };
    chunks.into_column().map(Some).map_err(|error| to_py(obj.py(), &error))
}

/// The schema in an `arrow_schema` capsule.
pub(crate) fn schema_of(capsule: &Bound<'_, PyCapsule>) -> PyResult<Schema> {
    let py = capsule.py();
    let pointer = pointer(capsule, c"arrow_schema", "__arrow_c_schema__")?.cast::<FFI_ArrowSchema>();
    #[expect(unsafe_code, reason = "the capsule protocol hands out a pointer")]
    // SAFETY: a capsule of this name points to a schema that lives as long as the capsule, which is borrowed here.
    let schema = unsafe { pointer.as_ref() };
    match c_schema::data_type(schema).map_err(|error| to_py(py, &error))? {
        DataType::Struct(fields) => Ok(Schema::new(fields)),
        other => {
            let message = format!("the requested schema is not that of a table, but {other}");
            Err(to_py(py, &Error::new(ErrorCode::InvalidArrow, message)))
        }
    }
}

/// The error for an object that is none of [`ACCEPTED`].
fn not_accepted(obj: &Bound<'_, PyAny>) -> PyErr {
    let found = obj.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    wrong_type(obj.py(), &format!("cannot make a table of {found}: pass {ACCEPTED}"))
}

fn sequence(obj: &Bound<'_, PyAny>, depth: usize) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let py = obj.py();
    if depth > NESTING_MAX {
        return Err(wrong_type(
            py,
            &format!("cannot make a table of lists that are nested more than {NESTING_MAX} deep"),
        ));
    }
    let mut schema: Option<SchemaRef> = None;
    let mut batches = Vec::new();
    for item in obj.try_iter()? {
        let (item_schema, mut item_batches) = table_at(&item?, depth + 1)?;
        let common = match &schema {
            Some(first) => common_schema(first, &item_schema).map_err(|error| to_py(py, &error))?,
            None => item_schema,
        };
        schema = Some(common);
        batches.append(&mut item_batches);
    }
    Ok((schema.unwrap_or_else(|| Arc::new(Schema::empty())), batches))
}

/// The schema of both: the same names and types, and NULL allowed where either allows it.
fn common_schema(left: &Schema, right: &Schema) -> Result<SchemaRef> {
    let same = |(left, right): (&Arc<Field>, &Arc<Field>)| {
        left.name() == right.name() && left.data_type() == right.data_type()
    };
    if left.fields().len() != right.fields().len() || !left.fields().iter().zip(right.fields()).all(same) {
        return Err(Error::new(ErrorCode::SchemaMismatch, "Arrow stream batches must share the same schema"));
    }
    let merged = left.fields().iter().zip(right.fields());
    let fields: Vec<Field> = merged
        .map(|(left, right)| left.as_ref().clone().with_nullable(left.is_nullable() || right.is_nullable()))
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Arrays of one type, as they came.
struct Chunks {
    data_type: DataType,
    arrays: Vec<ArrayRef>,
}

impl Chunks {
    fn into_batches(self) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let schema = schema(&self.data_type)?;
        let batches = self.arrays.iter().map(|array| batch(array, &schema)).collect::<Result<Vec<_>>>()?;
        Ok((schema, batches))
    }

    fn into_column(self) -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        let column = match arrays.as_slice() {
            [] => arrow::array::new_empty_array(&self.data_type),
            arrays => concat(arrays).map_err(|error| invalid(&error))?,
        };
        decoded(&column)
    }
}

/// The schema of a table whose rows are of `data_type`.
fn schema(data_type: &DataType) -> Result<SchemaRef> {
    let DataType::Struct(fields) = data_type else {
        let message = format!("expected a table, found a column of {data_type}");
        return Err(Error::new(ErrorCode::InvalidArrow, message).with_hint("pass a dict to give the column a name"));
    };
    Ok(Arc::new(Schema::new(fields.iter().map(decoded_field).collect::<Vec<_>>())))
}

fn batch(array: &ArrayRef, schema: &SchemaRef) -> Result<RecordBatch> {
    let Some(rows) = array.as_any().downcast_ref::<StructArray>() else {
        return Err(Error::new(ErrorCode::InvalidArrow, "the stream changed its type"));
    };
    if rows.null_count() > 0 {
        return Err(Error::new(ErrorCode::InvalidArrow, "a whole row is NULL, which a table cannot hold"));
    }
    let columns = rows.columns().iter().map(decoded).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| invalid(&error))
}

/// Dictionaries become their values, so that every consumer of a result can read it.
fn decoded_field(field: &Arc<Field>) -> Field {
    match field.data_type() {
        DataType::Dictionary(_, values) => Field::new(field.name(), values.as_ref().clone(), field.is_nullable()),
        other => Field::new(field.name(), other.clone(), field.is_nullable()),
    }
}

fn decoded(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values).map_err(|error| invalid(&error)),
        _ => Ok(Arc::clone(column)),
    }
}

/// What `obj` exports through the PyCapsule interface, or `None` when it does not speak it.
fn chunks(obj: &Bound<'_, PyAny>) -> PyResult<Option<Chunks>> {
    let py = obj.py();
    if obj.hasattr("__arrow_c_stream__")? {
        let mut stream = stream(obj)?;
        let data_type = stream.type_in(py)?;
        let arrays = stream.read(py, &data_type)?;
        return Ok(Some(Chunks { data_type, arrays }));
    }
    if obj.hasattr("__arrow_c_array__")? {
        let pair = obj.call_method0("__arrow_c_array__")?;
        let (schema, array) = pair
            .extract::<(Bound<'_, PyCapsule>, Bound<'_, PyCapsule>)>()
            .map_err(|_| bad_capsule(py, "__arrow_c_array__"))?;
        return take_array(&schema, &array).map(Some);
    }
    Ok(None)
}

fn stream(obj: &Bound<'_, PyAny>) -> PyResult<Stream> {
    let capsule = obj.call_method0("__arrow_c_stream__")?;
    Stream::take(capsule.cast::<PyCapsule>().map_err(|_| bad_capsule(obj.py(), "__arrow_c_stream__"))?)
}

fn bad_capsule(py: Python<'_>, method: &str) -> PyErr {
    to_py(
        py,
        &Error::new(
            ErrorCode::InvalidArrow,
            format!("{method} did not return what the Arrow PyCapsule interface asks for"),
        ),
    )
}

fn pointer(capsule: &Bound<'_, PyCapsule>, name: &CStr, method: &str) -> PyResult<NonNull<c_void>> {
    capsule.pointer_checked(Some(name)).map_err(|_| bad_capsule(capsule.py(), method))
}

fn take_array(schema: &Bound<'_, PyCapsule>, array: &Bound<'_, PyCapsule>) -> PyResult<Chunks> {
    let py = array.py();
    let schema = pointer(schema, c"arrow_schema", "__arrow_c_array__")?.cast::<FFI_ArrowSchema>();
    let array = pointer(array, c"arrow_array", "__arrow_c_array__")?.cast::<FFI_ArrowArray>();
    #[expect(unsafe_code, reason = "the capsule protocol hands out pointers")]
    // SAFETY: capsules of these names point to these structures, which live as long as the capsules borrowed here; the
    // array is moved out, which the protocol allows once and marks by clearing `release`.
    let (schema, array) = unsafe { (schema.as_ref(), FFI_ArrowArray::from_raw(array.as_ptr())) };
    if schema.release.is_none() || array.is_released() {
        return Err(to_py(py, &Error::new(ErrorCode::InvalidArrow, "the Arrow array was released already")));
    }
    let data_type = c_schema::data_type(schema).map_err(|error| to_py(py, &error))?;
    let array = c_array::import(array, &data_type).map_err(|error| to_py(py, &error))?;
    Ok(Chunks { data_type, arrays: vec![array] })
}

/// Where arrow panics on what breaks the rules, that is an error like every other.
fn guarded<T>(action: impl FnOnce() -> Result<T, ArrowError>) -> Result<T> {
    silence_expected_panics();
    let before = PANIC_EXPECTED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(action));
    PANIC_EXPECTED.set(before);
    match outcome {
        Ok(result) => result.map_err(|error| invalid(&error)),
        Err(_) => Err(Error::new(ErrorCode::InvalidArrow, "the Arrow data breaks the rules of the C data interface")),
    }
}

thread_local! {
    static PANIC_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Without this, a panic that becomes an error would be written to stderr as well.
fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !PANIC_EXPECTED.get() {
                report(info);
            }
        }));
    });
}

fn invalid(error: &ArrowError) -> Error {
    // The words in which arrow sorts its errors say nothing to the caller.
    let text = error.to_string().replace("Invalid argument error: ", "").replace("C Data interface error: ", "");
    Error::new(ErrorCode::InvalidArrow, format!("invalid Arrow data: {text}"))
}

/// The error for data that breaks the rules of the C data interface.
fn broken(what: &str) -> Error {
    Error::new(ErrorCode::InvalidArrow, format!("invalid Arrow data: {what}"))
}
