//! `velaria.DataFrame`.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PyTuple};
use velaria::relation::SetOperation;
use velaria::rows::CsvStyle;
use velaria::{CsvOptions, Error, ErrorCode, Existing, JsonLayout, WriteFormat, WriteOptions};

use crate::arrow_out;
use crate::batches::{BatchSource, RowReader};
use crate::cell;
use crate::error::{say, to_py};
use crate::expression::{self, condition};
use crate::html;
use crate::job::Job;
use crate::kept::Kept;
use crate::parameters::parameters;
use crate::relation;
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

    /// A coroutine for what `convert` makes of all rows.
    fn collected<'py>(
        &self,
        py: Python<'py>,
        convert: impl FnOnce(Python<'_>, &Self, Vec<RecordBatch>) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (frame, own) = (self.frame.clone(), Self::new(self.frame.clone()));
        let job = Job::new(async move { frame.collect().await }, move |py, batches| {
            Ok((convert(py, &own, batches)?, own.frame.take_notices()))
        });
        job.coroutine(py)
    }

    /// A coroutine for what the function `name` of `module` makes of all rows as Arrow data.
    fn taken<'py>(
        &self,
        py: Python<'py>,
        module: &'static str,
        name: &'static str,
        then: Option<&'static str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.collected(py, move |py, own, batches| {
            let taken = py.import(module)?.call_method1(name, (Kept::new(own.frame.schema(), batches),))?;
            Ok(then.map_or_else(|| Ok(taken.clone()), |method| taken.call_method0(method))?.unbind())
        })
    }

    fn tuples<'py>(py: Python<'py>, batches: &[RecordBatch]) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        cell::for_each_row(py, batches, |values| rows.append(PyTuple::new(py, values)?))?;
        Ok(rows)
    }

    fn lists<'py>(&self, py: Python<'py>, batches: &[RecordBatch]) -> PyResult<Bound<'py, PyDict>> {
        let rows = PyList::empty(py);
        cell::for_each_row(py, batches, |values| rows.append(PyList::new(py, values)?))?;
        let result = PyDict::new(py);
        result.set_item("schema", self.names())?;
        result.set_item("rows", rows)?;
        Ok(result)
    }

    fn write(&self, py: Python<'_>, path: PathBuf, options: WriteOptions) -> PyResult<usize> {
        let (frame, path) = (self.frame.clone(), text_of(py, path)?);
        plan(py, async move { frame.write(&path, &options).await })
    }

    fn combine(&self, py: Python<'_>, other: velaria::DataFrame, operation: SetOperation) -> PyResult<Self> {
        let frame = self.frame.clone();
        plan(py, async move { frame.combine(&other, operation).await }).map(Self::new)
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
        self.lists(py, &batches)
    }

    /// All rows as tuples of Python values.
    ///
    ///     >>> frame.fetchall()
    ///     [('ada', 36), ('bo', None)]
    fn fetchall<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Self::tuples(py, &self.collect(py)?)
    }

    /// The number of rows.
    ///
    ///     >>> frame.count()
    ///     2
    fn count(&self, py: Python<'_>) -> PyResult<u64> {
        let frame = self.frame.clone();
        plan(py, async move { frame.count().await })
    }

    /// At most `n` rows, after the first `offset` ones. Nothing runs.
    ///
    ///     >>> frame.limit(1).fetchall()
    ///     [('ada', 36)]
    #[pyo3(signature = (n, offset=RowCount(0)), text_signature = "($self, n, offset=0)")]
    fn limit(&self, py: Python<'_>, n: RowCount, offset: RowCount) -> PyResult<Self> {
        if offset.0 == 0 {
            return self.frame.limit(n.0).map(Self::new).map_err(|error| to_py(py, &error));
        }
        let (frame, rows, offset) = (self.frame.clone(), n.0 as u64, offset.0 as u64);
        plan(py, async move { frame.slice(Some(rows), offset).await }).map(Self::new)
    }

    /// The rows for which all conditions are true. Text is SQL.
    ///
    ///     >>> frame.filter(velaria.col("age") > 30, "name LIKE 'a%'").fetchall()
    ///     [('ada', 36)]
    #[pyo3(signature = (*conditions))]
    fn filter(&self, py: Python<'_>, conditions: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let conditions = conditions.iter().map(|value| condition(&value)).collect::<PyResult<Vec<_>>>()?;
        let frame = self.frame.clone();
        plan(py, async move { frame.filter(&conditions).await }).map(Self::new)
    }

    /// Columns by their names, and expressions. A keyword is the name of its expression.
    ///
    ///     >>> frame.select("name", next=velaria.col("age") + 1).fetchall()
    ///     [('ada', 37), ('bo', None)]
    #[pyo3(signature = (*columns, **named))]
    fn select(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (frame, items) = (self.frame.clone(), expression::items(columns, named)?);
        plan(py, async move { frame.select(&items).await }).map(Self::new)
    }

    /// All columns, and new ones; a column of the same name is replaced where it stands.
    ///
    ///     >>> frame.with_columns(next=velaria.col("age") + 1).fetchall()
    ///     [('ada', 36, 37), ('bo', None, None)]
    #[pyo3(signature = (*columns, **named))]
    fn with_columns(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (frame, columns) = (self.frame.clone(), expression::columns(columns, named)?);
        plan(py, async move { frame.with_columns(&columns).await }).map(Self::new)
    }

    /// The columns without those of these names.
    ///
    ///     >>> frame.drop("age").fetchall()
    ///     [('ada',), ('bo',)]
    #[pyo3(signature = (*names))]
    fn drop(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Self> {
        let frame = self.frame.clone();
        plan(py, async move { frame.drop_columns(&names).await }).map(Self::new)
    }

    /// All columns, those that are keys of `names` under its values.
    ///
    ///     >>> frame.rename({"age": "years"}).columns
    ///     ['name', 'years']
    fn rename(&self, py: Python<'_>, names: &Bound<'_, PyDict>) -> PyResult<Self> {
        let names =
            names.iter().map(|(old, new)| Ok((old.extract()?, new.extract()?))).collect::<PyResult<Vec<_>>>()?;
        let frame = self.frame.clone();
        plan(py, async move { frame.rename(&names).await }).map(Self::new)
    }

    /// The rows without copies.
    ///
    ///     >>> frame.union(frame).distinct().count()
    ///     2
    fn distinct(&self, py: Python<'_>) -> PyResult<Self> {
        let frame = self.frame.clone();
        plan(py, async move { frame.distinct().await }).map(Self::new)
    }

    /// One row for each value of `by`, or one in all: the keys, then the aggregates.
    ///
    ///     >>> frame.aggregate(people=velaria.col("name").count(), oldest=velaria.col("age").max()).to_rows()
    ///     {'schema': ['people', 'oldest'], 'rows': [[2, 36]]}
    ///     >>> frame.aggregate(velaria.col("age").sum(), by="name").order("name").fetchall()
    ///     [('ada', 36), ('bo', None)]
    #[pyo3(signature = (*aggregates, by=None, having=None, **named))]
    fn aggregate(
        &self,
        py: Python<'_>,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
        having: Option<&Bound<'_, PyAny>>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (keys, aggregates) = (expression::group_keys(by)?, expression::columns(aggregates, named)?);
        let (frame, having) = (self.frame.clone(), having.map(condition).transpose()?);
        plan(py, async move { frame.group(&keys, &aggregates, having.as_ref()).await }).map(Self::new)
    }

    /// The rows sorted by names, expressions and sort keys.
    ///
    ///     >>> frame.order(velaria.col("name").desc()).fetchall()
    ///     [('bo', None), ('ada', 36)]
    #[pyo3(signature = (*keys))]
    fn order(&self, py: Python<'_>, keys: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let keys = keys.iter().map(|value| expression::sort_key(&value)).collect::<PyResult<Vec<_>>>()?;
        let frame = self.frame.clone();
        plan(py, async move { frame.order(&keys).await }).map(Self::new)
    }

    /// The rows with those of another frame. In an expression they are the tables `self` and `other`.
    ///
    ///     >>> cities = velaria.sql("SELECT 'ada' AS name, 'London' AS city")
    ///     >>> frame.join(cities, on="name").select("name", "age", "city").fetchall()
    ///     [('ada', 36, 'London')]
    #[pyo3(signature = (other, on=None, how="inner", *, left_on=None, right_on=None, suffix=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword")]
    fn join(
        &self,
        py: Python<'_>,
        other: &Bound<'_, PyAny>,
        on: Option<&Bound<'_, PyAny>>,
        how: &str,
        left_on: Option<&Bound<'_, PyAny>>,
        right_on: Option<&Bound<'_, PyAny>>,
        suffix: Option<String>,
    ) -> PyResult<Self> {
        let (frame, other) = (self.frame.clone(), relation::frame("join", other)?);
        let (kind, on) = (relation::join_kind(py, how)?, relation::join_condition(py, on, left_on, right_on)?);
        plan(py, async move { frame.join(&other, kind, &on, suffix.as_deref()).await }).map(Self::new)
    }

    /// The rows of both frames.
    ///
    ///     >>> frame.union(frame).count()
    ///     4
    #[pyo3(signature = (other, *, distinct=false, by_name=false))]
    fn union(&self, py: Python<'_>, other: &Bound<'_, PyAny>, distinct: bool, by_name: bool) -> PyResult<Self> {
        self.combine(py, relation::frame("union", other)?, relation::union(distinct, by_name))
    }

    /// The rows that both frames have, each once.
    ///
    ///     >>> frame.intersect(frame.limit(1)).fetchall()
    ///     [('ada', 36)]
    fn intersect(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.combine(py, relation::frame("intersect", other)?, SetOperation::Intersect)
    }

    /// The rows that the other frame does not have, each once.
    ///
    ///     >>> frame.except_(frame.limit(1)).fetchall()
    ///     [('bo', None)]
    fn except_(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.combine(py, relation::frame("except_", other)?, SetOperation::Except)
    }

    /// Runs a query in which this frame is the table `self`, with values for its parameters.
    ///
    ///     >>> frame.sql("SELECT name FROM self WHERE age > ?", [30]).fetchall()
    ///     [('ada',)]
    #[pyo3(signature = (text, params=None))]
    fn sql(&self, py: Python<'_>, text: &str, params: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let (frame, text, params) = (self.frame.clone(), text.to_owned(), parameters(py, params)?);
        plan(py, async move { frame.sql(&text, &params).await }).map(Self::new)
    }

    /// The names and types of the columns as rows.
    ///
    ///     >>> frame.describe().select("column_name", "column_type").fetchall()
    ///     [('name', 'STRING'), ('age', 'INT')]
    fn describe(&self, py: Python<'_>) -> PyResult<Self> {
        let frame = self.frame.clone();
        plan(py, async move { frame.describe().await }).map(Self::new)
    }

    /// Statistics of each column. All rows are read now.
    ///
    ///     >>> frame.summarize().select("column_name", "min", "max", "null_percentage").fetchall()
    ///     [('name', 'ada', 'bo', 0.0), ('age', '36', '36', 50.0)]
    fn summarize(&self, py: Python<'_>) -> PyResult<Self> {
        let frame = self.frame.clone();
        plan(py, async move { frame.summarize().await }).map(Self::new)
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

    /// How many rows the statement added or removed; `None` for a query, which has rows of its own.
    ///
    /// >>> import velaria
    /// >>> session = velaria.Session()
    /// >>> session.sql("CREATE TABLE t AS SELECT 1 AS a").affected_rows
    /// 1
    /// >>> session.sql("SELECT a FROM t").affected_rows is None
    /// True
    #[getter]
    fn affected_rows(&self) -> Option<usize> {
        self.frame.affected_rows()
    }

    /// The rows, some at a time.
    fn _open_rows(&self, py: Python<'_>) -> PyResult<RowReader> {
        RowReader::open(py, &self.frame)
    }

    /// Awaits all rows as tuples of Python values.
    ///
    /// >>> import asyncio, velaria
    /// >>> asyncio.run(velaria.sql("SELECT 1 AS a").fetchall_async())
    /// [(1,)]
    fn fetchall_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.collected(py, |py, _, batches| Ok(Self::tuples(py, &batches)?.into_any().unbind()))
    }

    /// Awaits all rows as lists of Python values, as `to_rows` gives them.
    ///
    /// >>> import asyncio, velaria
    /// >>> asyncio.run(velaria.sql("SELECT 1 AS a").to_rows_async())
    /// {'schema': ['a'], 'rows': [[1]]}
    fn to_rows_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.collected(py, |py, own, batches| Ok(own.lists(py, &batches)?.into_any().unbind()))
    }

    /// Awaits the number of rows.
    ///
    /// >>> import asyncio, velaria
    /// >>> asyncio.run(velaria.sql("SELECT 1 AS a").count_async())
    /// 1
    fn count_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (frame, own) = (self.frame.clone(), self.frame.clone());
        let convert = move |py: Python<'_>, count: u64| Ok((count.into_py_any(py)?, own.take_notices()));
        Job::new(async move { frame.count().await }, convert).coroutine(py)
    }

    /// Awaits all rows as a `pyarrow.Table`.
    ///
    /// >>> import asyncio, velaria
    /// >>> asyncio.run(velaria.sql("SELECT 1 AS a").to_arrow_async()).num_rows
    /// 1
    fn to_arrow_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.taken(py, "pyarrow", "table", None)
    }

    /// Awaits all rows as a `pandas.DataFrame`.
    ///
    /// >>> import asyncio, velaria
    /// >>> asyncio.run(velaria.sql("SELECT 1 AS a").to_pandas_async()).shape
    /// (1, 1)
    fn to_pandas_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.taken(py, "pyarrow", "table", Some("to_pandas"))
    }

    /// Awaits all rows as a `polars.DataFrame`.
    ///
    /// >>> import asyncio, velaria
    /// >>> asyncio.run(velaria.sql("SELECT 1 AS a").to_polars_async()).shape
    /// (1, 1)
    fn to_polars_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.taken(py, "polars", "DataFrame", None)
    }

    /// The rows as batches of pyarrow, while the query runs.
    fn __aiter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("velaria._aio")?.call_method1("Batches", (BatchSource::new(&self.frame),))
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
