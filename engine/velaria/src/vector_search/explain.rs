//! What a search says about itself, in the words of the contract.

use velaria_contract::{Error, ErrorCode, Result};

use super::vectors::Vectors;
use super::{HybridSearch, Outcome, VectorSearch, result};

/// Refuses a query of another length than the vectors.
pub(super) fn check_dimension(search: &VectorSearch, vectors: &Vectors) -> Result<()> {
    let Some(queries) = &search.queries else { return Ok(()) };
    let (query, column) = (queries.dimension(), vectors.dimension);
    if query == column || vectors.is_empty() {
        return Ok(());
    }
    let message = format!(
        "query vector dimension mismatch in explainVectorQuery: the query has {query} dimensions, the column has {column}"
    );
    Err(Error::new(ErrorCode::TypeMismatch, message))
}

pub(super) fn vector_search(search: &VectorSearch, vectors: &Vectors) -> String {
    let Vectors { dimension, candidates, .. } = vectors;
    lines(&[
        ("mode", "exact-scan".to_owned()),
        ("metric", search.metric.name().to_owned()),
        ("dimension", dimension.to_string()),
        ("top_k", search.top_k.to_string()),
        ("candidate_rows", candidates.to_string()),
        ("acceleration", "flat-buffer+heap-topk".to_owned()),
        ("filter_pushdown", search.filter.is_some().to_string()),
    ])
}

pub(super) fn hybrid_search(hybrid: &HybridSearch, outcome: &Outcome) -> String {
    let search = &hybrid.search;
    let threshold = hybrid.score_threshold.map_or_else(|| "none".to_owned(), |threshold| threshold.to_string());
    let compare = if search.metric.is_distance() { "<=" } else { ">=" };
    let filtering = if search.filter.is_some() { "post-load-filter" } else { "none" };
    lines(&[
        ("mode", "exact-scan-hybrid-search".to_owned()),
        ("metric", search.metric.name().to_owned()),
        ("top_k", search.top_k.to_string()),
        ("score_threshold", threshold),
        ("score_threshold_compare", compare.to_owned()),
        ("input_rows", outcome.job.rows.count().to_string()),
        ("candidate_rows", outcome.job.vectors.candidates.to_string()),
        ("returned_rows", result::kept(hybrid, outcome).len().to_string()),
        ("column_filter_stage", "before-vector".to_owned()),
        ("column_filter_execution", filtering.to_owned()),
        ("acceleration", "flat-buffer+simd-topk".to_owned()),
        ("backend", outcome.backend.name().to_owned()),
    ])
}

fn lines(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}
