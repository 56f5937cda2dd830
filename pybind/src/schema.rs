//! `velaria.Schema`: the names and types of a frame.

use arrow::datatypes::SchemaRef;
use arrow::ffi::FFI_ArrowSchema;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use velaria::{Error, ErrorCode};

use crate::error::to_py;

/// The names and types of the columns of a frame.
///
///     >>> import velaria
///     >>> schema = velaria.sql("SELECT 1 AS id, 'ada' AS name").schema
///     >>> len(schema), schema[0]
///     (2, ('id', 'Int64'))
#[pyclass(frozen, module = "velaria")]
pub(crate) struct Schema {
    schema: SchemaRef,
}

impl Schema {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema }
    }
}

#[pymethods]
impl Schema {
    /// The column names, in order.
    ///
    ///     >>> schema.names
    ///     ['id', 'name']
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// The Arrow types as text, in order.
    ///
    ///     >>> schema.types
    ///     ['Int64', 'Utf8']
    #[getter]
    fn types(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.data_type().to_string()).collect()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule(py, &self.schema)
    }

    fn __len__(&self) -> usize {
        self.schema.fields().len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<(String, String)> {
        let length = self.schema.fields().len();
        let position = if index < 0 { index.checked_add_unsigned(length) } else { Some(index) };
        let field = position
            .and_then(|position| usize::try_from(position).ok())
            .and_then(|position| self.schema.fields().get(position));
        field
            .map(|field| (field.name().clone(), field.data_type().to_string()))
            .ok_or_else(|| PyIndexError::new_err("column index out of range"))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.schema == other.schema
    }

    fn __repr__(&self) -> String {
        let fields: Vec<String> =
            self.schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect();
        format!("Schema({})", fields.join(", "))
    }
}

/// A schema for the Arrow PyCapsule interface.
pub(crate) fn capsule<'py>(py: Python<'py>, schema: &SchemaRef) -> PyResult<Bound<'py, PyCapsule>> {
    let exported = FFI_ArrowSchema::try_from(schema.as_ref()).map_err(|error| {
        to_py(py, &Error::new(ErrorCode::Unsupported, format!("cannot export the schema: {error}")))
    })?;
    PyCapsule::new_with_value(py, exported, c"arrow_schema")
}
