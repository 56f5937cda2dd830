//! `velaria.DataFrame`.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PyTuple};
use velaria::rows::CsvStyle;
use velaria::{CsvOptions, Error, ErrorCode, Existing, JsonLayout, WriteFormat, WriteOptions};

use crate::arrow_out;
use crate::cell;
use crate::error::{say, to_py};
use crate::html;
use crate::runtime::{interrupt_first, plan};
use crate::schema::{Schema, capsule};
use crate::session::text_of;

/// How many rows a notebook shows.
const HTML_ROWS: usize = 20;

/// A query over the tables of a session; it runs when its rows are asked for.
///
///     >>> import velaria
///     >>> frame = velaria.sql("SELECT * FROM (VALUES ('ada', 36), ('bo', NULL)) AS people(name, age)")
///     >>> frame
///     <velaria.DataFrame [name: Utf8, age: Int64]>
#[pyclass(frozen, module = "velaria")]
pub(crate) struct DataFrame {
    frame: velaria::DataFrame,
}

impl DataFrame {
    pub(crate) fn new(frame: velaria::DataFrame) -> Self {
        Self { frame }
    }

    pub(crate) fn frame(&self) -> &velaria::DataFrame {
        &self.frame
    }

    fn collect(&self, py: Python<'_>) -> PyResult<Vec<RecordBatch>> {
        let frame = self.frame.clone();
        let batches = plan(py, async move { frame.collect().await })?;
        say(py, &self.frame.take_notices())?;
        Ok(batches)
    }

    fn write(&self, py: Python<'_>, path: PathBuf, options: WriteOptions) -> PyResult<usize> {
        let (frame, path) = (self.frame.clone(), text_of(py, path)?);
        plan(py, async move { frame.write(&path, &options).await })
    }

    fn names(&self) -> Vec<String> {
        self.frame.schema().fields().iter().map(|field| field.name().clone()).collect()
    }
}

fn write_options(format: WriteFormat, overwrite: bool) -> WriteOptions {
    let mut options = WriteOptions::new(format);
    options.existing = if overwrite { Existing::Replace } else { Existing::Keep };
    options
}

/// A number of rows that the caller asks for.
struct RowCount(usize);

impl FromPyObject<'_, '_> for RowCount {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = obj.py();
        obj.extract::<usize>().map(Self).map_err(|error| match error.is_instance_of::<PyOverflowError>(py) {
            true => {
                let message = format!("a number of rows cannot be {}", *obj);
                to_py(py, &Error::new(ErrorCode::InvalidArgument, message).with_hint("pass 0 or more"))
            }
            false => error,
        })
    }
}

