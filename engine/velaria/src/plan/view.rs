//! `CREATE VIEW`, and what a view means when it is used.
//!
//! A view is the text of a query. Its names are looked up when the view is used, so it follows tables that are dropped
//! and made again, and says so when one of them is gone.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::datasource::ViewTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement as DataFusionStatement;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{Ident, Query, Statement as AstStatement};
use velaria_sql::{CreateView, position_of};

use crate::catalog::{BoundView, Entry, SqlView, view_exists};
use crate::clock::ClockUse;
use crate::context::{Context, Spread};
use crate::error::{Translator, duplicate_column};
use crate::plan::rewrite::shown_name;
use crate::plan::{files, query};
use crate::result_frame::Done;

/// Runs `CREATE VIEW`.
pub(crate) async fn create(context: &Context, text: &str, create: CreateView) -> Result<Done> {
    let name = create.name.value.clone();
    let position = position_of(text, create.name.span);
    if let Ok(taken) = context.catalog.entry(&name) {
        if create.if_not_exists {
            return Ok(Done::new("create view ignored: already exists", 0));
        }
        let replaceable = create.or_replace && taken.kind() == "view";
        if !replaceable {
            return Err(view_exists(&name, &taken).with_position(position));
        }
    }
    let references = references(context, text, &create.query)?;
    check_lasting(context, text, &create, &references)?;
    let references = references.into_iter().map(|name| name.to_lowercase()).collect();
    let bound = bind(context, text, &create.columns, &create.query).await?;
    let view = SqlView::new(text, create.columns, create.query, references, bound);
    context.catalog.create_view(&name, Arc::new(view)).map_err(|error| error.with_position(position))?;
    Ok(Done::new("create view done", 0))
}

/// A view outlives the variables that were lent to the statement that makes it.
fn check_lasting(context: &Context, text: &str, create: &CreateView, names: &BTreeSet<String>) -> Result<()> {
    let Some(name) = names.iter().find(|name| context.catalog.variables().table(name).is_some()) else { return Ok(()) };
    Err(Error::new(ErrorCode::InvalidStatement, format!("a view cannot read the variable {name}"))
        .with_hint(format!(
            "make a table of it with CREATE TABLE … AS SELECT * FROM {name}, or give it to create_temp_view"
        ))
        .with_position(position_of(text, create.name.span)))
}

/// Looks up again what the views in `query` mean, and tells whether one of them holds the time at which it runs.
pub(crate) async fn refresh(context: &Context, text: &str, query: &Query) -> Result<ClockUse> {
    let mut clock = ClockUse::Never;
    if !context.catalog.has_sql_views() {
        return Ok(clock);
    }
    for reference in references(context, text, query)? {
        let name = context.catalog.spelling(&reference).unwrap_or(reference);
        if let Ok(Entry::View(view)) = context.catalog.entry(&name) {
            clock = clock.max(refresh_one(context, &name, view).await?);
        }
    }
    Ok(clock)
}

/// A future of its own: views read views.
fn refresh_one<'a>(
    context: &'a Context,
    name: &'a str,
    view: Arc<SqlView>,
) -> Pin<Box<dyn Future<Output = Result<ClockUse>> + Send + 'a>> {
    Box::pin(async move {
        if context.catalog.has_sources() {
            // A view is a query in batch, also where stream SQL reads it.
            let session = context.of_session().map_or(context, |session| session.as_ref());
            files::refresh(session, view.references.iter().map(String::as_str))
                .await
                .map_err(|error| broken(name, &error))?;
        }
        let bound = view.bound();
        // Files may have changed without the catalog knowing.
        if bound.version == context.catalog.version() && !files::has_paths(&view.query) {
            return Ok(bound.clock);
        }
        let bound =
            bind(context, &view.text, &view.columns, &view.query).await.map_err(|error| broken(name, &error))?;
        let clock = bound.clock;
        view.bind_again(bound);
        Ok(clock)
    })
}

/// The place would be one in the text of the view, which the reader of the error did not write now.
fn broken(view: &str, error: &Error) -> Error {
    let message = format!("view {view} cannot be used: {}", error.message());
    let hint = error.hint().unwrap_or("make what it reads again, or drop the view");
    Error::new(error.code(), message).with_hint(hint).with_source(error.clone())
}

async fn bind(context: &Context, text: &str, columns: &[Ident], query: &Query) -> Result<BoundView> {
    // What a view means has nothing to do with the variables of the statement that uses it.
    let context = context.of_session().map_or(context, |session| session.as_ref());
    // Before the names are looked up: a change while they are makes the view be bound again.
    let version = context.catalog.version();
    let bound = query::bind(context, text, Box::new(query.clone())).await?;
    let plan = named(text, columns, bound.plan)?;
    // Columns of one name are kept apart inside, and would be one name for the reader of the view.
    let names: Vec<&str> = plan.schema().fields().iter().map(|field| shown_name(field.name())).collect();
    if let Some((_, name)) =
        names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|own| own == *name))
    {
        return Err(duplicate_column(name));
    }
    Ok(BoundView { table: Arc::new(ViewTable::new(plan, None)), clock: bound.clock, version })
}

/// `plan` with the names of `columns`, when there are some.
fn named(text: &str, columns: &[Ident], plan: LogicalPlan) -> Result<LogicalPlan> {
    let Some(first) = columns.first() else { return Ok(plan) };
    let sources = plan.schema().columns();
    if sources.len() != columns.len() {
        return Err(Error::new(ErrorCode::InvalidStatement, "the list of columns does not fit the query")
            .with_hint(format!("the list names {}, the query gives {}", columns.len(), sources.len()))
            .with_position(position_of(text, first.span)));
    }
    let items = sources.into_iter().zip(columns).map(|(source, name)| Expr::Column(source).alias(&name.value));
    LogicalPlanBuilder::from(plan)
        .project(items.collect::<Vec<_>>())
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| Translator::new(text).translate(&error))
}

/// The names of the tables that `query` reads; those that it defines itself are not among them.
fn references(context: &Context, text: &str, query: &Query) -> Result<BTreeSet<String>> {
    let statement = DataFusionStatement::Statement(Box::new(AstStatement::Query(Box::new(query.clone()))));
    let found = context.state(Spread::Parallel).resolve_table_references(&statement);
    let found = found.map_err(|error| Translator::new(text).translate(&error))?;
    let mut names: BTreeSet<String> = found.into_iter().map(|reference| reference.table().to_owned()).collect();
    names.extend(velaria_sql::searched_tables(query).into_iter().map(|name| name.value));
    Ok(names)
}
