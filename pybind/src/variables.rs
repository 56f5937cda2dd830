//! Variables of the caller as tables: `SELECT * FROM df`.
//!
//! Only names that a statement reads and the session does not have are looked for, and only in the frame that called us:
//! among its locals, then among its globals. Frames further up, variables of enclosing functions and builtins are never
//! looked at, so that a statement reads what stands beside it in the program, and nothing by accident.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use velaria::{Begun, Parameters, Variables};

use crate::arrow_in;
use crate::dataframe::DataFrame;
use crate::error::to_py;
use crate::job::{Job, Outcome};
use crate::runtime::{interrupt_first, plan};

/// Whether statements may read variables of their caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// They may.
    Caller,
    /// They may not.
    Off,
    /// The code that calls is none of the user's.
    Foreign,
}

/// What is to be done with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is run, or planned if it is a query.
    Run,
    /// It is planned, and has to be a query.
    Plan,
}

/// How comprehensions are called that run in a frame of their own before Python 3.12.
const COMPREHENSIONS: [&str; 3] = ["<listcomp>", "<setcomp>", "<dictcomp>"];

/// Runs one statement, which may read variables of the Python code that calls.
pub(crate) fn sql(
    py: Python<'_>,
    session: velaria::Session,
    text: &str,
    parameters: Parameters,
    scan: Scan,
    asked: Asked,
) -> PyResult<DataFrame> {
    let (text, begins) = (text.to_owned(), session.clone());
    let begin = async move {
        match asked {
            Asked::Run => begins.begin(&text, &parameters).await,
            Asked::Plan => begins.begin_query(&text, &parameters).await,
        }
    };
    let statement = match plan(py, begin)? {
        Begun::Done(frame) => return Ok(DataFrame::new(frame)),
        Begun::Open(statement) => statement,
    };
    let variables = lent(py, &session, statement.names(), scan)?;
    plan(py, async move { statement.finish(variables).await }).map(DataFrame::new)
}

/// A coroutine that runs one statement. What it reads of the caller is read now, and nothing else is done before it is
/// awaited.
pub(crate) fn sql_async<'py>(
    py: Python<'py>,
    session: velaria::Session,
    text: &str,
    parameters: Parameters,
    scan: Scan,
) -> PyResult<Bound<'py, PyAny>> {
    let (text, opens) = (text.to_owned(), session.clone());
    let (statement, variables) = match plan(py, async move { opens.open(&text, &parameters).await })? {
        Begun::Done(frame) => return Job::new(async move { Ok(frame) }, frame_of).coroutine(py),
        Begun::Open(statement) => {
            let variables = lent(py, &session, statement.names(), scan)?;
            (statement, variables)
        }
    };
    Job::new(async move { statement.finish(variables).await }, frame_of).coroutine(py)
}

fn frame_of(py: Python<'_>, frame: velaria::DataFrame) -> PyResult<Outcome> {
    let notices = frame.take_notices();
    Ok((DataFrame::new(frame).into_py_any(py)?, notices))
}

/// The variables of the caller among `names`.
fn lent(py: Python<'_>, session: &velaria::Session, names: &[String], scan: Scan) -> PyResult<Variables> {
    match scan {
        _ if names.is_empty() => Ok(Variables::new()),
        Scan::Caller => read(py, session, names),
        Scan::Foreign => Ok(Variables::new()),
        Scan::Off => Ok(Variables::new().with_note("Python variables are not read: allow_python_scan is False")),
    }
}

/// What the caller's variables say about `names`.
fn read(py: Python<'_>, session: &velaria::Session, names: &[String]) -> PyResult<Variables> {
    let mut variables = Variables::new();
    let Some(scope) = Scope::of_caller(py)? else { return Ok(variables) };
    let mut missing = false;
    for name in names {
        variables = match scope.find(py, name)? {
            Found::Nothing => {
                missing = true;
                variables
            }
            Found::Enclosing => variables.with_hint(
                name,
                format!("{name} is a variable of an enclosing function, which is not looked at: assign it to a local variable first"),
            ),
            Found::Value(value) => match table(session, &value)? {
                Table::Frame(frame) => variables.with_table(name, &frame).map_err(|error| to_py(py, &error))?,
                Table::Refused(why) => variables.with_hint(name, format!("the Python variable {name} {why}")),
            },
        };
    }
    if missing {
        variables = variables.with_candidates(scope.tables()?);
    }
    Ok(variables)
}

/// The variables that the caller sees by their names alone.
struct Scope<'py> {
    /// Innermost first: a comprehension has locals of its own inside those of its function.
    locals: Vec<Bound<'py, PyAny>>,
    globals: Bound<'py, PyAny>,
    /// The names that the function takes from functions around it.
    enclosing: Vec<String>,
}

enum Found<'py> {
    Nothing,
    /// The name is that of a variable of another function.
    Enclosing,
    Value(Bound<'py, PyAny>),
}

impl<'py> Scope<'py> {
    /// The scope of the code that called into this module; `None` when that is not Python code.
    fn of_caller(py: Python<'py>) -> PyResult<Option<Self>> {
        // A native function has no frame: the innermost one is that of its caller.
        let Ok(mut frame) = py.import("sys")?.call_method1("_getframe", (0,)) else { return Ok(None) };
        let mut locals = vec![frame.getattr("f_locals")?];
        while is_comprehension(&frame)? {
            frame = frame.getattr("f_back")?;
            locals.push(frame.getattr("f_locals")?);
        }
        let enclosing = frame.getattr("f_code")?.getattr("co_freevars")?.extract()?;
        Ok(Some(Self { locals, globals: frame.getattr("f_globals")?, enclosing }))
    }