#[pymethods]
impl DataFrame {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.DataFrame' instances"))
    }

    /// The records of its CSV files that are left out because of bad_rows='collect'.
    ///
    ///     >>> with open("people.csv", "w") as file:
    ///     ...     _ = file.write("name,age\nada,36\nbo\n")
    ///     >>> read = velaria.Session().read_csv("people.csv", bad_rows="collect")
    ///     >>> read.fetchall()
    ///     [('ada', 36)]
    ///     >>> read.rejects().count()
    ///     1
    fn rejects(&self, py: Python<'_>) -> PyResult<Self> {
        self.frame.rejects().map(Self::new).map_err(|error| to_py(py, &error))
    }

    /// The names and types of the columns. Nothing runs.
    ///
    ///     >>> frame.schema.names
    ///     ['name', 'age']
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(self.frame.schema())
    }

    /// The column names. Nothing runs.
    ///
    ///     >>> frame.columns
    ///     ['name', 'age']
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.names()
    }

    /// All rows as lists of Python values: `{"schema": [name, ...], "rows": [[value, ...], ...]}`.
    ///
    ///     >>> frame.to_rows()
    ///     {'schema': ['name', 'age'], 'rows': [['ada', 36], ['bo', None]]}
    fn to_rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let batches = self.collect(py)?;
        let rows = PyList::empty(py);
        cell::for_each_row(py, &batches, |values| rows.append(PyList::new(py, values)?))?;
        let result = PyDict::new(py);
        result.set_item("schema", self.names())?;
        result.set_item("rows", rows)?;
        Ok(result)
    }

    /// All rows as tuples of Python values.
    ///
    ///     >>> frame.fetchall()
    ///     [('ada', 36), ('bo', None)]
    fn fetchall<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let batches = self.collect(py)?;
        let rows = PyList::empty(py);
        cell::for_each_row(py, &batches, |values| rows.append(PyTuple::new(py, values)?))?;
        Ok(rows)
    }

    /// The number of rows.
    ///
    ///     >>> frame.count()
    ///     2
    fn count(&self, py: Python<'_>) -> PyResult<u64> {
        let frame = self.frame.clone();
        plan(py, async move { frame.count().await })
    }

    /// At most the first `n` rows. Nothing runs.
    ///
    ///     >>> frame.limit(1).fetchall()
    ///     [('ada', 36)]
    fn limit(&self, py: Python<'_>, n: RowCount) -> PyResult<Self> {
        self.frame.limit(n.0).map(Self::new).map_err(|error| to_py(py, &error))
    }

    /// Prints the first rows as a table to `sys.stdout`.
    ///
    ///     >>> frame.limit(1).show()
    ///     ┌──────┬─────┐
    ///     │ name ┆ age │
    ///     ╞══════╪═════╡
    ///     │ ada  ┆  36 │
    ///     └──────┴─────┘
    ///     1 row
    #[pyo3(signature = (max_rows=RowCount(20)), text_signature = "($self, max_rows=20)")]
    fn show(&self, py: Python<'_>, max_rows: RowCount) -> PyResult<()> {
        let shown = self.frame.limit(max_rows.0).map_err(|error| to_py(py, &error))?;
        let schema = shown.schema();
        let batches = plan(py, async move { shown.collect().await })?;
        let text = velaria_cli::table_text(schema, batches).map_err(|error| to_py(py, &error))?;
        py.import("sys")?.getattr("stdout")?.call_method1("write", (text,)).map(|_| ())
    }

    /// What the query will do, in the sections `logical`, `physical` and `strategy`. Nothing runs.
    ///
    ///     >>> frame.explain().splitlines()[0]
    ///     'logical'
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        let frame = self.frame.clone();
        plan(py, async move { frame.explain().await }).map(|explain| explain.to_string())
    }

    /// All rows as a `pyarrow.Table`.
    ///
    ///     >>> frame.to_arrow().column("age").null_count
    ///     1
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        interrupt_first(slf.py(), slf.py().import("pyarrow")?.call_method1("table", (slf,)))
    }

    /// All rows as a `pandas.DataFrame`.
    ///
    ///     >>> frame.to_pandas()["name"].tolist()
    ///     ['ada', 'bo']
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        // pandas is imported first so that its absence, and not pyarrow's, is what the caller reads about.
        slf.py().import("pandas")?;
        Self::to_arrow(slf)?.call_method0("to_pandas")
    }

    /// All rows as a `polars.DataFrame`.
    ///
    ///     >>> frame.to_polars().rows()
    ///     [('ada', 36), ('bo', None)]
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        interrupt_first(slf.py(), slf.py().import("polars")?.call_method1("DataFrame", (slf,)))
    }

    /// Writes all rows to a CSV file, and gives their number.
    ///
    ///     >>> frame.write_csv("people.csv", delimiter=";")
    ///     2
    ///     >>> open("people.csv").read()
    ///     'name;age\nada;36\nbo;\n'
    #[pyo3(signature = (path, *, delimiter=",", header=true, overwrite=false, escape_formulas=false))]
    fn write_csv(
        &self,
        py: Python<'_>,
        path: PathBuf,
        delimiter: &str,
        header: bool,
        overwrite: bool,
        escape_formulas: bool,
    ) -> PyResult<usize> {
        let options = CsvOptions::default().with_delimiter(delimiter).map_err(|error| to_py(py, &error))?;
        let mut written = write_options(WriteFormat::Csv, overwrite);
        written.header = header;
        written.csv = CsvStyle { delimiter: options.delimiter.unwrap_or(b','), escape_formulas };
        self.write(py, path, written)
    }

    /// Writes all rows to a Parquet file, and gives their number.
    ///
    ///     >>> frame.write_parquet("people.parquet")
    ///     2
    ///     >>> velaria.sql("SELECT COUNT(*) FROM 'people.parquet'").fetchall()
    ///     [(2,)]
    #[pyo3(signature = (path, *, overwrite=false))]
    fn write_parquet(&self, py: Python<'_>, path: PathBuf, overwrite: bool) -> PyResult<usize> {
        self.write(py, path, write_options(WriteFormat::Parquet, overwrite))
    }

    /// Writes all rows to a file that is an Arrow IPC stream, and gives their number.
    ///
    ///     >>> frame.write_arrow("people.arrow")
    ///     2
    ///     >>> velaria.sql("SELECT COUNT(*) FROM 'people.arrow'").fetchall()
    ///     [(2,)]
    #[pyo3(signature = (path, *, overwrite=false))]
    fn write_arrow(&self, py: Python<'_>, path: PathBuf, overwrite: bool) -> PyResult<usize> {
        self.write(py, path, write_options(WriteFormat::Arrow, overwrite))
    }

    /// Writes all rows to a file with one JSON object a line, and gives their number.
    ///
    ///     >>> frame.write_ndjson("people.ndjson")
    ///     2
    ///     >>> open("people.ndjson").readline()
    ///     '{"name":"ada","age":36}\n'
    #[pyo3(signature = (path, *, overwrite=false))]
    fn write_ndjson(&self, py: Python<'_>, path: PathBuf, overwrite: bool) -> PyResult<usize> {
        self.write(py, path, write_options(WriteFormat::Json, overwrite))
    }

    /// Writes all rows to a file with an array of JSON objects, and gives their number.
    ///
    ///     >>> frame.write_json("people.json")
    ///     2
    ///     >>> import json
    ///     >>> json.load(open("people.json"))[0]
    ///     {'name': 'ada', 'age': 36}
    #[pyo3(signature = (path, *, overwrite=false))]
    fn write_json(&self, py: Python<'_>, path: PathBuf, overwrite: bool) -> PyResult<usize> {
        let mut options = write_options(WriteFormat::Json, overwrite);
        options.json = JsonLayout::Array;
        self.write(py, path, options)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        arrow_out::stream(py, &self.frame, requested_schema)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        arrow_out::array(py, self.frame.schema(), self.collect(py)?, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule(py, &self.frame.schema())
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let shown = self.frame.limit(HTML_ROWS + 1).map_err(|error| to_py(py, &error))?;
        let schema = shown.schema();
        let batches = plan(py, async move { shown.collect().await })?;
        html::table(&schema, &batches, HTML_ROWS).map_err(|error| to_py(py, &error))
    }

    fn __repr__(&self) -> String {
        let fields: Vec<String> = self
            .frame
            .schema()
            .fields()
            .iter()
            .map(|field| format!("{}: {}", field.name(), field.data_type()))
            .collect();
        format!("<velaria.DataFrame [{}]>", fields.join(", "))
    }
}
