//! What can be measured between two vectors.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use datafusion::error::{DataFusionError, Result};
use velaria_contract::{Error, ErrorCode};
use velaria_vector::Metric;
use velaria_vector::exact::{Component, ExactQuery, l1};

use super::rows::{Vectors, one_length, with_components};

/// A number for two vectors. Every measure is symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The Euclidean distance.
    L2,
    /// The sum of absolute differences.
    L1,
    /// 1 less the cosine of the angle, and 1 when one of the vectors is zero.
    CosineDistance,
    /// 1 less the cosine distance, which is exact: its order is that of the distance, backwards.
    CosineSimilarity,
    /// The inner product.
    Dot,
    /// The inner product with the other sign, which is less for what is nearer.
    NegativeDot,
}

/// Which of two values is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nearer {
    Less,
    Greater,
}

impl Measure {
    /// The metric of vector search whose scores have the same order, and which end of the values is near.
    pub(crate) fn searched(self) -> Option<(Metric, Nearer)> {
        match self {
            Self::L2 => Some((Metric::L2, Nearer::Less)),
            Self::CosineDistance => Some((Metric::Cosine, Nearer::Less)),
            Self::CosineSimilarity => Some((Metric::Cosine, Nearer::Greater)),
            Self::Dot => Some((Metric::Dot, Nearer::Greater)),
            Self::NegativeDot => Some((Metric::Dot, Nearer::Less)),
            Self::L1 => None,
        }
    }

    /// The value for each of `rows` rows. A constant is the query of a search, whichever side it stands on.
    pub(super) fn between(self, name: &str, left: &Vectors, right: &Vectors, rows: usize) -> Result<ArrayRef> {
        let (stored, queries) = if left.is_constant() && !right.is_constant() { (right, left) } else { (left, right) };
        with_components!(stored, values => self.of(name, (values, stored), queries, rows))
    }

    fn of<T: Component>(
        self,
        name: &str,
        (values, stored): (&[T], &Vectors),
        queries: &Vectors,
        rows: usize,
    ) -> Result<ArrayRef> {
        let mut prepared: Option<Query> = None;
        let value = |row: usize| {
            let (Some(place), Some(wanted)) = (stored.at(row)?, queries.at(row)?) else { return Ok(None) };
            if place.len() != wanted.len() {
                let message = one_length(name, &place.len(), &wanted.len());
                return Err(DataFusionError::External(Box::new(Error::new(ErrorCode::TypeMismatch, message))));
            }
            let known = prepared.take().filter(|_| queries.is_constant());
            let query = prepared.insert(known.unwrap_or_else(|| Query::new(self, queries.wide(wanted))));
            Ok(values.get(place).map(|vector| query.value(vector)))
        };
        Ok(Arc::new((0..rows).map(value).collect::<Result<Float64Array>>()?))
    }
}

/// One side, with what is the same for every row of the other.
struct Query {
    measure: Measure,
    exact: ExactQuery,
    finite: bool,
}

impl Query {
    fn new(measure: Measure, values: Vec<f64>) -> Self {
        let metric = measure.searched().map_or(Metric::L2, |(metric, _)| metric);
        let finite = values.iter().all(|value| value.is_finite());
        Self { measure, exact: ExactQuery::new(metric, values), finite }
    }

    fn value<T: Component>(&self, vector: &[T]) -> f64 {
        if !self.finite {
            return f64::NAN;
        }
        // One zero, as in the results of a search.
        match self.measure {
            Measure::L1 => l1(vector, self.exact.values()),
            Measure::CosineSimilarity => 1.0 - self.exact.score(vector),
            Measure::NegativeDot => 0.0 - self.exact.score(vector),
            Measure::L2 | Measure::CosineDistance | Measure::Dot => self.exact.score(vector) + 0.0,
        }
    }
}
