//! The end of the commands that run one query: its rows, or how it is run, in the format that was asked for.
//!
//! Where the result is a JSON document, what is told beside the rows stands in it; elsewhere it is text on standard error,
//! so that standard output holds the rows and nothing else.

use std::time::{Duration, Instant};

use serde::Serialize;
use velaria::rows::Objects;
use velaria::{DataFrame, ExplainJson, Profile, Result, wait};

use crate::args::{InsightArgs, OutputArgs};
use crate::command::{Table, collect, collect_with_profile};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::{Check, Io};

/// What was asked, as the document says it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Asked<'a> {
    /// The name of the file in the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<&'a str>,
    /// The query.
    pub(crate) query: &'a str,
    /// The format of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input_type: Option<&'a str>,
}

/// How it is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    /// The format of the rows.
    pub(crate) output: &'a OutputArgs,
    /// What is told beside the rows, or instead of them.
    pub(crate) insight: InsightArgs,
}

/// The result document of the contract.
#[derive(Serialize)]
pub(crate) struct ResultJson<'a> {
    #[serde(flatten)]
    asked: Asked<'a>,
    schema: Vec<&'a str>,
    rows: Objects<'a>,
    #[serde(flatten)]
    insight: Insight,
}

/// The document of a query that is only explained.
#[derive(Serialize)]
struct ExplainedJson<'a> {
    #[serde(flatten)]
    asked: Asked<'a>,
    schema: Vec<&'a str>,
    explain: ExplainJson,
}

/// What is told of a query that has run.
#[derive(Debug, Default, Serialize)]
struct Insight {
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<Timing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

/// How long a command took.
#[derive(Debug, Clone, Copy, Serialize)]
struct Timing {
    /// Until the query could run: the session was opened, its file looked into, its plan made.
    planning_ms: f64,
    /// Until all rows were there.
    execution_ms: f64,
    total_ms: f64,
}

/// When a command began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch(Instant);

impl Watch {
    /// Begins to measure.
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Timing {
    fn of(watch: Watch, planned: Duration) -> Self {
        let total = watch.0.elapsed();
        Self {
            planning_ms: milliseconds(planned),
            execution_ms: milliseconds(total.saturating_sub(planned)),
            total_ms: milliseconds(total),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

impl<'a> ResultJson<'a> {
    /// The rows of `result`, and what was asked.
    pub(crate) fn new(asked: Asked<'a>, result: &'a Table) -> Self {
        let (schema, rows) = (output::names(&result.schema), Objects(&result.batches));
        Self { asked, schema, rows, insight: Insight::default() }
    }
}

/// Runs the query of `frame`, which was planned since `watch` began, and prints its rows; or prints what it would do.
pub(crate) fn answer(
    frame: DataFrame,
    asked: &Asked<'_>,
    watch: Watch,
    how: How<'_>,
    io: &mut Io<'_>,
    check: Check<'_>,
) -> std::result::Result<(), Failure> {
    if how.insight.explain {
        return explain(&frame, asked, how.output, io, check);
    }
    let planned = watch.0.elapsed();
    let (table, profile) = run(frame, how.insight, check)?;
    let timing = how.insight.timing.then(|| Timing::of(watch, planned));
    let insight = Insight { timing, profile };
    if how.output.format() != Format::Json {
        output::write(&table, how.output, io)?;
        return insight.tell(io);
    }
    output::check_object_keys(&table.schema)?;
    output::say(&table, io)?;
    output::write_json(&ResultJson { insight, ..ResultJson::new(*asked, &table) }, io)
}

fn run(frame: DataFrame, insight: InsightArgs, check: Check<'_>) -> Result<(Table, Option<Profile>)> {
    if insight.profile {
        return collect_with_profile(frame, check).map(|(table, profile)| (table, Some(profile)));
    }
    Ok((collect(frame, check)?, None))
}

fn explain(
    frame: &DataFrame,
    asked: &Asked<'_>,
    output: &OutputArgs,
    io: &mut Io<'_>,
    check: Check<'_>,
) -> std::result::Result<(), Failure> {
    let planned = frame.clone();
    let explain = wait(async move { planned.explain().await }, check)?;
    if output.format() != Format::Json {
        return Ok(io.print(&explain.to_string())?);
    }
    let schema = frame.schema();
    let document = ExplainedJson { asked: *asked, schema: output::names(&schema), explain: explain.to_json() };
    output::write_json(&document, io)
}

impl Insight {
    /// Tells a person, after the rows.
    fn tell(&self, io: &mut Io<'_>) -> std::result::Result<(), Failure> {
        io.flush()?;
        if let Some(profile) = &self.profile {
            io.complain(&profile.to_string())?;
        }
        if let Some(Timing { planning_ms, execution_ms, total_ms }) = self.timing {
            io.complain(&format!(
                "planning {planning_ms:.3} ms, execution {execution_ms:.3} ms, total {total_ms:.3} ms\n"
            ))?;
        }
        Ok(())
    }
}
