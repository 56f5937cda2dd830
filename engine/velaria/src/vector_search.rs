//! The part of a session that finds the nearest vectors.
//!
//! A search looks at the rows of one table as they are when it begins. The batches of a table in memory are searched where
//! they lie: nothing is planned and no vector is copied. What a view or a file gives is read into memory first. The filter
//! says which rows may be found before any of them is scored; row ids count all rows.
//!
//! `request` is what callers ask for, `rows` what they ask about, `filter` which rows may be found, `vectors` the search
//! itself, `result` the frame that it makes, `explain` what it says about itself.

mod explain;
mod filter;
mod request;
mod result;
mod rows;
mod vectors;

use std::sync::Arc;

use velaria_contract::Result;
use velaria_vector::{Backend, Found};

pub use self::request::{Acceleration, HybridSearch, VectorSearch};
use self::rows::{Rows, Source};
use self::vectors::{Searched, Vectors};
use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::session::Session;
use crate::stop::{Stop, within};

impl Session {
    /// The rows of a table whose vectors are nearest to each query, nearest first, rows of one score in the order of the
    /// table: `row_id`, `score`, and the payload columns that were asked for. With several queries `query_id` stands before
    /// them, which counts the queries from zero.
    ///
    /// Rows without a vector are never found. A vector that is not finite has the score NaN and is last. The search runs
    /// now; on [`crate::plan`] a small one does not leave the thread of its caller.
    ///
    /// # Errors
    /// `VEL-4001` for a table that is not there, `VEL-4003` for a sink; `VEL-2001` for a column that is not there; `VEL-2004`
    /// for a column that holds no vectors, and for vectors of another length than the queries; `VEL-5006` for a column of
    /// vectors of different lengths, `VEL-5009` for a null inside of one; `VEL-7001` without a query, and for a query that is
    /// infinite in the type of the column; those of the filter, and those of reading the table.
    pub async fn vector_search(&self, search: &VectorSearch) -> Result<DataFrame> {
        let outcome = run(self.context(), search, &Columns::Listed).await?;
        result::ranked(self.context(), search, &outcome)
    }

    /// What [`Session::vector_search`] does, one `key=value` a line. A search without a query is explained as well.
    ///
    /// # Errors
    /// Those of [`Session::vector_search`].
    pub async fn explain_vector_search(&self, search: &VectorSearch) -> Result<String> {
        let job = begin(self.context(), search, &Columns::Listed).await?;
        explain::check_dimension(search, &job.vectors)?;
        if search.queries.is_none() || !job.vectors.is_compressed(self.context(), search) {
            return Ok(explain::vector_search(search, &job.vectors));
        }
        let outcome = run(self.context(), search, &Columns::Listed).await?;
        Ok(explain::vector_search_done(search, &outcome))
    }

    /// The rows that [`Session::vector_search`] finds, those whose score reaches the threshold, with all columns of the table
    /// (or those that were asked for) and `vector_score`, nearest first.
    ///
    /// # Errors
    /// Those of [`Session::vector_search`]; `VEL-2006` when the table has a column `vector_score`; `VEL-7001` for several
    /// queries at once and for a threshold that is no number.
    pub async fn hybrid_search(&self, search: &HybridSearch) -> Result<DataFrame> {
        search.check()?;
        let outcome = run(self.context(), &search.search, &Columns::All).await?;
        result::with_columns(self.context(), search, &outcome)
    }

    /// What [`Session::hybrid_search`] does, one `key=value` a line. The search runs for it: `returned_rows` is its result.
    ///
    /// # Errors
    /// Those of [`Session::hybrid_search`].
    pub async fn explain_hybrid_search(&self, search: &HybridSearch) -> Result<String> {
        search.check()?;
        let outcome = run(self.context(), &search.search, &Columns::All).await?;
        Ok(explain::hybrid_search(search, &outcome))
    }
}

/// Which columns of the table a result has when none are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Columns {
    /// None.
    Listed,
    /// All.
    All,
}

/// A search that could begin: its rows, and which of them may be found.
#[derive(Debug)]
struct Job {
    rows: Rows,
    /// The payload columns, by their places in the rows.
    payload: Vec<usize>,
    vectors: Vectors,
}

/// A search that ran.
#[derive(Debug)]
struct Outcome {
    job: Job,
    found: Found,
    /// The size of the compressed copy, if it was read.
    compressed_bytes: Option<usize>,
    backend: Backend,
}

async fn run(context: &Arc<Context>, search: &VectorSearch, columns: &Columns) -> Result<Outcome> {
    search.check()?;
    let source = Source::find(context, search)?;
    let is_brief = source.is_brief(search);
    let stop = context.running.begin();
    if !is_brief {
        // Reading, filtering and scoring take long, and must not happen on the thread of a caller that polls once.
        tokio::task::yield_now().await;
    }
    let scored = async {
        let job = prepare(context, search, source, columns).await?;
        let backend = Backend::best();
        let Searched { found, compressed_bytes } =
            job.vectors.search(context, search, backend, &stop, is_brief).await?;
        Ok(Outcome { job, found, compressed_bytes, backend })
    };
    within(Arc::clone(&stop), scored).await
}

async fn begin(context: &Arc<Context>, search: &VectorSearch, columns: &Columns) -> Result<Job> {
    search.check_top_k()?;
    let source = Source::find(context, search)?;
    let stop: Arc<Stop> = context.running.begin();
    if !source.is_brief(search) {
        tokio::task::yield_now().await;
    }
    within(stop, prepare(context, search, source, columns)).await
}

async fn prepare(context: &Arc<Context>, search: &VectorSearch, source: Source, columns: &Columns) -> Result<Job> {
    let condition = search.filter.as_deref().map(filter::Condition::read).transpose()?;
    let rows = source.rows(context, search, condition.as_ref(), *columns).await?;
    let payload = rows.payload(search, *columns)?;
    let selected = match condition {
        Some(condition) => Some(condition.selected(context, &search.table, &rows).await?),
        None => None,
    };
    let vectors = Vectors::new(&rows, &search.column, selected.as_ref())?;
    Ok(Job { rows, payload, vectors })
}
