//! `velaria.Emission`: the rows that a query gives a sink of the program at once.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PyTuple};
use velaria::stream;

use crate::schema::{Schema, capsule};
use crate::{arrow_out, cell};

/// All rows of one micro-batch, as Arrow data that can be read any number of times.
///
///     >>> import velaria
///     >>> seen = []
///     >>> stream = velaria.Session().read_custom_stream([{"v": 1}, {"v": 2}])
///     >>> stream.write_stream_custom(seen.append).await_termination()
///     1
///     >>> emission = seen[0]
///     >>> emission
///     <velaria.Emission 1: 2 rows of v>
#[pyclass(frozen, module = "velaria")]
pub(crate) struct Emission {
    emission: stream::Emission,
}

impl Emission {
    pub(crate) fn new(emission: stream::Emission) -> Self {
        Self { emission }
    }
}

#[pymethods]
impl Emission {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.Emission' instances"))
    }

    /// The number of the commit that follows. After a crash the same rows may come again, with the same number.
    ///
    ///     >>> emission.epoch
    ///     1
    #[getter]
    fn epoch(&self) -> u64 {
        self.emission.epoch
    }

    /// The names and types of the columns.
    ///
    ///     >>> emission.schema.names
    ///     ['v']
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(Arc::clone(&self.emission.schema))
    }

    /// The column names.
    ///
    ///     >>> emission.columns
    ///     ['v']
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.emission.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// All rows as tuples of Python values.
    ///
    ///     >>> emission.fetchall()
    ///     [(1,), (2,)]
    fn fetchall<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        cell::for_each_row(py, &self.emission.batches, |values| rows.append(PyTuple::new(py, values)?))?;
        Ok(rows)
    }

    /// All rows as a `pyarrow.Table`.
    ///
    ///     >>> emission.to_arrow().to_pylist()
    ///     [{'v': 1}, {'v': 2}]
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = Arc::clone(&self.emission.schema);
        arrow_out::batches(py, schema, self.emission.batches.clone(), requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule(py, &self.emission.schema)
    }

    fn __len__(&self) -> usize {
        self.emission.batches.iter().map(arrow::array::RecordBatch::num_rows).sum()
    }

    fn __repr__(&self) -> String {
        format!("<velaria.Emission {}: {} rows of {}>", self.epoch(), self.__len__(), self.columns().join(", "))
    }
}
