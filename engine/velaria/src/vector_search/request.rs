//! What callers ask for.

use std::str::FromStr;

use velaria_contract::{Error, ErrorCode, Result};
use velaria_vector::{Metric, Queries};

/// A search for the vectors of one column that are nearest to some queries.
#[derive(Debug, Clone)]
pub struct VectorSearch {
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) queries: Option<Queries>,
    pub(crate) top_k: u64,
    pub(crate) metric: Metric,
    pub(crate) filter: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) acceleration: Acceleration,
    query_ids: QueryIds,
}

/// When a result says which query a row is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum QueryIds {
    /// With several queries.
    #[default]
    Several,
    /// With one as well.
    Always,
}

/// Whether a search may keep more than the vectors themselves to be faster. The rows that it finds are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Acceleration {
    /// Where it pays and there is memory for it.
    #[default]
    Auto,
    /// Never: every search reads the vectors of the table.
    Off,
}

impl FromStr for Acceleration {
    type Err = Error;

    /// Reads `auto` or `off`, in any case.
    ///
    /// # Errors
    /// `VEL-7001` for every other word.
    fn from_str(word: &str) -> Result<Self> {
        match word.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => Err(Error::new(ErrorCode::InvalidArgument, "acceleration must be one of: auto, off")
                .with_hint(format!("got: {word}"))),
        }
    }
}

/// How many rows a search finds that does not say it.
const TOP_K: u64 = 10;

impl VectorSearch {
    /// A search of `table` for the ten vectors of `column` that are nearest to each of `queries` by their cosine distance.
    /// Names match like unquoted names of SQL: exactly, or when they differ in case only. Without queries a search can only
    /// be explained.
    #[must_use]
    pub fn new(table: impl Into<String>, column: impl Into<String>, queries: impl Into<Option<Queries>>) -> Self {
        Self {
            table: table.into(),
            column: column.into(),
            queries: queries.into(),
            top_k: TOP_K,
            metric: Metric::default(),
            filter: None,
            columns: Vec::new(),
            acceleration: Acceleration::default(),
            query_ids: QueryIds::default(),
        }
    }

    /// The same search for at most `top_k` rows for each query.
    #[must_use]
    pub fn with_top_k(mut self, top_k: u64) -> Self {
        self.top_k = top_k;
        self
    }

    /// The same search by another metric.
    #[must_use]
    pub fn with_metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// The same search among the rows for which `condition` is true: what may follow `SELECT … FROM table WHERE`.
    #[must_use]
    pub fn with_filter(mut self, condition: impl Into<String>) -> Self {
        self.filter = Some(condition.into());
        self
    }

    /// The same search with these columns of the table in its result.
    #[must_use]
    pub fn with_columns<T: Into<String>>(mut self, columns: impl IntoIterator<Item = T>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The same search, which may keep more than the vectors themselves, or may not.
    #[must_use]
    pub fn with_acceleration(mut self, acceleration: Acceleration) -> Self {
        self.acceleration = acceleration;
        self
    }

    /// The same search, whose result says which query a row is for even when there is one.
    #[must_use]
    pub fn with_query_ids(mut self) -> Self {
        self.query_ids = QueryIds::Always;
        self
    }

    /// Refuses what no table could make a search.
    pub(super) fn check(&self) -> Result<&Queries> {
        self.check_top_k()?;
        self.queries.as_ref().ok_or_else(|| Error::new(ErrorCode::InvalidArgument, "query vector cannot be empty"))
    }

    /// Whether the result says which query a row is for.
    pub(super) fn has_query_ids(&self) -> bool {
        match self.query_ids {
            QueryIds::Always => true,
            QueryIds::Several => self.queries.as_ref().is_some_and(|queries| queries.count() > 1),
        }
    }

    pub(super) fn check_top_k(&self) -> Result<()> {
        match self.top_k {
            0 => Err(Error::new(ErrorCode::InvalidArgument, "top_k must be a positive integer").with_hint("got: 0")),
            _ => Ok(()),
        }
    }
}

/// A [`VectorSearch`] whose result has the columns of the table, and leaves out rows that are too far away.
#[derive(Debug, Clone)]
pub struct HybridSearch {
    pub(crate) search: VectorSearch,
    pub(crate) score_threshold: Option<f64>,
}

impl HybridSearch {
    /// The rows that `search` finds.
    #[must_use]
    pub fn new(search: VectorSearch) -> Self {
        Self { search, score_threshold: None }
    }

    /// Those of them whose score is at most `score_threshold`, or for inner products at least. The nearest rows are found
    /// first: a threshold never brings in others.
    #[must_use]
    pub fn with_score_threshold(mut self, score_threshold: f64) -> Self {
        self.score_threshold = Some(score_threshold);
        self
    }

    /// Whether a row of this score is in the result. NaN reaches no threshold.
    pub(super) fn keeps(&self, score: f64) -> bool {
        self.score_threshold.is_none_or(|threshold| self.search.metric.reaches(score, threshold))
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.score_threshold.is_some_and(f64::is_nan) {
            return Err(Error::new(ErrorCode::InvalidArgument, "score_threshold must be numeric").with_hint("got: NaN"));
        }
        match self.search.check()?.count() {
            1 => Ok(()),
            more => Err(Error::new(ErrorCode::InvalidArgument, "a hybrid search takes one query vector")
                .with_hint(format!("got {more}; a vector search takes many at once"))),
        }
    }
}
