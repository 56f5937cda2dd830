//! Arrow values as Python values.
//!
//! Dates and times are those of `datetime`, decimals those of `decimal`; a value that Python's type cannot hold exactly
//! is an error and never cut.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use velaria::{Error, ErrorCode};

use crate::error::to_py;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The proleptic ordinal of 1970-01-01.
const EPOCH_ORDINAL: i64 = 719_163;

/// Calls `visit` with the values of each row.
pub(crate) fn for_each_row<'py>(
    py: Python<'py>,
    batches: &[RecordBatch],
    mut visit: impl FnMut(Vec<Bound<'py, PyAny>>) -> PyResult<()>,
) -> PyResult<()> {
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| value(py, column, row)).collect::<PyResult<_>>()?;
            visit(values)?;
        }
    }
    Ok(())
}

fn value<'py>(py: Python<'py>, array: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    match array.data_type() {
        DataType::Null => Ok(py.None().into_bound(py)),
        DataType::Boolean => array.as_boolean().value(row).into_bound_py_any(py),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into_bound_py_any(py),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into_bound_py_any(py),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into_bound_py_any(py),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into_bound_py_any(py),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into_bound_py_any(py),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into_bound_py_any(py),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into_bound_py_any(py),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into_bound_py_any(py),
        DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_f64().into_bound_py_any(py),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into_bound_py_any(py),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into_bound_py_any(py),
        DataType::Utf8 => array.as_string::<i32>().value(row).into_bound_py_any(py),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into_bound_py_any(py),
        DataType::Utf8View => array.as_string_view().value(row).into_bound_py_any(py),
        DataType::Binary => Ok(PyBytes::new(py, array.as_binary::<i32>().value(row)).into_any()),
        DataType::LargeBinary => Ok(PyBytes::new(py, array.as_binary::<i64>().value(row)).into_any()),
        DataType::BinaryView => Ok(PyBytes::new(py, array.as_binary_view().value(row)).into_any()),
        DataType::FixedSizeBinary(_) => Ok(PyBytes::new(py, array.as_fixed_size_binary().value(row)).into_any()),
        DataType::List(_) => list(py, &array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(py, &array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(py, &array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let dict = PyDict::new(py);
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                dict.set_item(field.name(), value(py, column, row)?)?;
            }
            Ok(dict.into_any())
        }
        DataType::Map(..) => pairs(py, array, row),
        DataType::Dictionary(_, values) => decoded(py, array, row, values),
        DataType::RunEndEncoded(_, values) => decoded(py, array, row, values.data_type()),
        DataType::Union(..) => value(py, &array.as_union().value(row), 0),
        _ => temporal(py, array, row),
    }
}

/// One value of an array that stores it elsewhere.
fn decoded<'py>(py: Python<'py>, array: &ArrayRef, row: usize, values: &DataType) -> PyResult<Bound<'py, PyAny>> {
    let one = arrow::compute::cast(&array.slice(row, 1), values)
        .map_err(|error| to_py(py, &Error::new(ErrorCode::Unsupported, error.to_string())))?;
    value(py, &one, 0)
}

fn list<'py>(py: Python<'py>, items: &ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    let values = (0..items.len()).map(|row| value(py, items, row)).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, values)?.into_any())
}

fn pairs<'py>(py: Python<'py>, array: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    let entries = array.as_map().value(row);
    let result = PyList::empty(py);
    if let [keys, values] = entries.columns() {
        for entry in 0..entries.len() {
            result.append(PyTuple::new(py, [value(py, keys, entry)?, value(py, values, entry)?])?)?;
        }
    }
    Ok(result.into_any())
}

fn temporal<'py>(py: Python<'py>, array: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    match array.data_type() {
        DataType::Date32 => date(py, i64::from(array.as_primitive::<Date32Type>().value(row))),
        DataType::Date64 => date(py, array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
        DataType::Timestamp(unit, zone) => timestamp(py, micros(py, array, row, *unit, "datetime")?, zone.as_deref()),
        DataType::Time32(unit) | DataType::Time64(unit) => time(py, micros(py, array, row, *unit, "time")?),
        DataType::Duration(unit) => delta(py, micros(py, array, row, *unit, "timedelta")?),
        DataType::Interval(_) => interval(py, array, row),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            class(py, &DECIMAL, "decimal", "Decimal")?.call1((text(py, array, row)?,))
        }
        _ => text(py, array, row)?.into_bound_py_any(py),
    }
}

static DATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static DATETIME: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TIMEDELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static TIMEZONE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static DECIMAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn class<'py>(py: Python<'py>, cache: &PyOnceLock<Py<PyAny>>, module: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    Ok(cache.get_or_try_init(py, || py.import(module)?.getattr(name).map(Bound::unbind))?.bind(py).clone())
}

