//! Functions about the results of searches.

use datafusion::error::Result;
use velaria_vector::fusion::reciprocal_rank;

use super::kernel::{Kind, Row, Spec, Value, invalid};

use Kind::{Float, Int};

pub(super) const FUNCTIONS: &[Spec] = &[Spec::new("rrf_score", &[Int, Int], Float, rrf_score).repeated().sees_null()];

/// Reciprocal rank fusion: the sum of `1 / (60 + rank)`; `NULL` is the rank in a ranking without the row.
fn rrf_score(row: &Row<'_>) -> Result<Value> {
    let ranks = (0..row.len()).filter(|place| !row.is_null(*place)).map(|place| row.int(place));
    let mut sum = None;
    for rank in ranks {
        let rank = u64::try_from(rank).ok().filter(|rank| *rank > 0);
        let rank = rank.ok_or_else(|| invalid("rrf_score takes ranks, which count from 1"))?;
        sum = Some(sum.unwrap_or(0.0) + reciprocal_rank(rank));
    }
    Ok(sum.map_or(Value::Null, Value::Float))
}
