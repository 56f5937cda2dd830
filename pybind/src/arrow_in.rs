//! Arrow data from Python objects.
//!
//! What comes through the C data interface was made by somebody else: every callback may be missing and every buffer may
//! lie. Callbacks are checked before they are called, and arrays are validated in full before anything looks at them.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Arc, Once};

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, make_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyCapsule, PyDict, PyList, PyTuple};
use velaria::{Error, ErrorCode, Result};

use crate::error::{to_py, wrong_type};
use crate::{columns, numpy};

/// What can be made into a table, for the message when something else comes.
pub(crate) const ACCEPTED: &str = "an object with __arrow_c_stream__ or __arrow_c_array__ (pyarrow, pandas, polars, duckdb, …), \
     a list or tuple of those, a dict of columns, or a two-dimensional numpy array";

/// The name of the column that a two-dimensional numpy array becomes.
const VECTOR_COLUMN: &str = "vector";

/// The rows of a Python object.
pub(crate) fn table(obj: &Bound<'_, PyAny>) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let py = obj.py();
    if let Some(chunks) = chunks(obj)? {
        return chunks.into_batches().map_err(|error| to_py(py, &error));
    }
    if let Ok(dict) = obj.cast::<PyDict>() {
        let batch = columns::batch(dict)?;
        return Ok((batch.schema(), vec![batch]));
    }
    if obj.is_instance_of::<PyList>() || obj.is_instance_of::<PyTuple>() {
        return sequence(obj);
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
    if schema.release.is_none() {
        return Err(to_py(py, &Error::new(ErrorCode::InvalidArrow, "the requested schema was released already")));
    }
    Schema::try_from(schema).map_err(|error| to_py(py, &invalid(&error)))
}

/// The error for an object that is none of [`ACCEPTED`].
fn not_accepted(obj: &Bound<'_, PyAny>) -> PyErr {
    let found = obj.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    wrong_type(obj.py(), &format!("cannot make a table of {found}: pass {ACCEPTED}"))
}

fn sequence(obj: &Bound<'_, PyAny>) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
    let py = obj.py();
    let mut schema: Option<SchemaRef> = None;
    let mut batches = Vec::new();
    for item in obj.try_iter()? {
        let (item_schema, mut item_batches) = table(&item?)?;
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
        let DataType::Struct(fields) = &self.data_type else {
            return Err(Error::new(
                ErrorCode::InvalidArrow,
                format!("expected a table, found a column of {}", self.data_type),
            )
            .with_hint("pass a dict to give the column a name"));
        };
        let schema = Arc::new(Schema::new(fields.iter().map(decoded_field).collect::<Vec<_>>()));
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
        let capsule = obj.call_method0("__arrow_c_stream__")?;
        let mut stream = Stream::take(capsule.cast::<PyCapsule>().map_err(|_| bad_capsule(py, "__arrow_c_stream__"))?)?;
        return stream.read(py).map(Some);
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
    let data_type = type_of(schema).map_err(|error| to_py(py, &error))?;
    let array = import(array, &data_type).map_err(|error| to_py(py, &error))?;
    Ok(Chunks { data_type, arrays: vec![array] })
}

/// An `ArrowArrayStream` that is ours to read and to release.
struct Stream {
    stream: FFI_ArrowArrayStream,
}

#[expect(unsafe_code, reason = "the C stream interface is used from any one thread at a time")]
// SAFETY: the interface is not bound to a thread; `&mut self` keeps calls apart.
unsafe impl Send for Stream {}

impl Stream {
    fn take(capsule: &Bound<'_, PyCapsule>) -> PyResult<Self> {
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
        Ok(Self { stream })
    }

    /// Reads to the end. The lock is released around every call: the producer takes it where it needs it.
    fn read(&mut self, py: Python<'_>) -> PyResult<Chunks> {
        let data_type = py.detach(|| self.data_type()).map_err(|error| self.with_python_cause(py, &error))?;
        let mut arrays = Vec::new();
        while let Some(array) =
            py.detach(|| self.next(&data_type)).map_err(|error| self.with_python_cause(py, &error))?
        {
            arrays.push(array);
            py.check_signals()?;
        }
        Ok(Chunks { data_type, arrays })
    }

    /// A producer in Python leaves its exception set, which says more than the text of the interface.
    fn with_python_cause(&self, py: Python<'_>, error: &Error) -> PyErr {
        let raised = to_py(py, error);
        if let Some(cause) = PyErr::take(py) {
            raised.set_cause(py, Some(cause));
        }
        raised
    }

    fn data_type(&mut self) -> Result<DataType> {
        let Some(get_schema) = self.stream.get_schema else { return Err(missing("get_schema")) };
        let mut schema = FFI_ArrowSchema::empty();
        #[expect(unsafe_code, reason = "callback of the C stream interface")]
        // SAFETY: the stream is not released, and both pointers are valid for the call.
        let status = unsafe { get_schema(&raw mut self.stream, &raw mut schema) };
        self.check(status)?;
        if schema.release.is_none() || schema.format.is_null() {
            return Err(Error::new(ErrorCode::InvalidArrow, "the Arrow stream has no schema"));
        }
        type_of(&schema)
    }

    fn next(&mut self, data_type: &DataType) -> Result<Option<ArrayRef>> {
        let Some(get_next) = self.stream.get_next else { return Err(missing("get_next")) };
        let mut array = FFI_ArrowArray::empty();
        #[expect(unsafe_code, reason = "callback of the C stream interface")]
        // SAFETY: the stream is not released, and both pointers are valid for the call.
        let status = unsafe { get_next(&raw mut self.stream, &raw mut array) };
        self.check(status)?;
        if array.is_released() { Ok(None) } else { import(array, data_type).map(Some) }
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
            let text = get_last_error(&raw mut self.stream);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    }
}

fn missing(callback: &str) -> Error {
    Error::new(ErrorCode::InvalidArrow, format!("the Arrow stream has no {callback} callback"))
}

fn type_of(schema: &FFI_ArrowSchema) -> Result<DataType> {
    guarded(|| DataType::try_from(schema))
}

/// Takes an array over and checks all of it.
fn import(array: FFI_ArrowArray, data_type: &DataType) -> Result<ArrayRef> {
    guarded(|| {
        #[expect(unsafe_code, reason = "the import of arrow trusts the structure; its content is validated below")]
        // SAFETY: the array is not released and was handed over with this type.
        let mut data: ArrayData = unsafe { from_ffi_and_data_type(array, data_type.clone()) }?;
        data.align_buffers();
        data.validate_full()?;
        Ok(make_array(data))
    })
}

/// arrow panics on some structures that break the rules; here that is an error like every other.
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
