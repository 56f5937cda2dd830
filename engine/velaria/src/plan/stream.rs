//! Statements over streams: text to a plan of nodes that takes one micro-batch after the other.
//!
//! The statement is bound like any other query, over tables that stand for the streams. Of the optimizer only the rules run that
//! hold for rows that never end; then each node of the logical plan becomes a node of the stream plan.

mod checks;
mod ends;
mod leaf;
mod lines;
mod lower;
mod marks;
mod optimize;
mod sink;
mod window;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::Query;
use velaria_sql::{Insert, Statement, StreamStatement, TableOption, WindowBy, position_of};
use velaria_stream::{StreamOptions, StreamPlan};

use crate::context::{Context, Spread};
use crate::error::Translator;
use crate::plan::query;

pub(crate) use self::ends::{batch_options, csv_append, directory, sink};
pub(crate) use self::leaf::StreamLeaf;
pub(crate) use self::lower::{Names, conform};
pub(crate) use self::marks::{Note, Noted, WindowAssign};
pub(crate) use self::sink::{Target, check_access, fit, target};
pub(crate) use self::window::window_type;

/// The functions that only stream SQL has.
pub(crate) fn register(state: &mut SessionState) {
    use datafusion::execution::FunctionRegistry;
    // It is new, so nothing is replaced and nothing can fail.
    drop(state.register_udf(window::function()));
}

/// A statement over streams, read from its text.
pub(crate) struct Read {
    /// The name of the sink of `INSERT INTO`.
    pub(crate) sink: Option<velaria_sql::ast::Ident>,
    pub(crate) query: Box<Query>,
    pub(crate) windows: Vec<WindowBy>,
    pub(crate) options: Vec<TableOption>,
}

/// Which statements a method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A query.
    Query,
    /// `INSERT INTO sink` of a query.
    Insert,
    /// Either.
    Both,
}

/// Reads `text` for a method that takes `takes`.
pub(crate) fn read(text: &str, takes: Takes) -> Result<Read> {
    let StreamStatement { statement, windows, options } = velaria_sql::parse_stream(text)?;
    let (sink, query) = match (statement, takes) {
        (Statement::Query(query), Takes::Query | Takes::Both) => (None, query),
        (Statement::Insert(insert), Takes::Insert | Takes::Both) if insert.values_width().is_none() => {
            check_insert(text, &insert)?;
            (Some(insert.table), insert.source)
        }
        (_, takes) => return Err(not_taken(takes)),
    };
    Ok(Read { sink, query, windows, options })
}

fn not_taken(takes: Takes) -> Error {
    let message = match takes {
        Takes::Query => "stream SQL only supports SELECT",
        Takes::Insert => "startStreamSql only supports INSERT INTO ... SELECT",
        Takes::Both => "explainStreamSql only supports SELECT or INSERT INTO ... SELECT",
    };
    Error::new(ErrorCode::Unsupported, message)
}

fn check_insert(text: &str, insert: &Insert) -> Result<()> {
    let Some(first) = insert.columns.first() else { return Ok(()) };
    Err(Error::new(ErrorCode::Unsupported, "startStreamSql does not support INSERT column list")
        .with_hint("the columns of the query go into those of the sink in order")
        .with_position(position_of(text, first.span)))
}

/// Binds the query of a statement; `context` is that of the session.
pub(crate) async fn bind(
    context: &Arc<Context>,
    text: &str,
    mut query: Box<Query>,
    windows: &[WindowBy],
) -> Result<LogicalPlan> {
    let context = context.for_streams()?;
    ends::open(&context, text, &query).await?;
    checks::check(text, &query, &context.catalog, context.state(Spread::Parallel))?;
    let listed = checks::lists_columns(&query);
    window::write_out(text, &mut query, windows, &context.catalog)?;
    let place = windows.first().and_then(|window| position_of(text, window.span));
    let bound = query::bind_settled(&context, text, query).await.map_err(|error| match error.position() {
        None if error.message().starts_with("WINDOW BY") => error.with_position(place),
        _ => error,
    })?;
    if bound.clock != crate::clock::ClockUse::Never {
        return Err(Error::new(
            ErrorCode::Unsupported,
            "stream SQL does not support views that hold the time at which they run",
        ));
    }
    let plan = window::to_nodes(bound.plan)
        .and_then(|plan| if listed { note_list(plan) } else { Ok(plan) })
        .map_err(|error: DataFusionError| Translator::new(text).translate(&error))?;
    Ok(plan)
}

/// Puts a note on the list of the outermost SELECT, unless it is one of a group by.
fn note_list(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => {
            let inputs = plan.inputs().into_iter().cloned().map(note_list).collect::<Result<Vec<_>, _>>()?;
            plan.with_new_exprs(plan.expressions(), inputs)
        }
        LogicalPlan::Projection(ref projection) if !is_grouped(&projection.input) => {
            Ok(Noted::plan(Note::Listed, plan))
        }
        other => Ok(other),
    }
}

fn is_grouped(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(_) => true,
        LogicalPlan::Filter(filter) => is_grouped(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_grouped(&alias.input),
        LogicalPlan::Projection(projection) => is_grouped(&projection.input),
        _ => false,
    }
}

/// `options` with those of the statement, which win.
pub(crate) fn options(text: &str, own: &[TableOption], options: &StreamOptions) -> Result<StreamOptions> {
    let mut options = options.clone();
    for option in own {
        options.set(&option.key, &option.value).map_err(|error| error.with_position(position_of(text, option.span)))?;
    }
    Ok(options)
}

/// The nodes of a bound query.
pub(crate) fn plan(
    context: &Arc<Context>,
    text: &str,
    plan: &LogicalPlan,
    options: &StreamOptions,
    names: Names,
) -> Result<StreamPlan> {
    crate::stack::with_room(text, || lower::lower(context, text, plan, options, names))
}
