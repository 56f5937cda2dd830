//! What may be done with SOURCE and SINK tables.

use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{Query, Select, SetExpr, TableFactor};
use velaria_sql::{CreateTable, TableKind};

/// What the result says of a table that was made.
pub(crate) fn created(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Regular => "create table done",
        TableKind::Source => "create source table done",
        TableKind::Sink => "create sink table done",
    }
}

/// What the rows of a table that is made are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Memory, as a table of the session.
    Memory,
    /// Files that are there, or come.
    Files,
    /// What stream queries write to.
    Sink,
}

/// Where the rows of the table that `create` makes are kept.
pub(crate) fn place(create: &CreateTable) -> Place {
    match (create.provider.is_some() || !create.options.is_empty(), create.kind) {
        (false, _) => Place::Memory,
        (true, TableKind::Sink) => Place::Sink,
        (true, TableKind::Regular | TableKind::Source) => Place::Files,
    }
}

/// Refuses to change a SOURCE table; `word` is the statement.
pub(crate) fn check_writable(kind: TableKind, word: &str, name: &str) -> Result<()> {
    match kind {
        TableKind::Regular | TableKind::Sink => Ok(()),
        TableKind::Source => {
            Err(Error::new(ErrorCode::TableKind, format!("{word} is not allowed on SOURCE TABLE: {name}")))
        }
    }
}

/// Refuses to read a SINK table in `query`.
pub(crate) fn check_readable(kind: TableKind, query: &Query, name: &str) -> Result<()> {
    match kind {
        TableKind::Regular | TableKind::Source => Ok(()),
        TableKind::Sink => {
            let verb = if is_joined(query, name) { "JOIN with" } else { "SELECT from" };
            Err(Error::new(ErrorCode::TableKind, format!("{verb} SINK table is not allowed: {name}")))
        }
    }
}

fn is_joined(query: &Query, name: &str) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    !first_is(select, name) && select.from.iter().any(|table| !table.joins.is_empty())
}

fn first_is(select: &Select, name: &str) -> bool {
    match select.from.first().map(|table| &table.relation) {
        Some(TableFactor::Table { name: first, .. }) => first.to_string().trim_matches('"') == name,
        _ => false,
    }
}
