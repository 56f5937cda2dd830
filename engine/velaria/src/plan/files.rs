//! Files in statements: `FROM 'data/*.csv'`, and tables over files.
//!
//! Files are opened before names are bound. For as long as the statement is planned, the catalog knows each path under a name
//! that is the path in its quotes; the alias that the relation gets is the name of the file.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use velaria_connector::{Format, Opened, ReadOptions, Source};
use velaria_contract::{Error, ErrorCode, Position, Result};
use velaria_sql::TableKind;
use velaria_sql::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, VisitMut, VisitorMut, visit_relations,
};

use crate::catalog::{Catalog, Entry, Sight, SourceTable};
use crate::context::{Context, Spread};
use crate::error::TYPE_HINT;
use crate::late;

/// Opens what `path` means as one table.
pub(crate) async fn open(
    context: &Context,
    path: &str,
    format: Option<Format>,
    options: &ReadOptions,
    columns: Option<&Schema>,
) -> Result<Opened> {
    let type_of = |word: &str| type_of(context, word);
    let source = Source { path, format, options, columns, type_of: &type_of };
    let opened = velaria_connector::open(context.state(Spread::Parallel), &source).await?;
    say(context, &opened);
    Ok(opened)
}

/// Keeps what users should know about how files are read.
fn say(context: &Context, opened: &Opened) {
    let notes = late::notes(opened.table.as_ref()).into_iter().chain(opened.notes());
    notes.for_each(|note| context.notices.add(note));
}

/// The Arrow type of a type word, found the same way as for `CAST`.
pub(crate) fn type_of(context: &Context, word: &str) -> Result<DataType> {
    let unknown = || Error::new(ErrorCode::TypeMismatch, format!("unknown type: {word}")).with_hint(TYPE_HINT);
    let cast = velaria_sql::parse_expression(&format!("CAST(NULL AS {word})")).map_err(|_| unknown())?;
    if !matches!(cast, Expr::Cast { .. }) {
        return Err(unknown());
    }
    let schema = DFSchema::empty();
    context
        .state(Spread::Parallel)
        .create_logical_expr_from_sql_expr(ExprWithAlias { expr: cast, alias: None }, &schema)
        .and_then(|expr| expr.get_type(&schema))
        .map_err(|error| unknown().with_source(error))
}

/// The files of one statement, known to the catalog until this is dropped.
#[derive(Debug)]
pub(crate) struct NamedFiles<'a> {
    catalog: &'a Catalog,
    names: Vec<String>,
}

impl Drop for NamedFiles<'_> {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| self.catalog.forget_file(name));
    }
}

/// Opens the files that `query` names, and those of the tables over files that it names.
pub(crate) async fn name_files<'a>(context: &'a Context, text: &str, query: &mut Query) -> Result<NamedFiles<'a>> {
    let mut named = NamedFiles { catalog: &context.catalog, names: Vec::new() };
    for path in paths(query) {
        // Reading the head of a file may take long, and must not happen on the thread of a caller that polls once.
        tokio::task::yield_now().await;
        let opened = open(context, &path, None, &ReadOptions::new(), None).await;
        let table = opened.map_err(|error| error.with_position(place(text, &path)))?.table;
        let name = hidden_name(&path);
        context.catalog.name_file(&name, table);
        named.names.push(name);
    }
    if !named.names.is_empty() {
        let _: ControlFlow<()> = query.visit(&mut Namer);
    }
    if context.catalog.has_sources() {
        refresh(context, tables(query).iter().map(String::as_str)).await?;
    }
    Ok(named)
}

/// Opens the tables over files among `names` again whose files have changed.
pub(crate) async fn refresh(context: &Context, names: impl Iterator<Item = &str>) -> Result<()> {
    for name in names {
        let name = context.catalog.spelling(name).unwrap_or_else(|| name.to_owned());
        // Stream SQL reads a SOURCE TABLE as a stream, whose files may still come.
        let streamed = context.catalog.sight() == Sight::Stream && context.catalog.kind(&name) == TableKind::Source;
        if let (false, Ok(Entry::Source(source))) = (streamed, context.catalog.entry(&name)) {
            tokio::task::yield_now().await;
            open_source(context, &source).await?;
        }
    }
    Ok(())
}

