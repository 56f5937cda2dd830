//! Searches: what Python says about one, as the engine's `VectorSearch` and its relatives.
//!
//! What a query vector may be is the matter of `query.rs`.

mod query;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use velaria::{Error, ErrorCode, FusedSearch, HybridSearch, KeywordSearch, VectorSearch};

use crate::error::{to_py, wrong_type};
use crate::names::names;
use crate::vector::query::Shape;

/// How many rows to find. More than a machine can count are as good as all.
pub(crate) struct TopK(pub(crate) u64);

impl FromPyObject<'_, '_> for TopK {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        obj.extract::<u64>().map(Self).or_else(|error| match error.is_instance_of::<PyOverflowError>(obj.py()) {
            true if obj.lt(0)? => Err(not_positive(&obj)),
            true => Ok(Self(u64::MAX)),
            false => Err(error),
        })
    }
}

fn not_positive(top_k: &Bound<'_, PyAny>) -> PyErr {
    let error = Error::new(ErrorCode::InvalidArgument, "top_k must be a positive integer");
    to_py(top_k.py(), &error.with_hint(format!("got: {top_k}")))
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

/// The arguments of a search for words.
pub(crate) struct Words<'a, 'py> {
    pub(crate) table: &'a str,
    pub(crate) text_columns: &'a Bound<'py, PyAny>,
    pub(crate) query_text: &'a str,
    pub(crate) top_k: TopK,
    pub(crate) filter: Option<&'a str>,
}

impl Words<'_, '_> {
    /// The search.
    pub(crate) fn search(self) -> PyResult<KeywordSearch> {
        let columns = names("text_columns", self.text_columns)?;
        let search = KeywordSearch::new(self.table, columns, self.query_text).with_top_k(self.top_k.0);
        Ok(match self.filter {
            Some(filter) => search.with_filter(filter),
            None => search,
        })
    }

    /// The search that looks for a vector too.
    pub(crate) fn fused(
        self,
        vector_column: &str,
        query_vector: &Bound<'_, PyAny>,
        metric: &str,
        candidates: Option<u64>,
    ) -> PyResult<FusedSearch> {
        let metric = metric.parse().map_err(|error| to_py(query_vector.py(), &error))?;
        let vector = query::one_vector(query_vector)?;
        let search = FusedSearch::new(self.search()?, vector_column, vector).with_metric(metric);
        Ok(match candidates {
            Some(candidates) => search.with_candidates(candidates),
            None => search,
        })
    }
}
