//! Statements as text that reads as the same statement.
//!
//! The exceptions are a quoted name with two quotes in a row and text with a quote after a backslash or a quote: the
//! parser's own printing takes such a quote for one that is escaped already.

use std::fmt;

use sqlparser::ast::{GroupByExpr, Query, SetExpr};

use crate::extension::Extensions;
use crate::statement::{CreateTable, Drop, DropKind, ExtendedQuery, Insert, OnConflict, Statement, TableKind};

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(query) => query.fmt(f),
            Self::ExtendedQuery(extended) => extended.fmt(f),
            Self::CreateTable(create) => create.fmt(f),
            Self::CreateView(create) => create.fmt(f),
            Self::CreateIndex(create) => create.fmt(f),
            Self::Insert(insert) => insert.fmt(f),
            Self::Update(update) => update.fmt(f),
            Self::Delete(delete) => delete.fmt(f),
            Self::Truncate(truncate) => truncate.fmt(f),
            Self::Copy(copy) => copy.fmt(f),
            Self::Drop(drop) => drop.fmt(f),
            Self::DropIndex(drop) => drop.fmt(f),
            Self::Reindex(reindex) => reindex.fmt(f),
            Self::ShowTables => f.write_str("SHOW TABLES"),
            Self::Describe(subject) => write!(f, "DESCRIBE {subject}"),
            Self::Summarize(subject) => write!(f, "SUMMARIZE {subject}"),
            Self::Explain(explain) => explain.fmt(f),
        }
    }
}

impl fmt::Display for CreateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replace = if self.or_replace { "OR REPLACE " } else { "" };
        let kind = match self.kind {
            TableKind::Regular => "",
            TableKind::Source => "SOURCE ",
            TableKind::Sink => "SINK ",
        };
        let guard = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE {replace}{kind}TABLE {guard}{}", self.name)?;
        let columns = self.columns.iter().map(ToString::to_string);
        let parts: Vec<String> = columns.chain(self.constraints.iter().map(ToString::to_string)).collect();
        if !parts.is_empty() {
            write!(f, " ({})", parts.join(", "))?;
        }
        if let Some(provider) = &self.provider {
            write!(f, " USING {provider}")?;
        }
        if !self.options.is_empty() {
            write!(f, " OPTIONS ({})", listed(&self.options))?;
        }
        match &self.query {
            Some(query) => write!(f, " AS {query}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Insert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.on_conflict == OnConflict::Replace { "REPLACE" } else { "INSERT" };
        write!(f, "{word} INTO {}", self.table)?;
        if !self.columns.is_empty() {
            write!(f, " ({})", listed(&self.columns))?;
        }
        write!(f, " {}", self.source)
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DropKind::Table => "TABLE",
            DropKind::View => "VIEW",
        };
        write!(f, "DROP {kind} {}{}", if self.if_exists { "IF EXISTS " } else { "" }, self.name)
    }
}

impl fmt::Display for ExtendedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_extended(f, &self.query, &self.extensions)
    }
}

/// Prints `query` with `extensions` in their place.
pub(crate) fn fmt_extended(f: &mut fmt::Formatter<'_>, query: &Query, extensions: &Extensions) -> fmt::Result {
    // What is printed up to WHERE is a prefix of what is printed in all.
    let (whole, head) = (query.to_string(), up_to_where(query).to_string());
    let tail = whole.strip_prefix(&head).unwrap_or_default();
    write!(f, "{head}{extensions}{tail}")
}

impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keyword_search.iter().try_for_each(|search| write!(f, " {search}"))?;
        self.hybrid_search.iter().try_for_each(|search| write!(f, " {search}"))?;
        self.window_by.iter().try_for_each(|window| write!(f, " {window}"))
    }
}

fn up_to_where(query: &Query) -> Query {
    let mut query = query.clone();
    query.order_by = None;
    query.limit_clause = None;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        select.having = None;
        select.named_window = Vec::new();
        select.qualify = None;
    }
    query
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