/// Opens a table over files, unless its files are what they were.
pub(crate) async fn open_source(context: &Context, source: &SourceTable) -> Result<()> {
    let type_of = |word: &str| type_of(context, word);
    let state = context.state(Spread::Parallel);
    let asked = Source {
        path: &source.path,
        format: source.format,
        options: &source.options,
        columns: source.columns.as_deref(),
        type_of: &type_of,
    };
    // Standard input is there once.
    if source.path == "-" && source.is_open() {
        return Ok(());
    }
    let located = velaria_connector::find(state, &asked)?;
    let fingerprint = located.fingerprint();
    if source.is_current(&fingerprint) {
        return Ok(());
    }
    let opened = velaria_connector::open_located(state, &asked, located).await?;
    say(context, &opened);
    source.open_again(fingerprint, opened.table);
    // Views hold what they read.
    context.catalog.touch();
    Ok(())
}

/// Whether `query` names a file.
pub(crate) fn has_paths(query: &Query) -> bool {
    !paths(query).is_empty()
}

/// The paths in `query`: the names of tables that stand in single quotes.
fn paths(query: &Query) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let _: ControlFlow<()> = visit_relations(query, |relation| {
        if let Some(ident) = path(relation)
            && !found.contains(&ident.value)
        {
            found.push(ident.value.clone());
        }
        ControlFlow::Continue(())
    });
    found
}

/// Where `path` stands in `text` first: the syntax tree keeps no place for text in single quotes.
fn place(text: &str, path: &str) -> Option<Position> {
    let quoted = format!("'{}'", path.replace('\'', "''"));
    let before = text.get(..text.find(&quoted)?)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next()?.chars().count() + 1;
    let count = |value: usize| u64::try_from(value).ok();
    Position::in_text(text, count(line)?, count(column)?, count(quoted.chars().count())?)
}

fn tables(query: &Query) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let _: ControlFlow<()> = visit_relations(query, |relation| {
        if let [ObjectNamePart::Identifier(ident)] = relation.0.as_slice() {
            found.insert(ident.value.clone());
        }
        ControlFlow::Continue(())
    });
    found
}

fn path(relation: &ObjectName) -> Option<&Ident> {
    match relation.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] if ident.quote_style == Some('\'') => Some(ident),
        _ => None,
    }
}

fn hidden_name(path: &str) -> String {
    format!("'{path}'")
}

/// Gives every path the name under which the catalog knows it, and an alias.
struct Namer;

impl VisitorMut for Namer {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(found) = path(name).cloned() else { return ControlFlow::Continue(()) };
        if alias.is_none() {
            let name = Ident { value: shown_name(&found.value), quote_style: Some('"'), span: found.span };
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        let hidden = Ident { value: hidden_name(&found.value), quote_style: Some('"'), span: found.span };
        *name = ObjectName(vec![ObjectNamePart::Identifier(hidden)]);
        ControlFlow::Continue(())
    }
}

/// The name by which columns of a path are qualified: that of the file or directory, or of the last directory before a
/// pattern.
pub(crate) fn shown_name(path: &str) -> String {
    if path == "-" {
        return "stdin".to_owned();
    }
    let is_plain = |part: &&str| !part.is_empty() && !part.contains(['*', '?', '[']) && !matches!(*part, "." | "..");
    let mut parts = path.split('/').rev();
    let last = parts.next().unwrap_or_default();
    let name =
        Some(last).filter(is_plain).map(|last| Path::new(last).file_stem().unwrap_or_default().to_string_lossy());
    let name = name.or_else(|| parts.find(is_plain).map(Into::into));
    name.map_or_else(|| "files".to_owned(), |name| name.split('.').next().unwrap_or_default().to_owned())
}

/// The table of a file or files, and the name for it.
pub(crate) async fn read(
    context: &Context,
    path: &str,
    format: Option<Format>,
    options: &ReadOptions,
) -> Result<(String, Arc<dyn TableProvider>)> {
    let opened = open(context, path, format, options, None).await?;
    Ok((opened.format.name().to_owned(), opened.table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_qualified_by_the_name_of_the_file() {
        for (path, name) in [
            ("a.csv", "a"),
            ("data/a.csv.gz", "a"),
            ("data/*.csv", "data"),
            ("data/year=2024/", "year=2024"),
            ("*.csv", "files"),
            ("/x/**/y.parquet", "y"),
            ("../*", "files"),
            ("-", "stdin"),
        ] {
            assert_eq!(shown_name(path), name, "{path}");
        }
    }
}
