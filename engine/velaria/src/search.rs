//! Searches inside of plans: the rows of an input that fit best, best first, with their scores as further columns.
//!
//! [`node`] is the search in a logical plan, [`exec`] the operator that runs it; [`frames`] holds the calls of a session.
//! What fits, and how well, is decided by `velaria-vector`.

mod exec;
mod finder;
pub(crate) mod frames;
mod kept;
mod node;
mod planner;

pub(crate) use node::{Search, SearchNode, Vectors, Words};
pub(crate) use planner::SearchPlanner;

use datafusion::logical_expr::LogicalPlan;

/// The name of the score of a keyword search.
pub(crate) const KEYWORD_SCORE: &str = "keyword_score";
/// The name of the score of a search for vectors.
pub(crate) const VECTOR_SCORE: &str = "vector_score";
/// The name of the score of both.
pub(crate) const FUSED_SCORE: &str = "rrf_score";

/// Whether `plan` is a search, whose rows come in an order that matters.
pub(crate) fn is_search(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Extension(extension) if extension.node.as_any().is::<SearchNode>())
}
