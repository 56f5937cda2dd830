//! What the methods of a frame that take another frame are given.

use pyo3::prelude::*;
use pyo3::types::PyString;
use velaria::relation::{JoinCondition, JoinKind, SetOperation};
use velaria::{Error, ErrorCode};

use crate::dataframe::DataFrame;
use crate::error::{to_py, wrong_type};
use crate::expression::{Expression, condition};
use crate::names;

/// The frame in `value`, the argument of `method`.
pub(crate) fn frame(method: &str, value: &Bound<'_, PyAny>) -> PyResult<velaria::DataFrame> {
    match value.cast::<DataFrame>() {
        Ok(frame) => Ok(frame.get().frame().clone()),
        Err(_) => {
            let message = format!("{method} expects a DataFrame; create_dataframe_from_arrow makes one of Arrow data");
            Err(wrong_type(value.py(), &message))
        }
    }
}

fn usage(py: Python<'_>, message: &str, hint: &str) -> PyErr {
    to_py(py, &Error::new(ErrorCode::InvalidArgument, message).with_hint(hint))
}

/// The kind of a join by its word.
pub(crate) fn join_kind(py: Python<'_>, word: &str) -> PyResult<JoinKind> {
    match word {
        "inner" => Ok(JoinKind::Inner),
        "left" => Ok(JoinKind::Left),
        "right" => Ok(JoinKind::Right),
        "full" | "outer" => Ok(JoinKind::Full),
        "semi" => Ok(JoinKind::Semi),
        "anti" => Ok(JoinKind::Anti),
        "cross" => Ok(JoinKind::Cross),
        other => Err(usage(
            py,
            &format!("unknown join: {other}"),
            "there are inner, left, right, full, semi, anti and cross",
        )),
    }
}

/// The condition of a join: names of columns that both sides have, an expression, or names for each side.
pub(crate) fn join_condition(
    py: Python<'_>,
    on: Option<&Bound<'_, PyAny>>,
    left_on: Option<&Bound<'_, PyAny>>,
    right_on: Option<&Bound<'_, PyAny>>,
) -> PyResult<JoinCondition> {
    match (on, left_on, right_on) {
        (None, None, None) => Ok(JoinCondition::None),
        (Some(on), None, None) if on.is_instance_of::<Expression>() => condition(on).map(JoinCondition::On),
        (Some(on), None, None) => match one_or_more("on", on)? {
            names if names.is_empty() => Err(usage(py, "join needs at least one column", "how='cross' needs none")),
            names => Ok(JoinCondition::Using(names)),
        },
        (None, Some(left), Some(right)) => {
            let (left, right) = (one_or_more("left_on", left)?, one_or_more("right_on", right)?);
            if left.len() != right.len() {
                return Err(usage(
                    py,
                    "left_on and right_on differ in length",
                    "each column of one side has one of the other",
                ));
            }
            let pairs = left.iter().map(String::as_str).zip(right.iter().map(String::as_str));
            JoinCondition::equal(pairs).map_err(|error| to_py(py, &error))
        }
        _ => Err(usage(py, "join takes on, or both left_on and right_on", "on is for names that both sides have")),
    }
}

fn one_or_more(argument: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    match value.cast::<PyString>() {
        Ok(name) => Ok(vec![name.to_string()]),
        Err(_) => names::names(argument, value),
    }
}

/// Which union it is.
pub(crate) fn union(distinct: bool, by_name: bool) -> SetOperation {
    match (distinct, by_name) {
        (false, false) => SetOperation::UnionAll,
        (true, false) => SetOperation::Union,
        (false, true) => SetOperation::UnionAllByName,
        (true, true) => SetOperation::UnionByName,
    }
}
