//! Queries: names are bound and types checked, so that a query that plans can run.

use std::ops::ControlFlow;

use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as DataFusionStatement;
use velaria_contract::{Position, Result};
use velaria_sql::ast::{ObjectName, ObjectNamePart, Query, Statement as AstStatement, Visit, Visitor, visit_relations};
use velaria_sql::{Span, position_of};

use crate::catalog::{CATALOG, SCHEMA};
use crate::clock::ClockUse;
use crate::context::{Context, Spread};
use crate::error::Translator;
use crate::late;
use crate::plan::{calls, chain, files, functions, kind, names, rewrite, search_function, view};

/// A query whose names and types are checked.
#[derive(Debug)]
pub(crate) struct BoundQuery {
    pub(crate) plan: LogicalPlan,
    /// The plan before types were settled, when a type may still change.
    pub(crate) open: Option<LogicalPlan>,
    pub(crate) clock: ClockUse,
}

/// Binds `query`, which was read from `text`.
pub(crate) async fn bind(context: &Context, text: &str, mut query: Box<Query>) -> Result<BoundQuery> {
    let state = context.state(Spread::Parallel);
    let searches = search_function::name_searches(context, text, &mut query).await?;
    let _files = files::name_files(context, text, &mut query).await?;
    let viewed = view::refresh(context, text, &query).await?;
    names::restore_case(&mut query, &context.catalog);
    rewrite::rewrite(&mut query, &context.catalog);
    calls::rewrite(text, &mut query, state)?;
    chain::flatten(text, &mut query);
    let lent = context.catalog.variables().clock();
    let clock = functions::check(text, &query, state)?.max(viewed).max(searches.clock).max(lent);
    check_kinds(context, text, &query)?;
    let statement = DataFusionStatement::Statement(Box::new(AstStatement::Query(query)));
    check_tables(context, text, &statement)?;
    let translate = |error: DataFusionError| Translator::new(text).translate(&error);
    let plan = state.statement_to_plan(statement).await.map_err(translate)?;
    let open = late::may_widen(&plan).then(|| plan.clone());
    let plan = analyze(state, plan).map_err(translate)?;
    Ok(BoundQuery { plan, open, clock })
}

/// Binds `query` over files whose types cannot change any more: the rows go into a table, whose types are fixed.
pub(crate) async fn bind_settled(context: &Context, text: &str, query: Box<Query>) -> Result<BoundQuery> {
    let bound = bind(context, text, query).await?;
    let Some(open) = bound.open else { return Ok(bound) };
    // Looking at files takes long, and must not happen on the thread of a caller that polls once.
    tokio::task::yield_now().await;
    for note in late::settle(&open, context.threads()).await? {
        context.notices.add(note);
    }
    let translate = |error: DataFusionError| Translator::new(text).translate(&error);
    let open = late::refreshed(open).map_err(translate)?;
    let plan = analyze(context.state(Spread::Parallel), open).map_err(translate)?;
    Ok(BoundQuery { plan, open: None, clock: bound.clock })
}

/// Applies the rules that give every expression its type.
pub(crate) fn analyze(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    state.analyzer().execute_and_check(plan, &state.config_options().clone(), |_, _| {})
}

fn check_kinds(context: &Context, text: &str, query: &Query) -> Result<()> {
    let checked = visit_relations(query, |relation| {
        let [ObjectNamePart::Identifier(ident)] = relation.0.as_slice() else { return ControlFlow::Continue(()) };
        match kind::check_readable(context.catalog.kind(&ident.value), query, &ident.value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error.with_position(position_of(text, ident.span))),
        }
    });
    match checked {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn check_tables(context: &Context, text: &str, statement: &DataFusionStatement) -> Result<()> {
    let references = context
        .state(Spread::Parallel)
        .resolve_table_references(statement)
        .map_err(|error| Translator::new(text).translate(&error))?;
    for reference in references {
        let own = reference.schema().is_none_or(|schema| schema == SCHEMA)
            && reference.catalog().is_none_or(|catalog| catalog == CATALOG);
        let name = if own { reference.table().to_owned() } else { reference.to_string() };
        // `FROM range(1, 3)` is listed with the tables; that the function exists is checked with the functions.
        let function = context.state(Spread::Parallel).table_functions().contains_key(&name);
        if let Err(error) = context.catalog.find(&name)
            && !function
        {
            return Err(error.with_position(place_of(text, statement, reference.table())));
        }
    }
    Ok(())
}

fn place_of(text: &str, statement: &DataFusionStatement, table: &str) -> Option<Position> {
    let DataFusionStatement::Statement(statement) = statement else { return None };
    let mut finder = Finder { table };
    match statement.visit(&mut finder) {
        ControlFlow::Break(span) => position_of(text, span),
        ControlFlow::Continue(()) => None,
    }
}

struct Finder<'a> {
    table: &'a str,
}

impl Visitor for Finder<'_> {
    type Break = Span;

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        match relation.0.last() {
            Some(ObjectNamePart::Identifier(ident)) if ident.value == self.table => ControlFlow::Break(ident.span),
            _ => ControlFlow::Continue(()),
        }
    }
}
