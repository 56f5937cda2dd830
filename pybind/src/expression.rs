//! `velaria.Expression` and `velaria.SortKey`: what a program says about the rows of a frame.

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use velaria::relation::{
    Call, CastFailure, Distinctness, Expression as Tree, Item, LetterCase, NullsPlace, Operator, RowBound,
    SortDirection, SortKey as Key,
};
use velaria::{Error, ErrorCode, Result};

use crate::error::{to_py, wrong_type};
use crate::parameters::{parameter, parameters};

/// An expression of SQL over the rows of a frame. What is made of it is another one.
///
///     >>> import velaria
///     >>> from velaria import col, when
///     >>> frame = velaria.sql("SELECT * FROM (VALUES ('ada', 36), ('bo', 41), ('cy', NULL)) AS people(name, age)")
///     >>> (col("age") + 1) * 2
///     <velaria.Expression (age + 1) * 2>
///     >>> frame.filter((col("age") > 30) & (col("name") != "bo")).fetchall()
///     [('ada', 36)]
#[pyclass(frozen, module = "velaria")]
pub(crate) struct Expression {
    tree: Tree,
}

/// What rows are sorted by.
///
///     >>> import velaria
///     >>> velaria.col("age").desc()
///     <velaria.SortKey age DESC>
#[pyclass(frozen, module = "velaria")]
pub(crate) struct SortKey {
    key: Key,
}

/// The result of the engine as one of Python.
fn made(py: Python<'_>, tree: Result<Tree>) -> PyResult<Expression> {
    tree.map(|tree| Expression { tree }).map_err(|error| to_py(py, &error))
}

/// An operand: an expression, or the value that it is.
fn operand(value: &Bound<'_, PyAny>) -> PyResult<Tree> {
    if let Ok(expression) = value.cast::<Expression>() {
        return Ok(expression.get().tree.clone());
    }
    let py = value.py();
    if value.is_instance_of::<SortKey>() {
        return Err(wrong_type(py, "a sort key is no value: asc() and desc() are given last"));
    }
    // A number of numpy is one of Python in other clothes.
    let numpy = value.get_type().module().is_ok_and(|module| module == "numpy") && !value.hasattr("__len__")?;
    let value = if numpy { value.call_method0("item")? } else { value.clone() };
    Tree::value(&parameter(py, &value)?).map_err(|error| to_py(py, &error))
}

/// A column by its name, or an operand.
fn column(value: &Bound<'_, PyAny>) -> PyResult<Tree> {
    match value.cast::<PyString>() {
        Ok(name) => Tree::column(&name.to_cow()?).map_err(|error| to_py(value.py(), &error)),
        Err(_) => operand(value),
    }
}

/// A condition as text of SQL, or an operand.
pub(crate) fn condition(value: &Bound<'_, PyAny>) -> PyResult<Tree> {
    match value.cast::<PyString>() {
        Ok(text) => Tree::sql(&text.to_cow()?, &velaria::Parameters::None).map_err(|error| to_py(value.py(), &error)),
        Err(_) => operand(value),
    }
}

/// One of something, or a sequence of them.
fn each<T>(value: Option<&Bound<'_, PyAny>>, one: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>) -> PyResult<Vec<T>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    if value.is_instance_of::<PyString>() || value.is_instance_of::<Expression>() || value.is_instance_of::<SortKey>() {
        return Ok(vec![one(value)?]);
    }
    value.try_iter()?.map(|item| one(&item?)).collect()
}

/// Columns: names and expressions, then those that have their name before them.
pub(crate) fn columns(values: &Bound<'_, PyTuple>, named: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<Tree>> {
    let mut trees = values.iter().map(|value| column(&value)).collect::<PyResult<Vec<_>>>()?;
    for (name, value) in named.into_iter().flatten() {
        let tree = column(&value)?.alias(&name.extract::<String>()?);
        trees.push(tree.map_err(|error| to_py(value.py(), &error))?);
    }
    Ok(trees)
}

/// The items of a SELECT list: `*` is every column.
pub(crate) fn items(values: &Bound<'_, PyTuple>, named: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<Item>> {
    let mut items = Vec::new();
    for value in values {
        let star = value.cast::<PyString>().is_ok_and(|text| text == "*");
        items.push(if star { Item::All } else { Item::One(column(&value)?) });
    }
    items.extend(columns(&PyTuple::empty(values.py()), named)?.into_iter().map(Item::One));
    Ok(items)
}

