//! Runs a search for vectors: what it finds, and what it says about itself.

use std::error::Error;

use velaria::arrow::util::pretty::pretty_format_batches;
use velaria::{DataFrame, ErrorReport, HybridSearch, Queries, Session, SessionConfig, VectorSearch, wait};

use crate::case::{Threshold, VectorCase};

/// What became of a search.
#[derive(Debug)]
pub struct VectorOutcome {
    /// The rows as a table.
    pub rows: Result<String, ErrorReport>,
    /// The explanation, with a placeholder for the instructions of this machine.
    pub explained: Result<String, ErrorReport>,
}

/// Runs `case` and explains it.
///
/// # Errors
/// When a statement before the search is refused.
pub fn run_vector(case: &VectorCase) -> Result<VectorOutcome, Box<dyn Error>> {
    let session = prepare(case)?;
    let (asking, explaining, case) = (session.clone(), session, case.clone());
    let told = case.clone();
    let found = wait(async move { shown(&found(&asking, &case).await?).await }, || Ok(()));
    let explained = wait(async move { explained(&explaining, &told).await }, || Ok(()));
    Ok(VectorOutcome {
        rows: found.map_err(|error| error.report()),
        explained: explained.map(|text| without_backend(&text)).map_err(|error| error.report()),
    })
}

fn prepare(case: &VectorCase) -> Result<Session, Box<dyn Error>> {
    let case = case.clone();
    let prepared = wait(
        async move {
            let session = Session::new(SessionConfig::default().with_threads(2))?;
            for statement in &case.setup {
                session.sql(statement).await?;
            }
            Ok(session)
        },
        || Ok(()),
    );
    prepared.map_err(|error| error.report().to_string().into())
}

fn request(case: &VectorCase) -> velaria::Result<VectorSearch> {
    let dimension = case.queries.first().map_or(0, Vec::len);
    let queries = match case.queries.is_empty() {
        true => None,
        false => Some(Queries::try_new(case.queries.concat(), dimension)?),
    };
    let mut search = VectorSearch::new(&case.table, &case.column, queries)
        .with_metric(case.metric.parse()?)
        .with_columns(case.columns.iter().cloned());
    if let Some(top_k) = case.top_k {
        search = search.with_top_k(top_k);
    }
    if let Some(filter) = &case.filter {
        search = search.with_filter(filter);
    }
    Ok(search)
}

/// The hybrid search of a case that is one.
fn hybrid(case: &VectorCase, search: &VectorSearch) -> Option<HybridSearch> {
    let hybrid = HybridSearch::new(search.clone());
    Some(match case.score_threshold.as_ref()? {
        Threshold::Score(score) => hybrid.with_score_threshold(*score),
        Threshold::Word(_) => hybrid,
    })
}

async fn found(session: &Session, case: &VectorCase) -> velaria::Result<DataFrame> {
    let search = request(case)?;
    match hybrid(case, &search) {
        Some(hybrid) => session.hybrid_search(&hybrid).await,
        None => session.vector_search(&search).await,
    }
}

async fn explained(session: &Session, case: &VectorCase) -> velaria::Result<String> {
    let search = request(case)?;
    match hybrid(case, &search) {
        Some(hybrid) => session.explain_hybrid_search(&hybrid).await,
        None => session.explain_vector_search(&search).await,
    }
}

async fn shown(frame: &DataFrame) -> velaria::Result<String> {
    let batches = frame.collect().await?;
    let table = pretty_format_batches(&batches).map(|table| table.to_string());
    table.map_err(|error| velaria::Error::new(velaria::ErrorCode::Internal, error.to_string()))
}

/// `text` with a placeholder for the instructions of this machine.
pub(crate) fn without_backend(text: &str) -> String {
    let mut parts = text.split("backend=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| shown + "backend=[machine]" + part.trim_start_matches(char::is_alphanumeric))
}
