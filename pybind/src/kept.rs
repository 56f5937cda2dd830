//! Rows that are there, for libraries that take Arrow data.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::arrow_out;

/// The rows of a query that has ended. Each export gives all of them.
#[pyclass(frozen, module = "velaria._velaria", name = "_Kept")]
pub(crate) struct Kept {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Kept {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches }
    }

    /// One batch.
    pub(crate) fn of(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: vec![batch] }
    }
}

#[pymethods]
impl Kept {
    /// The types are those of the rows: who asks for others casts himself.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        arrow_out::batches(py, Arc::clone(&self.schema), self.batches.clone(), None)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        arrow_out::array(py, Arc::clone(&self.schema), self.batches.clone(), requested_schema)
    }
}
