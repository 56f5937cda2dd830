//! Searches as calls of a session.

use std::sync::Arc;

use velaria_contract::Result;
use velaria_sql::ast::Ident;
use velaria_vector::{Metric, Queries};

use crate::dataframe::DataFrame;
use crate::plan::search::{Asked, AskedVectors, AskedWords, of_table, over};
use crate::session::Session;
use crate::stop::within;

/// How many rows a search finds when it does not say.
const TOP_K: u64 = 10;
/// Each ranking of a fused search has so many times the rows that are found, and at least as many as the second number.
const CANDIDATES: (u64, u64) = (10, 100);

/// A search for words in text columns of a table or view.
#[derive(Debug, Clone)]
pub struct KeywordSearch {
    table: String,
    columns: Vec<String>,
    query: String,
    top_k: u64,
    filter: Option<String>,
}

/// A search for words and for the nearest vectors, in one ranking by reciprocal rank fusion.
#[derive(Debug, Clone)]
pub struct FusedSearch {
    keyword: KeywordSearch,
    column: String,
    vector: Vec<f64>,
    metric: Metric,
    candidates: Option<u64>,
}

impl KeywordSearch {
    /// The 10 rows of `table` that fit the words of `query` best; all `columns` of a row are one document.
    #[must_use]
    pub fn new(table: impl Into<String>, columns: Vec<String>, query: impl Into<String>) -> Self {
        Self { table: table.into(), columns, query: query.into(), top_k: TOP_K, filter: None }
    }

    /// At most so many rows.
    #[must_use]
    pub fn with_top_k(mut self, top_k: u64) -> Self {
        self.top_k = top_k;
        self
    }

    /// Only rows for which this condition is true. Other rows do not count, also not for the worth of words.
    #[must_use]
    pub fn with_filter(mut self, condition: impl Into<String>) -> Self {
        self.filter = Some(condition.into());
        self
    }

    fn asked(&self, top_k: u64) -> AskedWords {
        let columns = self.columns.iter().map(Ident::new).collect();
        AskedWords { columns, query: self.query.clone(), top_k }
    }
}

impl FusedSearch {
    /// The rows that fit `keyword` and whose vector in `column` is near `vector`; the table, the number of rows and the
    /// filter are those of `keyword`.
    #[must_use]
    pub fn new(keyword: KeywordSearch, column: impl Into<String>, vector: Vec<f64>) -> Self {
        Self { keyword, column: column.into(), vector, metric: Metric::default(), candidates: None }
    }

    /// What near means; without it the cosine distance.
    #[must_use]
    pub fn with_metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// How many rows each of the two rankings has; without it ten times the rows that are found, and at least 100.
    #[must_use]
    pub fn with_candidates(mut self, candidates: u64) -> Self {
        self.candidates = Some(candidates);
        self
    }

    fn asked(&self) -> Result<Asked> {
        let top_k = self.keyword.top_k;
        let (times, least) = CANDIDATES;
        let enough = || top_k.saturating_mul(times).max(least);
        // No rows asked for is an error, which the two searches tell.
        let candidates = if top_k == 0 { 0 } else { self.candidates.unwrap_or_else(enough) };
        let vectors = AskedVectors {
            column: Ident::new(&self.column),
            query: Queries::one(self.vector.clone())?,
            metric: self.metric,
            top_k: candidates,
            threshold: None,
        };
        Ok(Asked::Fused { words: self.keyword.asked(candidates), vectors, top_k })
    }
}

impl Session {
    /// The rows that fit the words best, best first: all columns of the table and `keyword_score`. Rows without any of the
    /// words are not found. Rows of equal scores stand in the order of the table.
    ///
    /// # Errors
    /// `VEL-7001` for no columns, for no rows asked for, and for a query without words; `VEL-4001` for a table and `VEL-2001`
    /// for a column that does not exist; `VEL-2004` for a column that is not text; `VEL-2006` when the table has a column
    /// `keyword_score`; those of the filter.
    pub async fn keyword_search(&self, search: &KeywordSearch) -> Result<DataFrame> {
        self.searched(search, Asked::Words(search.asked(search.top_k))).await
    }

    /// The rows that two rankings like best, best first: all columns of the table, `keyword_score`, `vector_score` and
    /// `rrf_score`. A row gets `1 / (60 + rank)` from each ranking; the score of a ranking in which it does not stand is null.
    ///
    /// # Errors
    /// Those of [`Session::keyword_search`]; `VEL-7001` for a vector that is empty or not finite; `VEL-2004` for a column that
    /// has no vectors or vectors of another length.
    pub async fn fused_search(&self, search: &FusedSearch) -> Result<DataFrame> {
        self.searched(&search.keyword, search.asked()?).await
    }

    async fn searched(&self, source: &KeywordSearch, asked: Asked) -> Result<DataFrame> {
        let context = self.context();
        let stop = context.running.begin();
        // Planning computes, and must not do so on the thread of a caller that polls once.
        tokio::task::yield_now().await;
        let rows = of_table(&source.table, source.filter.as_deref())?;
        let bound = within(Arc::clone(&stop), over(context, rows, asked)).await?;
        stop.check()?;
        Ok(DataFrame::from_query(context, "", bound))
    }
}
