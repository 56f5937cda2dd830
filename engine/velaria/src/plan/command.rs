//! Statements that are not queries: each runs at once and answers with a frame.

use std::sync::Arc;

use velaria_contract::Result;
use velaria_sql::Statement;

use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::plan::{change, copy, ddl, describe, dml, explain, index, query, search, summarize, view};
use crate::plan_cache;

/// Runs `statement`, which was read from `text`; a query is planned only, and its plan is kept if that is possible and
/// `keep` allows it.
pub(crate) async fn run(context: &Arc<Context>, text: &str, statement: Statement, keep: bool) -> Result<DataFrame> {
    let done = match statement {
        Statement::Query(query) => {
            let names = if keep { plan_cache::names(text, &query, &context.catalog) } else { None };
            let bound = query::bind(context, text, query).await?;
            return Ok(DataFrame::from_query(context, text, bound).kept(names));
        }
        Statement::ExtendedQuery(extended) => {
            let bound = search::bind(context, text, extended.query, extended.extensions).await?;
            return Ok(DataFrame::from_query(context, text, bound));
        }
        Statement::ShowTables => return describe::show_tables(context),
        Statement::Describe(subject) => return describe::describe(context, text, subject).await,
        Statement::Summarize(subject) => return summarize::summarize(context, text, subject).await,
        Statement::Explain(explained) => return explain::explain(context, text, explained).await,
        Statement::CreateTable(create) => ddl::create_table(context, text, create).await?,
        Statement::CreateView(create) => view::create(context, text, create).await?,
        Statement::CreateIndex(create) => index::create(context, text, &create).await?,
        Statement::Insert(insert) => dml::insert(context, text, insert).await?,
        Statement::Copy(statement) => copy::copy(context, text, statement).await?,
        Statement::Update(update) => change::update(context, text, update).await?,
        Statement::Delete(delete) => change::delete(context, text, delete).await?,
        Statement::Truncate(truncate) => change::truncate(context, text, &truncate).await?,
        Statement::Drop(drop) => ddl::drop_entry(context, text, &drop)?,
        Statement::DropIndex(drop) => index::drop_index(context, text, &drop).await?,
        Statement::Reindex(reindex) => index::reindex(context, text, &reindex)?,
    };
    // The answer may be kept for long, and must not keep the variables of the statement.
    done.into_frame(context.of_session().unwrap_or(context))
}
