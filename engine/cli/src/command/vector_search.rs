//! `vector-search`: the rows of one CSV file whose vectors are nearest to another one.
//!
//! With a filter or a threshold it is the hybrid search of the contract, which shows the rows themselves.

mod text;

use serde::Serialize;
use velaria::rows::Objects;
use velaria::{
    DataFrame, Error, ErrorCode, Format as FileFormat, HybridSearch, Metric, Profile, Queries, ReadOptions, Result,
    Session, SessionConfig, VectorSearch, wait,
};

use self::text::Condition;
use crate::args::{LimitArgs, VectorSearchArgs, VectorSearchInput};
use crate::command::{Table, collect_with_profile};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::parameters::options_from_pairs;
use crate::{Check, Io};

/// The name of the file in the session.
const INPUT_TABLE: &str = "input_table";

/// The result document of the contract.
#[derive(Serialize)]
pub(crate) struct ResultJson<'a> {
    metric: &'static str,
    top_k: u64,
    #[serde(flatten)]
    narrowed: Option<NarrowedJson<'a>>,
    schema: Vec<&'a str>,
    rows: Objects<'a>,
    explain: &'a str,
}

/// What a hybrid search adds to it.
#[derive(Serialize)]
pub(crate) struct NarrowedJson<'a> {
    where_column: Option<&'a str>,
    where_op: Option<&'a str>,
    where_value: Option<&'a str>,
    score_threshold: Option<f64>,
}

/// What a search found, and what it says about itself.
pub(crate) struct Found {
    metric: Metric,
    top_k: u64,
    /// The rows.
    pub(crate) table: Table,
    /// What the search did, as text.
    pub(crate) explain: String,
    /// What each operator did.
    pub(crate) profile: Profile,
}

impl Found {
    /// The result document.
    pub(crate) fn document<'a>(&'a self, input: &'a VectorSearchInput) -> ResultJson<'a> {
        ResultJson {
            metric: self.metric.name(),
            top_k: self.top_k,
            narrowed: is_hybrid(input).then(|| NarrowedJson::of(input)),
            schema: output::names(&self.table.schema),
            rows: Objects(&self.table.batches),
            explain: &self.explain,
        }
    }
}

pub(crate) fn run(args: &VectorSearchArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let found = found(&args.input, &args.limits, check)?;
    if args.output.format() != Format::Json {
        return output::write(&found.table, &args.output, io);
    }
    output::check_object_keys(&found.table.schema)?;
    output::say(&found.table, io)?;
    output::write_json(&found.document(&args.input), io)
}

/// Runs the search to its end.
pub(crate) fn found(input: &VectorSearchInput, limits: &LimitArgs, check: Check<'_>) -> Result<Found> {
    let asked = Asked::read(input)?;
    let (path, config) = (input.csv.display().to_string(), limits.config_for(&input.csv));
    let options = options_from_pairs(&input.options)?;
    let (metric, top_k) = (asked.metric, asked.top_k);
    let (frame, explain) = wait(asked.run(config, path, options), &mut *check)?;
    let (table, profile) = collect_with_profile(frame, check)?;
    Ok(Found { metric, top_k, table, explain, profile })
}

impl<'a> NarrowedJson<'a> {
    fn of(args: &'a VectorSearchInput) -> Self {
        Self {
            where_column: args.where_column.as_deref(),
            where_op: args.where_op.as_deref(),
            where_value: args.where_value.as_deref(),
            score_threshold: args.score_threshold,
        }
    }
}

/// Whether the rows themselves are asked for.
pub(crate) fn is_hybrid(args: &VectorSearchInput) -> bool {
    args.where_column.is_some() || args.score_threshold.is_some()
}

/// What the arguments ask for.
struct Asked {
    column: String,
    queries: Queries,
    top_k: u64,
    metric: Metric,
    condition: Option<Condition>,
    score_threshold: Option<f64>,
    is_hybrid: bool,
}

impl Asked {
    fn read(args: &VectorSearchInput) -> Result<Self> {
        Ok(Self {
            column: args.vector_column.clone(),
            queries: Queries::one(text::vector(&args.query_vector)?)?,
            top_k: top_k(args)?,
            metric: args.metric.parse()?,
            condition: condition(args)?,
            score_threshold: args.score_threshold,
            is_hybrid: is_hybrid(args),
        })
    }

    /// The rows that are found, and what the search says about itself.
    async fn run(self, config: SessionConfig, path: String, options: ReadOptions) -> Result<(DataFrame, String)> {
        let session = Session::new(config)?;
        let frame = session.read(&path, Some(FileFormat::Csv), &options).await?;
        session.create_temp_view(INPUT_TABLE, &frame)?;
        let condition = self.condition.map(|condition| condition.to_sql(&frame.schema()));
        let mut search =
            VectorSearch::new(INPUT_TABLE, self.column, self.queries).with_top_k(self.top_k).with_metric(self.metric);
        if let Some(condition) = condition {
            search = search.with_filter(condition);
        }
        if !self.is_hybrid {
            return Ok((session.vector_search(&search).await?, session.explain_vector_search(&search).await?));
        }
        let mut search = HybridSearch::new(search);
        if let Some(threshold) = self.score_threshold {
            search = search.with_score_threshold(threshold);
        }
        Ok((session.hybrid_search(&search).await?, session.explain_hybrid_search(&search).await?))
    }
}

/// The number of rows, of which the engine refuses zero.
fn top_k(args: &VectorSearchInput) -> Result<u64> {
    u64::try_from(args.top_k).map_err(|_| {
        Error::new(ErrorCode::InvalidArgument, "top_k must be a positive integer")
            .with_hint(format!("got: {}", args.top_k))
    })
}

/// The condition, all of it or nothing.
fn condition(args: &VectorSearchInput) -> Result<Option<Condition>> {
    match (&args.where_column, &args.where_op, &args.where_value) {
        (None, None, None) => Ok(None),
        (Some(column), Some(operator), Some(value)) => Condition::new(column, operator, value).map(Some),
        _ => {
            let message = "--where-column, --where-op and --where-value must be given together";
            Err(Error::new(ErrorCode::InvalidArgument, message))
        }
    }
}
