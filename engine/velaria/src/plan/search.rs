//! `KEYWORD SEARCH` and `HYBRID SEARCH`: a query over the rows of a search.
//!
//! The relation and `WHERE` become a query of their own, and the searches stand above its plan. For as long as the
//! statement is planned, the catalog knows the result under a name that no statement can write; the rest of the statement
//! is a query over that name.

mod asked;
mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::Extensions;
use velaria_sql::ast::Query;

use crate::catalog::{Catalog, HIDDEN};
use crate::context::{Context, Spread};
use crate::error::Translator;
use crate::late;
use crate::plan::query::{self, BoundQuery};
use crate::search::SearchNode;

pub(crate) use asked::{Asked, AskedVectors, AskedWords};
pub(crate) use source::of_table;

/// Binds `query`, which was read from `text`, with the clauses that were taken out of it.
pub(crate) async fn bind(
    context: &Context,
    text: &str,
    query: Box<Query>,
    extensions: Extensions,
) -> Result<BoundQuery> {
    if extensions.window_by.is_some() {
        let message = "WINDOW BY ... EVERY ... AS ... is only supported in stream SQL";
        return Err(Error::new(ErrorCode::Unsupported, message));
    }
    let searches = Asked::of(text, &extensions)?;
    let Some(first) = searches.first() else { return query::bind(context, text, query).await };
    let hidden = Hidden::new(&context.catalog);
    let (inner, outer) = source::split(context, text, first.clause(), &hidden.name, query)?;
    let inner = query::bind(context, text, inner).await?;
    let clock = inner.clock;
    let found = searched(context, text, inner.open.unwrap_or(inner.plan), &searches)?;
    context.catalog.name_file(&hidden.name, Arc::new(ViewTable::new(found, None)));
    let outer = query::bind(context, text, outer).await?;
    Ok(BoundQuery { clock: outer.clock.max(clock), ..outer })
}

/// The rows of `source` that `asked` finds.
pub(crate) async fn over(context: &Context, source: Box<Query>, asked: Asked) -> Result<BoundQuery> {
    let source = query::bind(context, "", source).await?;
    let found = searched(context, "", source.open.unwrap_or(source.plan), &[asked])?;
    let open = late::may_widen(&found).then(|| found.clone());
    let plan = query::analyze(context.state(Spread::Parallel), found);
    let plan = plan.map_err(|error| Translator::new("").translate(&error))?;
    Ok(BoundQuery { plan, open, clock: source.clock })
}

/// `plan` with `searches` above it, one above the other.
fn searched(context: &Context, text: &str, plan: LogicalPlan, searches: &[Asked]) -> Result<LogicalPlan> {
    searches.iter().try_fold(plan, |plan, asked| {
        let search = asked.resolve(text, &plan)?;
        let node = SearchNode::new(plan, search, context.threads());
        node.map(SearchNode::into_plan).map_err(|error| Translator::new(text).translate(&error))
    })
}

/// A name that the catalog knows until this is dropped.
struct Hidden<'a> {
    catalog: &'a Catalog,
    name: String,
}

impl<'a> Hidden<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { catalog, name: format!("{HIDDEN}search {}", NEXT.fetch_add(1, Ordering::Relaxed)) }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        self.catalog.forget_file(&self.name);
    }
}
