//! Vector searches: what Python says about one, as the engine's `VectorSearch`.

mod query;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use velaria::{HybridSearch, VectorSearch};

use crate::error::{to_py, wrong_type};
use crate::names::names;
use crate::vector::query::Shape;

/// How many rows to find. More than a machine can count are as good as all.
pub(crate) struct TopK(pub(crate) u64);

impl FromPyObject<'_, '_> for TopK {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        obj.extract::<u64>().map(Self).or_else(|error| match error.is_instance_of::<PyOverflowError>(obj.py()) {
            // The engine has the words for what is not positive.
            true => Ok(Self(if obj.lt(0)? { 0 } else { u64::MAX })),
            false => Err(error),
        })
    }
}

/// A number, or `None`, that scores are compared with.
pub(crate) struct Threshold(pub(crate) f64);

impl FromPyObject<'_, '_> for Threshold {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        obj.extract().map(Self).map_err(|_| wrong_type(obj.py(), "score_threshold must be numeric"))
    }
}

/// The arguments of a search.
pub(crate) struct Arguments<'a, 'py> {
    pub(crate) table: &'a str,
    pub(crate) vector_column: &'a str,
    pub(crate) query_vector: &'a Bound<'py, PyAny>,
    pub(crate) top_k: TopK,
    pub(crate) metric: &'a str,
    pub(crate) filter: Option<&'a str>,
    pub(crate) columns: Option<&'a Bound<'py, PyAny>>,
    pub(crate) acceleration: &'a str,
}

impl Arguments<'_, '_> {
    /// The search.
    pub(crate) fn search(self) -> PyResult<VectorSearch> {
        let py = self.query_vector.py();
        let metric = self.metric.parse().map_err(|error| to_py(py, &error))?;
        let acceleration = self.acceleration.parse().map_err(|error| to_py(py, &error))?;
        let numbers = query::numbers(self.query_vector)?;
        let shape = numbers.shape;
        let queries = numbers.queries().map_err(|error| to_py(py, &error))?;
        let mut search = VectorSearch::new(self.table, self.vector_column, queries)
            .with_top_k(self.top_k.0)
            .with_metric(metric)
            .with_acceleration(acceleration);
        if shape == Shape::Many {
            search = search.with_query_ids();
        }
        if let Some(columns) = self.columns {
            search = search.with_columns(names("columns", columns)?);
        }
        Ok(match self.filter {
            Some(filter) => search.with_filter(filter),
            None => search,
        })
    }

    /// The search that leaves out scores beyond a threshold.
    pub(crate) fn hybrid(self, score_threshold: Option<Threshold>) -> PyResult<HybridSearch> {
        let search = HybridSearch::new(self.search()?);
        Ok(match score_threshold {
            Some(Threshold(threshold)) => search.with_score_threshold(threshold),
            None => search,
        })
    }
}
