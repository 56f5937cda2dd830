//! `CREATE [OR REPLACE] [TEMP] VIEW [IF NOT EXISTS] name [(column, …)] AS query`.

use std::fmt;

use sqlparser::ast::{self, CreateTableOptions, Ident, Query};
use velaria_contract::Result;

use crate::parser::{lower_query, plain_name, unsupported};

const HINT: &str = "CREATE [OR REPLACE] [TEMP] VIEW [IF NOT EXISTS] name [(column, …)] AS query";

/// `CREATE VIEW`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// The name of the view.
    pub name: Ident,
    /// The names of its columns; empty when the query gives them.
    pub columns: Vec<Ident>,
    /// The query that the view stands for.
    pub query: Box<Query>,
    /// Whether an existing view stays as it is, without an error.
    pub if_not_exists: bool,
    /// Whether an existing view is replaced.
    pub or_replace: bool,
}

impl fmt::Display for CreateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_replace = if self.or_replace { "OR REPLACE " } else { "" };
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE {or_replace}VIEW {if_not_exists}{}", self.name)?;
        if !self.columns.is_empty() {
            let columns: Vec<String> = self.columns.iter().map(Ident::to_string).collect();
            write!(f, " ({})", columns.join(", "))?;
        }
        write!(f, " AS {}", self.query)
    }
}

pub(crate) fn lower(text: &str, create: ast::CreateView) -> Result<CreateView> {
    let name = plain_name(text, create.name)?;
    let clauses = [
        ("OR ALTER", create.or_alter),
        ("MATERIALIZED", create.materialized),
        ("SECURE", create.secure),
        ("options", create.options != CreateTableOptions::None),
        ("CLUSTER BY", !create.cluster_by.is_empty()),
        ("COMMENT", create.comment.is_some()),
        ("WITH NO SCHEMA BINDING", create.with_no_schema_binding),
        ("COPY GRANTS", create.copy_grants),
        ("TO", create.to.is_some()),
        ("parameters", create.params.is_some()),
        (
            "types of columns",
            create.columns.iter().any(|column| column.data_type.is_some() || column.options.is_some()),
        ),
        ("OR REPLACE with IF NOT EXISTS", create.or_replace && create.if_not_exists),
    ];
    if let Some((clause, _)) = clauses.iter().find(|(_, present)| *present) {
        let message = format!("unsupported clause in CREATE VIEW: {clause}");
        return Err(unsupported(text, &message, name.span).with_hint(HINT));
    }
    Ok(CreateView {
        name,
        columns: create.columns.into_iter().map(|column| column.name).collect(),
        query: lower_query(text, create.query)?,
        if_not_exists: create.if_not_exists,
        or_replace: create.or_replace,
    })
}