/// The keys that rows are grouped by.
pub(crate) fn group_keys(value: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Tree>> {
    each(value, column)
}

/// What rows are sorted by: names, expressions and sort keys.
pub(crate) fn sort_key(value: &Bound<'_, PyAny>) -> PyResult<Key> {
    match value.cast::<SortKey>() {
        Ok(key) => Ok(key.get().key.clone()),
        Err(_) => column(value).map(Key::from),
    }
}

fn nulls(py: Python<'_>, word: Option<&str>) -> PyResult<NullsPlace> {
    match word {
        None => Ok(NullsPlace::Unsaid),
        Some("first") => Ok(NullsPlace::First),
        Some("last") => Ok(NullsPlace::Last),
        Some(other) => {
            let error = Error::new(ErrorCode::InvalidArgument, format!("nulls cannot be {other}"));
            Err(to_py(py, &error.with_hint("nulls come \"first\" or \"last\"")))
        }
    }
}

impl Expression {
    fn binary(&self, operator: Operator, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(other.py(), self.tree.binary(operator, &operand(other)?))
    }

    fn reflected(&self, operator: Operator, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(other.py(), operand(other)?.binary(operator, &self.tree))
    }

    fn call(&self, py: Python<'_>, name: &str, distinctness: Distinctness) -> PyResult<Self> {
        let arguments = [self.tree.clone()];
        made(py, Tree::call(&Call { distinctness, ..Call::new(name, &arguments) }))
    }

    fn sorted(&self, py: Python<'_>, direction: SortDirection, place: Option<&str>) -> PyResult<SortKey> {
        Ok(SortKey { key: Key { expression: self.tree.clone(), direction, nulls: nulls(py, place)? } })
    }

    fn pattern(&self, pattern: &Bound<'_, PyAny>, escape: Option<char>, case: LetterCase) -> PyResult<Self> {
        made(pattern.py(), self.tree.like(&operand(pattern)?, escape, case))
    }
}

#[pymethods]
impl Expression {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.Expression' instances: write col(\"name\") or lit(value)"))
    }

    /// Numpy leaves its operators to this class.
    #[classattr]
    fn __array_ufunc__(py: Python<'_>) -> Py<PyAny> {
        py.None()
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Self> {
        let operator = match op {
            CompareOp::Eq => Operator::Equal,
            CompareOp::Ne => Operator::NotEqual,
            CompareOp::Lt => Operator::Less,
            CompareOp::Le => Operator::LessOrEqual,
            CompareOp::Gt => Operator::Greater,
            CompareOp::Ge => Operator::GreaterOrEqual,
        };
        self.binary(operator, other)
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.binary(Operator::Add, other)
    }

    fn __radd__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.reflected(Operator::Add, other)
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.binary(Operator::Subtract, other)
    }

    fn __rsub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.reflected(Operator::Subtract, other)
    }

    fn __mul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.binary(Operator::Multiply, other)
    }

    fn __rmul__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.reflected(Operator::Multiply, other)
    }

    fn __truediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.binary(Operator::Divide, other)
    }

    fn __rtruediv__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.reflected(Operator::Divide, other)
    }

    fn __mod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.binary(Operator::Modulo, other)
    }

    fn __rmod__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.reflected(Operator::Modulo, other)
    }

    fn __and__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.binary(Operator::And, other)
    }

    fn __rand__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.reflected(Operator::And, other)
    }

    fn __or__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.binary(Operator::Or, other)
    }

    fn __ror__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.reflected(Operator::Or, other)
    }

    fn __invert__(&self, py: Python<'_>) -> PyResult<Self> {
        made(py, self.tree.not())
    }

    fn __neg__(&self, py: Python<'_>) -> PyResult<Self> {
        made(py, self.tree.negative())
    }

    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err(
            "an expression is neither true nor false: it has a value for each row. Write & for and, | for or, ~ for not, \
             with parentheses around comparisons: (col(\"a\") > 1) & (col(\"b\") < 2); between(1, 5) for 1 <= a <= 5; \
             is_in(values) for in",
        ))
    }

    /// This expression as the column `name` of a result.
    ///
    ///     >>> frame.select((col("age") + 1).alias("next")).columns
    ///     ['next']
    fn alias(&self, py: Python<'_>, name: &str) -> PyResult<Self> {
        made(py, self.tree.alias(name))
    }

    /// The value as another type, which is written as in SQL. With `safe`, what cannot be cast is NULL.
    ///
    ///     >>> frame.select(col("age").cast("DOUBLE"), number=col("name").cast("INT", safe=True)).limit(1).fetchall()
    ///     [(36.0, None)]
    #[pyo3(signature = (data_type, *, safe=false))]
    fn cast(&self, py: Python<'_>, data_type: &str, safe: bool) -> PyResult<Self> {
        made(py, self.tree.cast(data_type, if safe { CastFailure::Null } else { CastFailure::Error }))
    }

    /// Whether there is no value.
    ///
    ///     >>> frame.filter(col("age").is_null()).fetchall()
    ///     [('cy', None)]
    fn is_null(&self, py: Python<'_>) -> PyResult<Self> {
        made(py, self.tree.is_null())
    }

    /// Whether there is a value.
    ///
    ///     >>> frame.filter(col("age").is_not_null()).fetchall()
    ///     [('ada', 36), ('bo', 41)]
    fn is_not_null(&self, py: Python<'_>) -> PyResult<Self> {
        made(py, self.tree.is_not_null())
    }

    /// Whether the value is one of `values`. Nothing is in an empty list.
    ///
    ///     >>> frame.filter(col("name").is_in(["ada", "eve"])).fetchall()
    ///     [('ada', 36)]
    fn is_in(&self, py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<Self> {
        if values.is_instance_of::<PyString>() {
            return Err(wrong_type(py, "is_in expects a list of values, not a text"));
        }
        let list = values.try_iter()?.map(|value| operand(&value?)).collect::<PyResult<Vec<_>>>()?;
        made(py, self.tree.is_in(&list))
    }

    /// Whether the value is neither below `low` nor above `high`.
    ///
    ///     >>> frame.filter(col("age").between(40, 50)).fetchall()
    ///     [('bo', 41)]
    fn between(&self, low: &Bound<'_, PyAny>, high: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(low.py(), self.tree.between(&operand(low)?, &operand(high)?))
    }

    /// Whether the text fits a pattern, in which `%` is any text and `_` one character.
    ///
    ///     >>> frame.filter(col("name").like("a%")).fetchall()
    ///     [('ada', 36)]
    #[pyo3(signature = (pattern, escape=None))]
    fn like(&self, pattern: &Bound<'_, PyAny>, escape: Option<char>) -> PyResult<Self> {
        self.pattern(pattern, escape, LetterCase::Minded)
    }

    /// Like `like`, whatever the case of letters is.
    ///
    ///     >>> frame.filter(col("name").ilike("B_")).fetchall()
    ///     [('bo', 41)]
    #[pyo3(signature = (pattern, escape=None))]
    fn ilike(&self, pattern: &Bound<'_, PyAny>, escape: Option<char>) -> PyResult<Self> {
        self.pattern(pattern, escape, LetterCase::Ignored)
    }

    /// A sort key: smallest first. `nulls` is "first" or "last".
    ///
    ///     >>> frame.order(col("age").asc(nulls="first")).fetchall()
    ///     [('cy', None), ('ada', 36), ('bo', 41)]
    #[pyo3(signature = (nulls=None))]
    fn asc(&self, py: Python<'_>, nulls: Option<&str>) -> PyResult<SortKey> {
        self.sorted(py, SortDirection::Ascending, nulls)
    }

    /// A sort key: largest first. `nulls` is "first" or "last".
    ///
    ///     >>> frame.order(col("age").desc(nulls="last")).fetchall()
    ///     [('bo', 41), ('ada', 36), ('cy', None)]
    #[pyo3(signature = (nulls=None))]
    fn desc(&self, py: Python<'_>, nulls: Option<&str>) -> PyResult<SortKey> {
        self.sorted(py, SortDirection::Descending, nulls)
    }

    /// The sum of the values.
    ///
    ///     >>> frame.aggregate(col("age").sum()).to_rows()
    ///     {'schema': ['sum_age'], 'rows': [[77]]}
    fn sum(&self, py: Python<'_>) -> PyResult<Self> {
        self.call(py, "sum", Distinctness::All)
    }

    /// The average of the values.
    ///
    ///     >>> frame.aggregate(col("age").avg()).fetchall()
    ///     [(38.5,)]
    fn avg(&self, py: Python<'_>) -> PyResult<Self> {
        self.call(py, "avg", Distinctness::All)
    }

    /// The smallest value.
    ///
    ///     >>> frame.aggregate(col("age").min()).fetchall()
    ///     [(36,)]
    fn min(&self, py: Python<'_>) -> PyResult<Self> {
        self.call(py, "min", Distinctness::All)
    }

    /// The largest value.
    ///
    ///     >>> frame.aggregate(col("age").max()).fetchall()
    ///     [(41,)]
    fn max(&self, py: Python<'_>) -> PyResult<Self> {
        self.call(py, "max", Distinctness::All)
    }

    /// The number of values that are there.
    ///
    ///     >>> frame.aggregate(col("age").count(), col("name").count()).fetchall()
    ///     [(2, 3)]
    fn count(&self, py: Python<'_>) -> PyResult<Self> {
        self.call(py, "count", Distinctness::All)
    }

    /// The number of different values.
    ///
    ///     >>> frame.union(frame).aggregate(col("name").count_distinct()).fetchall()
    ///     [(3,)]
    fn count_distinct(&self, py: Python<'_>) -> PyResult<Self> {
        self.call(py, "count", Distinctness::Distinct)
    }

    /// This call of a function over a window of rows. `rows` is the first and the last row from the current one; `None`
    /// in it is the end of the part.
    ///
    ///     >>> frame.select("name", total=col("age").sum().over(order_by="name")).order("name").fetchall()
    ///     [('ada', 36), ('bo', 77), ('cy', 77)]
    #[pyo3(signature = (partition_by=None, order_by=None, rows=None))]
    fn over(
        &self,
        py: Python<'_>,
        partition_by: Option<&Bound<'_, PyAny>>,
        order_by: Option<&Bound<'_, PyAny>>,
        rows: Option<(Option<i64>, Option<i64>)>,
    ) -> PyResult<Self> {
        let bound = |rows: Option<i64>| rows.map_or(RowBound::Unbounded, RowBound::Rows);
        let rows = rows.map(|(start, end)| (bound(start), bound(end)));
        made(py, self.tree.over(&each(partition_by, column)?, &each(order_by, sort_key)?, rows))
    }

    /// The `when` before this one, and `value` where `condition` is the first that is true.
    ///
    ///     >>> frame.select(when(col("age") > 40, "over 40").when(col("age").is_null(), "unknown")).fetchall()
    ///     [(None,), ('over 40',), ('unknown',)]
    fn when(&self, condition: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(value.py(), self.tree.when(&self::condition(condition)?, &operand(value)?))
    }

    /// The `when` before this one, and `value` where no condition is true.
    ///
    ///     >>> frame.select(when(col("age") > 40, "over 40").otherwise("other")).fetchall()
    ///     [('other',), ('over 40',), ('other',)]
    fn otherwise(&self, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        made(value.py(), self.tree.otherwise(&operand(value)?))
    }

    fn __str__(&self) -> String {
        self.tree.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<velaria.Expression {}>", self.tree)
    }
}

