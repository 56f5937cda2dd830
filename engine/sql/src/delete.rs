//! `DELETE FROM table [[AS] alias] [WHERE condition]` and `TRUNCATE [TABLE] table`.

use std::fmt;

use sqlparser::ast::{self, Expr, FromTable, Ident};
use velaria_contract::Result;

use crate::clauses;
use crate::parser::{plain_name, unsupported};
use crate::update::target;

const HINT: &str = "DELETE FROM table [AS alias] [WHERE condition]";

/// `DELETE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// The table whose rows go.
    pub table: Ident,
    /// What the condition calls the table.
    pub alias: Option<Ident>,
    /// The rows that go; all when there is none.
    pub selection: Option<Expr>,
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DELETE FROM {}", self.table)?;
        if let Some(alias) = &self.alias {
            write!(f, " AS {alias}")?;
        }
        if let Some(selection) = &self.selection {
            write!(f, " WHERE {selection}")?;
        }
        Ok(())
    }
}

/// `TRUNCATE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Truncate {
    /// The table whose rows go.
    pub table: Ident,
}

impl fmt::Display for Truncate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TRUNCATE TABLE {}", self.table)
    }
}

pub(crate) fn lower(text: &str, delete: ast::Delete) -> Result<Delete> {
    let span = delete.delete_token.0.span;
    let refused =
        |name: &str| Err(unsupported(text, &format!("unsupported clause in DELETE: {name}"), span).with_hint(HINT));
    let clauses = [
        ("hints", !delete.optimizer_hints.is_empty()),
        ("a list of tables", !delete.tables.is_empty()),
        ("USING", delete.using.is_some()),
        ("RETURNING", delete.returning.is_some()),
        ("OUTPUT", delete.output.is_some()),
        ("ORDER BY", !delete.order_by.is_empty()),
        ("LIMIT", delete.limit.is_some()),
    ];
    if let Some((name, _)) = clauses.iter().find(|(_, present)| *present) {
        return refused(name);
    }
    let FromTable::WithFromKeyword(mut tables) = delete.from else { return refused("no FROM") };
    let (Some(table), true) = (tables.pop(), tables.is_empty()) else { return refused("a list of tables") };
    let (table, alias) = target(text, "DELETE", HINT, table)?;
    clauses::check_optional(text, delete.selection.as_ref())?;
    Ok(Delete { table, alias, selection: delete.selection })
}

pub(crate) fn lower_truncate(text: &str, truncate: ast::Truncate) -> Result<Truncate> {
    let mut names = truncate.table_names;
    let plain = truncate.partitions.is_none()
        && !truncate.if_exists
        && truncate.identity.is_none()
        && truncate.cascade.is_none()
        && truncate.on_cluster.is_none();
    match (names.pop(), names.is_empty(), plain) {
        (Some(target), true, true) if !target.only && !target.has_asterisk => {
            Ok(Truncate { table: plain_name(text, target.name)? })
        }
        (target, ..) => {
            let span = target.map(|target| ast::Spanned::span(&target.name));
            let span = span.unwrap_or_else(sqlparser::tokenizer::Span::empty);
            Err(unsupported(text, "unsupported clause in TRUNCATE", span).with_hint("TRUNCATE [TABLE] table"))
        }
    }
}
