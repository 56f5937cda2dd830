//! `UPDATE table [[AS] alias] SET column = expression, … [WHERE condition]`.

use std::fmt;

use sqlparser::ast::{self, AssignmentTarget, Expr, Ident, Spanned, TableFactor, TableWithJoins};
use velaria_contract::Result;

use crate::clauses;
use crate::parser::{plain_name, unsupported};

const HINT: &str = "UPDATE table [AS alias] SET column = expression, … [WHERE condition]";

/// `UPDATE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The table whose rows change.
    pub table: Ident,
    /// What the expressions call the table.
    pub alias: Option<Ident>,
    /// The columns that get new values, in the order of the statement.
    pub assignments: Vec<Assignment>,
    /// The rows that change; all when there is none.
    pub selection: Option<Expr>,
}

/// `column = expression`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The column.
    pub column: Ident,
    /// Its new value.
    pub value: Expr,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UPDATE {}", self.table)?;
        if let Some(alias) = &self.alias {
            write!(f, " AS {alias}")?;
        }
        for (index, Assignment { column, value }) in self.assignments.iter().enumerate() {
            write!(f, "{} {column} = {value}", if index == 0 { " SET" } else { "," })?;
        }
        if let Some(selection) = &self.selection {
            write!(f, " WHERE {selection}")?;
        }
        Ok(())
    }
}

pub(crate) fn lower(text: &str, update: ast::Update) -> Result<Update> {
    let span = update.update_token.0.span;
    let clauses = [
        ("hints", !update.optimizer_hints.is_empty()),
        ("FROM", update.from.is_some()),
        ("RETURNING", update.returning.is_some()),
        ("OUTPUT", update.output.is_some()),
        ("OR", update.or.is_some()),
        ("ORDER BY", !update.order_by.is_empty()),
        ("LIMIT", update.limit.is_some()),
    ];
    if let Some((name, _)) = clauses.iter().find(|(_, present)| *present) {
        return Err(unsupported(text, &format!("unsupported clause in UPDATE: {name}"), span).with_hint(HINT));
    }
    let (table, alias) = target(text, "UPDATE", HINT, update.table)?;
    let assignments = update.assignments.into_iter().map(|each| assignment(text, each)).collect::<Result<_>>()?;
    clauses::check_optional(text, update.selection.as_ref())?;
    Ok(Update { table, alias, assignments, selection: update.selection })
}

fn assignment(text: &str, assignment: ast::Assignment) -> Result<Assignment> {
    clauses::check(text, &assignment.value)?;
    match assignment.target {
        AssignmentTarget::ColumnName(name) => {
            Ok(Assignment { column: plain_name(text, name)?, value: assignment.value })
        }
        AssignmentTarget::Tuple(names) => {
            let span = names.first().map(Spanned::span).unwrap_or_else(sqlparser::tokenizer::Span::empty);
            Err(unsupported(text, "unsupported clause in UPDATE: SET of several columns at once", span)
                .with_hint("write SET column = expression for each column"))
        }
    }
}

/// The one table that a statement changes, and its alias.
pub(crate) fn target(text: &str, word: &str, hint: &str, table: TableWithJoins) -> Result<(Ident, Option<Ident>)> {
    let span = table.relation.span();
    let refused =
        |what: &str| unsupported(text, &format!("unsupported target of {word}: {what}"), span).with_hint(hint);
    if !table.joins.is_empty() {
        return Err(refused("a join"));
    }
    clauses::check(text, &table.relation)?;
    match table.relation {
        TableFactor::Table { name, alias, args: None, with_ordinality: false, .. } => match alias {
            Some(alias) if !alias.columns.is_empty() => Err(refused("a list of columns after the alias")),
            alias => Ok((plain_name(text, name)?, alias.map(|alias| alias.name))),
        },
        _ => Err(refused("not a table")),
    }
}
