//! `vector-search`: the rows of one CSV file whose vectors are nearest to another one.
//!
//! With a filter or a threshold it is the hybrid search of the contract, which shows the rows themselves.

mod text;

use serde::Serialize;
use velaria::rows::Objects;
use velaria::{
    DataFrame, Error, ErrorCode, Format as FileFormat, HybridSearch, Metric, Queries, ReadOptions, Result, Session,
    SessionConfig, VectorSearch, wait,
};

use self::text::Condition;
use crate::args::VectorSearchArgs;
use crate::command::{Table, collect};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::parameters::options_from_pairs;
use crate::{Check, Io};

/// The name of the file in the session.
const INPUT_TABLE: &str = "input_table";

/// The result document of the contract.
#[derive(Serialize)]
struct ResultJson<'a> {
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
struct NarrowedJson<'a> {
    where_column: Option<&'a str>,
    where_op: Option<&'a str>,
    where_value: Option<&'a str>,
    score_threshold: Option<f64>,
}

pub(crate) fn run(args: &VectorSearchArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    let asked = Asked::read(args)?;
    let (path, config) = (args.csv.display().to_string(), args.limits.config_for(&args.csv));
    let options = options_from_pairs(&args.options)?;
    let (metric, top_k) = (asked.metric, asked.top_k);
    let (found, explain) = wait(asked.run(config, path, options), &mut *check)?;
    let table = collect(found, check)?;
    if args.output.format() != Format::Json {
        return output::write(&table, &args.output, io);
    }
    output::check_object_keys(&table.schema)?;
    let document = ResultJson {
        metric: metric.name(),
        top_k,
        narrowed: is_hybrid(args).then(|| NarrowedJson::of(args)),
        schema: output::names(&table.schema),
        rows: Objects(&table.batches),
        explain: &explain,
    };
    output::say(&table, io)?;
    output::write_json(&document, io)
}

impl<'a> NarrowedJson<'a> {
    fn of(args: &'a VectorSearchArgs) -> Self {
        Self {
            where_column: args.where_column.as_deref(),
            where_op: args.where_op.as_deref(),
            where_value: args.where_value.as_deref(),
            score_threshold: args.score_threshold,
        }
    }
}

/// Whether the rows themselves are asked for.
fn is_hybrid(args: &VectorSearchArgs) -> bool {
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
    fn read(args: &VectorSearchArgs) -> Result<Self> {
        Ok(Self {
            column: args.vector_column.clone(),
            queries: Queries::one(text::vector(&args.query_vector)?)?,
            // What is not positive is zero to the engine, which has the words for it.
            top_k: u64::try_from(args.top_k).unwrap_or(0),
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

/// The condition, all of it or nothing.
fn condition(args: &VectorSearchArgs) -> Result<Option<Condition>> {
    match (&args.where_column, &args.where_op, &args.where_value) {
        (None, None, None) => Ok(None),
        (Some(column), Some(operator), Some(value)) => Condition::new(column, operator, value).map(Some),
        _ => {
            let message = "--where-column, --where-op and --where-value must be given together";
            Err(Error::new(ErrorCode::InvalidArgument, message))
        }
    }
}