    fn find(&self, py: Python<'py>, name: &str) -> PyResult<Found<'py>> {
        if !PyString::new(py, name).call_method0("isidentifier")?.is_truthy()? {
            return Ok(Found::Nothing);
        }
        if self.enclosing.iter().any(|own| own == name) {
            return Ok(Found::Enclosing);
        }
        for variables in self.locals.iter().chain([&self.globals]) {
            if variables.contains(name)? {
                return Ok(Found::Value(variables.get_item(name)?));
            }
        }
        Ok(Found::Nothing)
    }

    /// The names of variables that could be read, sorted.
    fn tables(&self) -> PyResult<Vec<String>> {
        let mut names = Vec::new();
        for variables in self.locals.iter().chain([&self.globals]) {
            // A copy: another thread may change the globals meanwhile.
            let copy = PyDict::new(variables.py());
            copy.call_method1("update", (variables,))?;
            for (name, value) in copy {
                if let Ok(name) = name.extract::<String>()
                    && !name.starts_with('_')
                    && !self.enclosing.contains(&name)
                    && looks_like_table(&value)
                {
                    names.push(name);
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

fn is_comprehension(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name: String = frame.getattr("f_code")?.getattr("co_name")?.extract()?;
    Ok(COMPREHENSIONS.contains(&name.as_str()))
}

/// What became of a variable.
enum Table {
    Frame(velaria::DataFrame),
    /// Why it is no table, to follow its name.
    Refused(String),
}

fn table(session: &velaria::Session, value: &Bound<'_, PyAny>) -> PyResult<Table> {
    if let Ok(frame) = value.cast::<DataFrame>() {
        return Ok(Table::Frame(frame.get().frame().clone()));
    }
    if let Some(why) = refusal(value) {
        return Ok(Table::Refused(why));
    }
    let value = match is_lazy(value) {
        true => interrupt_first(value.py(), value.call_method0("collect"))?,
        false => value.clone(),
    };
    let (schema, batches) = arrow_in::table(&value)?;
    let frame = session.create_dataframe_from_arrow(schema, batches).map_err(|error| to_py(value.py(), &error))?;
    Ok(Table::Frame(frame))
}

/// Why `value` is no table, told from its type; `None` when it may be one.
fn refusal(value: &Bound<'_, PyAny>) -> Option<String> {
    if is_once(value) {
        let why = "gives its rows only once: give it to read_arrow_stream, or read it into a table first";
        return Some(format!("is a {}, which {why}", type_name(value)));
    }
    if looks_like_table(value) {
        return None;
    }
    let hint = match has(value, "__array_interface__") || is_column(value) {
        true => "which is one column: write {\"name\": values} to make it a table",
        false => "which is no table: a table is a DataFrame, Arrow data, a dict of columns or a two-dimensional array",
    };
    Some(format!("is of type {}, {hint}", type_name(value)))
}

fn looks_like_table(value: &Bound<'_, PyAny>) -> bool {
    if let Ok(dict) = value.cast::<PyDict>() {
        let is_named_column = |(name, values): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            name.is_instance_of::<PyString>() && is_values(&values)
        };
        return !dict.is_empty() && dict.iter().all(is_named_column);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        // Only a list of batches: plain lists are values.
        let mut items = value.try_iter().into_iter().flatten().flatten().peekable();
        return items.peek().is_some() && items.all(|item| speaks_arrow(&item) && !is_column(&item) && !is_once(&item));
    }
    if has(value, "__array_interface__") {
        return value.getattr("ndim").and_then(|count| count.extract::<usize>()).is_ok_and(|count| count == 2);
    }
    value.is_instance_of::<DataFrame>()
        || is_lazy(value)
        || (speaks_arrow(value) && !is_column(value) && !is_once(value))
}

fn is_values(values: &Bound<'_, PyAny>) -> bool {
    values.is_instance_of::<PyList>()
        || values.is_instance_of::<PyTuple>()
        || has(values, "__array_interface__")
        || speaks_arrow(values)
}

/// A lazy frame of polars, which has rows once it is collected.
fn is_lazy(value: &Bound<'_, PyAny>) -> bool {
    let class = value.get_type();
    let module = class.module().and_then(|module| module.extract::<String>()).unwrap_or_default();
    type_name(value) == "LazyFrame" && (module == "polars" || module.starts_with("polars."))
}

/// A single column. Those that are structs could be tables, but say so by another type.
fn is_column(value: &Bound<'_, PyAny>) -> bool {
    let name = type_name(value);
    name == "Series" || name == "Index" || name == "Column" || name == "ChunkedArray" || name.ends_with("Array")
}

/// A reader of a stream: who reads it again gets nothing, without an error.
fn is_once(value: &Bound<'_, PyAny>) -> bool {
    has(value, "__arrow_c_stream__") && (has(value, "__next__") || has(value, "read_next_batch"))
}

fn speaks_arrow(value: &Bound<'_, PyAny>) -> bool {
    has(value, "__arrow_c_stream__") || has(value, "__arrow_c_array__")
}

/// Whether the type has a method. The object itself is not asked: there are objects that have everything.
fn has(value: &Bound<'_, PyAny>, method: &str) -> bool {
    value.get_type().hasattr(method).unwrap_or(false)
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}
