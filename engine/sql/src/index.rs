//! `CREATE [UNIQUE] INDEX`, `DROP INDEX` and `REINDEX`.

use std::fmt;

use sqlparser::ast::{self, Expr, Ident, IndexColumn, Spanned};
use velaria_contract::Result;

use crate::parser::{plain_name, unsupported};

const HINT: &str = "CREATE [UNIQUE] INDEX [IF NOT EXISTS] name ON table (column [ASC | DESC], …)";

/// `CREATE INDEX`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    /// The name of the index.
    pub name: Ident,
    /// The table.
    pub table: Ident,
    /// The columns, whose order of sorting has no meaning here.
    pub columns: Vec<Ident>,
    /// Whether two rows must not have the same values.
    pub uniqueness: Uniqueness,
    /// Whether an existing index stays as it is, without an error.
    pub if_not_exists: bool,
}

/// Whether rows may have the same values in the columns of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniqueness {
    /// They may.
    Repeated,
    /// They may not: `UNIQUE`.
    Unique,
}

impl fmt::Display for CreateIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unique = match self.uniqueness {
            Uniqueness::Repeated => "",
            Uniqueness::Unique => "UNIQUE ",
        };
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        let columns: Vec<String> = self.columns.iter().map(Ident::to_string).collect();
        write!(f, "CREATE {unique}INDEX {if_not_exists}{} ON {} ({})", self.name, self.table, columns.join(", "))
    }
}

/// `DROP INDEX [IF EXISTS] name`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropIndex {
    /// The name of the index.
    pub name: Ident,
    /// Whether a missing index is no error.
    pub if_exists: bool,
}

impl fmt::Display for DropIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DROP INDEX {}{}", if self.if_exists { "IF EXISTS " } else { "" }, self.name)
    }
}

/// `REINDEX [name]`: the name of an index or of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Reindex {
    /// What to build again; all when there is none.
    pub name: Option<Ident>,
}

impl fmt::Display for Reindex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "REINDEX {name}"),
            None => f.write_str("REINDEX"),
        }
    }
}

pub(crate) fn lower(text: &str, create: ast::CreateIndex) -> Result<CreateIndex> {
    let span = create.table_name.span();
    let clauses = [
        ("no name", create.name.is_none()),
        ("USING", create.using.is_some()),
        ("CONCURRENTLY", create.concurrently),
        ("INCLUDE", !create.include.is_empty()),
        ("NULLS NOT DISTINCT", create.nulls_distinct == Some(false)),
        ("WITH", !create.with.is_empty()),
        ("WHERE", create.predicate.is_some()),
        ("options", !create.index_options.is_empty() || !create.alter_options.is_empty()),
    ];
    let refused =
        |what: &str| unsupported(text, &format!("unsupported clause in CREATE INDEX: {what}"), span).with_hint(HINT);
    if let Some((clause, _)) = clauses.iter().find(|(_, present)| *present) {
        return Err(refused(clause));
    }
    let Some(name) = create.name else { return Err(refused("no name")) };
    Ok(CreateIndex {
        name: plain_name(text, name)?,
        table: plain_name(text, create.table_name)?,
        columns: key_columns(text, create.columns)?,
        uniqueness: if create.unique { Uniqueness::Unique } else { Uniqueness::Repeated },
        if_not_exists: create.if_not_exists,
    })
}

/// The columns of a key. How they would be sorted is read and means nothing.
///
/// # Errors
/// `VEL-3001` for an expression that is not the name of a column.
pub fn key_columns(text: &str, columns: Vec<IndexColumn>) -> Result<Vec<Ident>> {
    let column = |column: IndexColumn| match column.column.expr {
        Expr::Identifier(ident) if column.operator_class.is_none() && column.column.with_fill.is_none() => Ok(ident),
        other => Err(unsupported(text, "a key is made of columns, not of expressions", other.span())),
    };
    columns.into_iter().map(column).collect()
}
