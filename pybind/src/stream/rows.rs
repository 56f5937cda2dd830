//! Rows of Python, which are dicts or sequences, as columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PySequence, PyString, PyTuple};
use velaria::{Error, ErrorCode};

use crate::columns;
use crate::error::{to_py, wrong_type};

/// What becomes of a value whose name no column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It is an error.
    Refused,
    /// It is left out: who declares columns says which ones are wanted.
    LeftOut,
}

/// The columns that rows go into.
#[derive(Debug)]
pub(crate) struct RowColumns {
    pub(crate) schema: SchemaRef,
    /// What has these columns, for errors.
    pub(crate) of: &'static str,
    pub(crate) unknown: Unknown,
}

impl RowColumns {
    /// One batch of `rows`; what a row does not name is NULL.
    pub(crate) fn batch<'py>(
        &self,
        py: Python<'py>,
        rows: impl ExactSizeIterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<RecordBatch> {
        let names: Vec<Bound<'py, PyString>> =
            self.schema.fields().iter().map(|field| PyString::new(py, field.name())).collect();
        let mut columns: Vec<Vec<Bound<'py, PyAny>>> = names.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            self.add(&mut columns, &names, &row?)?;
        }
        let fields = self.schema.fields().iter().zip(columns);
        let arrays: Vec<ArrayRef> =
            fields.map(|(field, values)| columns::array(field.name(), &values)).collect::<PyResult<_>>()?;
        velaria::stream::fit(&self.schema, &arrays).map_err(|error| to_py(py, &error))
    }

    fn add<'py>(
        &self,
        columns: &mut [Vec<Bound<'py, PyAny>>],
        names: &[Bound<'py, PyString>],
        row: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if let Some(dict) = named(row)? {
            return self.add_named(columns, names, &dict);
        }
        let cells = sequence(row)?;
        if cells.len() != columns.len() {
            let error = Error::new(ErrorCode::SchemaMismatch, format!("row width does not match {} schema", self.of));
            return Err(to_py(row.py(), &error.with_hint(self.declared())));
        }
        for (column, cell) in columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        Ok(())
    }

    fn add_named<'py>(
        &self,
        columns: &mut [Vec<Bound<'py, PyAny>>],
        names: &[Bound<'py, PyString>],
        row: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        let py = row.py();
        let mut found = 0;
        for (column, name) in columns.iter_mut().zip(names) {
            let value = row.get_item(name)?;
            found += usize::from(value.is_some());
            column.push(value.unwrap_or_else(|| py.None().into_bound(py)));
        }
        match found < row.len() && self.unknown == Unknown::Refused {
            true => Err(self.unknown_name(row)),
            false => Ok(()),
        }
    }

    fn unknown_name(&self, row: &Bound<'_, PyDict>) -> PyErr {
        let py = row.py();
        let known =
            |name: &Bound<'_, PyAny>| name.extract::<String>().is_ok_and(|name| self.schema.index_of(&name).is_ok());
        let unknown = row.keys().iter().find(|name| !known(name));
        let name = unknown.and_then(|name| name.repr().ok()).map_or_else(String::new, |name| name.to_string());
        let error = Error::new(ErrorCode::SchemaMismatch, format!("the {} has no column {name}", self.of));
        to_py(py, &error.with_hint(self.declared()))
    }

    /// Its columns, as a sentence.
    pub(crate) fn declared(&self) -> String {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        format!("its columns are {}", names.join(", "))
    }
}

/// The row as a dict, if it has names.
fn named<'py>(row: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    if let Ok(dict) = row.cast::<PyDict>() {
        return Ok(Some(dict.clone()));
    }
    if row.is_instance_of::<PyTuple>() || row.is_instance_of::<PyList>() {
        return Ok(None);
    }
    let Ok(mapping) = row.cast::<PyMapping>() else { return Ok(None) };
    let dict = PyDict::new(row.py());
    dict.update(mapping)?;
    Ok(Some(dict))
}

/// The cells of a row without names.
fn sequence<'py>(row: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if row.is_instance_of::<PyString>() || !row.hasattr("__getitem__")? {
        return Err(not_a_row(row.py()));
    }
    row.try_iter()?.collect()
}

fn not_a_row(py: Python<'_>) -> PyErr {
    wrong_type(py, "rows must contain dicts or sequences")
}

/// The columns of rows that have names: all names, in the order in which they come, with the types of their values.
pub(crate) fn inferred<'py>(py: Python<'py>, rows: &[Bound<'py, PyAny>], of: &'static str) -> PyResult<SchemaRef> {
    let seen = PyDict::new(py);
    for row in rows {
        let Some(dict) = named(row)? else {
            let is_sequence = row.cast::<PySequence>().is_ok() && !row.is_instance_of::<PyString>();
            return Err(if is_sequence { without_names(py) } else { not_a_row(py) });
        };
        for name in dict.keys() {
            seen.set_item(name, py.None())?;
        }
    }
    let mut fields = Vec::with_capacity(seen.len());
    for name in seen.keys() {
        let text: String = name.extract().map_err(|_| wrong_type(py, "column names must be text"))?;
        fields.push(Field::new(text, DataType::Null, true));
    }
    let untyped = RowColumns { schema: Arc::new(Schema::new(fields)), of, unknown: Unknown::Refused };
    typed(py, &untyped, rows)
}

fn without_names(py: Python<'_>) -> PyErr {
    let error = Error::new(ErrorCode::InvalidArgument, "schema is required when rows are sequence-based");
    to_py(py, &error.with_hint("pass schema, or give rows that are dicts"))
}

fn typed<'py>(py: Python<'py>, untyped: &RowColumns, rows: &[Bound<'py, PyAny>]) -> PyResult<SchemaRef> {
    let mut fields = Vec::new();
    for field in untyped.schema.fields() {
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            let value = named(row)?.map(|dict| dict.get_item(field.name())).transpose()?.flatten();
            values.push(value.unwrap_or_else(|| py.None().into_bound(py)));
        }
        let array = columns::array(field.name(), &values)?;
        if array.data_type() == &DataType::Null {
            let message = format!("column {} of the {} has no value to tell its type by", field.name(), untyped.of);
            let error = Error::new(ErrorCode::InvalidArgument, message);
            return Err(to_py(py, &error.with_hint("pass schema: an Arrow schema, or a dict of names and SQL types")));
        }
        fields.push(Field::new(field.name(), array.data_type().clone(), true));
    }
    Ok(Arc::new(Schema::new(fields)))
}