#[pymethods]
impl SortKey {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn py_new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err("cannot create 'velaria.SortKey' instances: write col(\"name\").desc()"))
    }

    fn __repr__(&self) -> String {
        format!("<velaria.SortKey {}{}>", self.key.expression, self.key.words())
    }
}

/// A column by its name; with `table`, one of that table.
///
///     >>> from velaria import col
///     >>> col("age") > 40, col("age", table="other")
///     (<velaria.Expression age > 40>, <velaria.Expression other.age>)
#[pyfunction]
#[pyo3(signature = (name, table=None))]
pub(crate) fn col(py: Python<'_>, name: &str, table: Option<&str>) -> PyResult<Expression> {
    made(py, table.map_or_else(|| Tree::column(name), |table| Tree::column_of(table, name)))
}

/// A value.
///
///     >>> import velaria
///     >>> velaria.sql("SELECT 1 AS a").select("a", b=velaria.lit("it's")).fetchall()
///     [(1, "it's")]
#[pyfunction]
pub(crate) fn lit(value: &Bound<'_, PyAny>) -> PyResult<Expression> {
    operand(value).map(|tree| Expression { tree })
}

/// One expression as text of SQL, with values for its parameters.
///
///     >>> import velaria
///     >>> velaria.sql("SELECT 20 AS a").select(b=velaria.sql_expr("a * ? + 2", [2])).fetchall()
///     [(42,)]
#[pyfunction]
#[pyo3(signature = (text, params=None))]
pub(crate) fn sql_expr(py: Python<'_>, text: &str, params: Option<&Bound<'_, PyAny>>) -> PyResult<Expression> {
    made(py, Tree::sql(text, &parameters(py, params)?))
}

