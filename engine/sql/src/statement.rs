//! The statements that Velaria runs, as plain data.

use sqlparser::ast;
use sqlparser::tokenizer::Span;

use crate::copy::Copy;
use crate::delete::{Delete, Truncate};
use crate::extension::Extensions;
use crate::index::{CreateIndex, DropIndex, Reindex};
use crate::inspect::{Explain, Subject};
use crate::options::TableOption;
use crate::update::Update;
use crate::view::CreateView;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `SELECT`, `WITH` or `VALUES`.
    Query(Box<ast::Query>),
    /// A query with clauses of Velaria's own.
    ExtendedQuery(ExtendedQuery),
    /// `CREATE TABLE`.
    CreateTable(CreateTable),
    /// `INSERT INTO` or `REPLACE INTO`.
    Insert(Insert),
    /// `UPDATE`.
    Update(Update),
    /// `DELETE`.
    Delete(Delete),
    /// `TRUNCATE`.
    Truncate(Truncate),
    /// `COPY … TO`.
    Copy(Copy),
    /// `DROP TABLE` or `DROP VIEW`.
    Drop(Drop),
    /// `CREATE VIEW`.
    CreateView(CreateView),
    /// `CREATE INDEX`.
    CreateIndex(CreateIndex),
    /// `DROP INDEX`.
    DropIndex(DropIndex),
    /// `REINDEX`.
    Reindex(Reindex),
    /// `SHOW TABLES`.
    ShowTables,
    /// `DESCRIBE`.
    Describe(Subject),
    /// `SUMMARIZE`.
    Summarize(Subject),
    /// `EXPLAIN`.
    Explain(Explain),
}

/// A query with `WINDOW BY`, `KEYWORD SEARCH` or `HYBRID SEARCH`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtendedQuery {
    /// The query without these clauses.
    pub query: Box<ast::Query>,
    /// The clauses.
    pub extensions: Extensions,
}

/// What may be done with a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TableKind {
    /// Read and write.
    #[default]
    Regular,
    /// Read only.
    Source,
    /// Write only.
    Sink,
}

/// `CREATE [OR REPLACE] [SOURCE | SINK] TABLE [IF NOT EXISTS] name (column TYPE [NOT NULL], …)` or `… AS query`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// The name of the table.
    pub name: ast::Ident,
    /// The declared columns; empty when the query gives them.
    pub columns: Vec<ast::ColumnDef>,
    /// The keys and checks that stand after the columns.
    pub constraints: Vec<ast::TableConstraint>,
    /// The query that fills the table.
    pub query: Option<Box<ast::Query>>,
    /// Whether an existing table stays as it is, without an error.
    pub if_not_exists: bool,
    /// Whether an existing table is replaced.
    pub or_replace: bool,
    /// What may be done with the table.
    pub kind: TableKind,
    /// The format of the files behind the table, in lower case.
    pub provider: Option<String>,
    /// The options of the provider.
    pub options: Vec<TableOption>,
}

/// `INSERT [OR REPLACE] INTO table [(column, …)] VALUES … | SELECT …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The name of the table.
    pub table: ast::Ident,
    /// The columns that the values are for; empty means all, in order.
    pub columns: Vec<ast::Ident>,
    /// Where the rows come from.
    pub source: Box<ast::Query>,
    /// What happens to rows that have the same value in a key.
    pub on_conflict: OnConflict,
}

/// What an insert does about rows that have the same value in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It fails.
    Fail,
    /// The earlier rows give way: `INSERT OR REPLACE`, `REPLACE`.
    Replace,
}

/// `DROP TABLE [IF EXISTS] name` or `DROP VIEW [IF EXISTS] name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// Which of the two is dropped.
    pub kind: DropKind,
    /// The name of the table or view.
    pub name: ast::Ident,
    /// Whether a missing table is no error.
    pub if_exists: bool,
}

/// What `DROP` forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropKind {
    /// `DROP TABLE`.
    Table,
    /// `DROP VIEW`.
    View,
}

impl Insert {
    /// The number of values in the first row of `VALUES`, with its place; `None` for a query.
    #[must_use]
    pub fn values_width(&self) -> Option<(usize, Span)> {
        match self.source.body.as_ref() {
            ast::SetExpr::Values(values) => {
                values.rows.first().map(|row| (row.len(), ast::Spanned::span(self.source.as_ref())))
            }
            _ => None,
        }
    }
}