fn date(py: Python<'_>, days: i64) -> PyResult<Bound<'_, PyAny>> {
    class(py, &DATE, "datetime", "date")?
        .call_method1("fromordinal", (days.saturating_add(EPOCH_ORDINAL),))
        .map_err(|_| lossy(py, "date"))
}

fn delta(py: Python<'_>, micros: i64) -> PyResult<Bound<'_, PyAny>> {
    let (days, rest) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    class(py, &TIMEDELTA, "datetime", "timedelta")?.call1((days, 0, rest)).map_err(|_| lossy(py, "timedelta"))
}

fn timestamp<'py>(py: Python<'py>, micros: i64, zone: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
    let epoch = class(py, &DATETIME, "datetime", "datetime")?.call1((1970, 1, 1))?;
    let naive = epoch.call_method1("__add__", (delta(py, micros)?,)).map_err(|_| lossy(py, "datetime"))?;
    let Some(zone) = zone else { return Ok(naive) };
    let utc = class(py, &TIMEZONE, "datetime", "timezone")?.getattr("utc")?;
    let options = PyDict::new(py);
    options.set_item("tzinfo", &utc)?;
    let aware = naive.call_method("replace", (), Some(&options))?;
    match zone {
        "UTC" | "Z" | "+00:00" => Ok(aware),
        zone => aware.call_method1("astimezone", (tzinfo(py, zone)?,)).map_err(|_| lossy(py, "datetime")),
    }
}

/// The zone of a name such as `Asia/Shanghai` or of an offset such as `+08:00`.
fn tzinfo<'py>(py: Python<'py>, zone: &str) -> PyResult<Bound<'py, PyAny>> {
    let Some(minutes) = offset_minutes(zone) else { return named_zone(py, zone) };
    let offset = class(py, &TIMEDELTA, "datetime", "timedelta")?.call1((0, minutes * 60))?;
    class(py, &TIMEZONE, "datetime", "timezone")?.call1((offset,))
}

fn named_zone<'py>(py: Python<'py>, zone: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("zoneinfo")?.getattr("ZoneInfo")?.call1((zone,)).map_err(|cause| {
        let error = Error::new(ErrorCode::LossyConversion, format!("Python does not know the time zone {zone}"))
            .with_hint("install the package tzdata, or cast the column in SQL");
        let raised = to_py(py, &error);
        raised.set_cause(py, Some(cause));
        raised
    })
}

fn offset_minutes(zone: &str) -> Option<i64> {
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.strip_prefix(['+', '-'])?.chars().filter(|character| *character != ':').collect();
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        2 => Some(sign * number * 60),
        4 => Some(sign * (number / 100 * 60 + number % 100)),
        _ => None,
    }
}

fn time(py: Python<'_>, micros: i64) -> PyResult<Bound<'_, PyAny>> {
    timestamp(py, micros, None)?.call_method0("time")
}

/// Months, days and nanoseconds, which have no type of their own in Python.
fn interval<'py>(py: Python<'py>, array: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    let converted = arrow::compute::cast(array, &DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano))
        .map_err(|_| lossy(py, "interval"))?;
    let parts = converted.as_primitive::<IntervalMonthDayNanoType>().value(row);
    (parts.months, parts.days, parts.nanoseconds).into_bound_py_any(py)
}

fn micros(py: Python<'_>, array: &ArrayRef, row: usize, unit: TimeUnit, class: &str) -> PyResult<i64> {
    let raw = raw_i64(array, row);
    let scaled = match unit {
        TimeUnit::Second => raw.checked_mul(1_000_000),
        TimeUnit::Millisecond => raw.checked_mul(1_000),
        TimeUnit::Microsecond => Some(raw),
        TimeUnit::Nanosecond if raw % 1_000 == 0 => Some(raw / 1_000),
        TimeUnit::Nanosecond => None,
    };
    scaled.ok_or_else(|| lossy(py, class))
}

/// The integer that a date, time or duration is stored as.
fn raw_i64(array: &ArrayRef, row: usize) -> i64 {
    let data = array.to_data();
    match data.data_type().primitive_width() {
        Some(4) => data.buffer::<i32>(0).get(row).copied().map_or(0, i64::from),
        _ => data.buffer::<i64>(0).get(row).copied().unwrap_or(0),
    }
}

fn text(py: Python<'_>, array: &ArrayRef, row: usize) -> PyResult<String> {
    let options = FormatOptions::default().with_display_error(false);
    let formatted = ArrayFormatter::try_new(array, &options).and_then(|formatter| formatter.value(row).try_to_string());
    formatted.map_err(|error| to_py(py, &Error::new(ErrorCode::Unsupported, error.to_string())))
}

fn lossy(py: Python<'_>, class: &str) -> PyErr {
    let error = Error::new(ErrorCode::LossyConversion, format!("a value does not fit Python's {class}"))
        .with_hint("Python has microseconds and the years 1 to 9999: cast the column in SQL, or use to_arrow()");
    to_py(py, &error)
}