/// `value` where `condition` is true; `when` and `otherwise` may follow.
///
///     >>> from velaria import col, when
///     >>> when(col("age") < 18, "young").otherwise("grown")
///     <velaria.Expression CASE WHEN age < 18 THEN 'young' ELSE 'grown' END>
#[pyfunction]
pub(crate) fn when(condition: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Expression> {
    made(value.py(), Tree::case(&self::condition(condition)?, &operand(value)?))
}

/// What the function `name` of SQL makes of `arguments`.
#[pyfunction]
#[pyo3(signature = (name, /, *arguments, distinct=false, order_by=None, filter=None))]
pub(crate) fn call(
    py: Python<'_>,
    name: &str,
    arguments: &Bound<'_, PyTuple>,
    distinct: bool,
    order_by: Option<&Bound<'_, PyAny>>,
    filter: Option<&Bound<'_, PyAny>>,
) -> PyResult<Expression> {
    let arguments = arguments.iter().map(|value| operand(&value)).collect::<PyResult<Vec<_>>>()?;
    let (order_by, filter) = (each(order_by, sort_key)?, filter.map(condition).transpose()?);
    let distinctness = if distinct { Distinctness::Distinct } else { Distinctness::All };
    let call = Call { name, arguments: &arguments, distinctness, order_by: &order_by, filter: filter.as_ref() };
    made(py, Tree::call(&call))
}
