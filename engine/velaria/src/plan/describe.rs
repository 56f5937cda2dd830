//! `SHOW TABLES` and `DESCRIBE`: names and types, without a row being read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use velaria_connector::{KeyKind, TableRules};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::Ident;
use velaria_sql::{Subject, position_of};

use crate::catalog::Entry;
use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::plan::query;
use crate::plan::target::{self, template};
use crate::words::type_word;

/// Runs `SHOW TABLES`: every table and view, sorted by name.
pub(crate) fn show_tables(context: &Arc<Context>) -> Result<DataFrame> {
    let entries = context.catalog.entries();
    let names = entries.iter().map(|(name, _)| Some(name.clone())).collect();
    let kinds = entries.iter().map(|(_, entry)| Some(entry.kind().to_owned())).collect();
    text_frame(context, vec![("name", names), ("kind", kinds)])
}

/// Runs `DESCRIBE`: one row for each column.
pub(crate) async fn describe(context: &Arc<Context>, text: &str, subject: Subject) -> Result<DataFrame> {
    if let Subject::Table(name) = &subject
        && let Ok(Entry::Table(table)) = context.catalog.entry(&target::spelling(context, name))
    {
        let schema = datafusion::catalog::TableProvider::schema(table.as_ref());
        return described(context, &schema, table.rules());
    }
    let frame = subject_frame(context, text, subject).await?;
    described(context, &frame.schema(), &TableRules::default())
}

/// The rows of a table, view or query.
pub(crate) async fn subject_frame(context: &Arc<Context>, text: &str, subject: Subject) -> Result<DataFrame> {
    let query = match subject {
        Subject::Query(query) => query,
        Subject::Table(name) => whole_table(context, text, &name)?,
    };
    Ok(DataFrame::from_query(context, text, query::bind(context, text, query).await?))
}

fn whole_table(context: &Context, text: &str, ident: &Ident) -> Result<Box<velaria_sql::ast::Query>> {
    // A path in single quotes is opened with the query.
    let whole = if ident.quote_style == Some('\'') {
        ident.clone()
    } else {
        let name = target::spelling(context, ident);
        context.catalog.find(&name).map_err(|error| error.with_position(position_of(text, ident.span)))?;
        Ident::with_quote('"', name)
    };
    let (mut query, mut select) = template("SELECT * FROM t")?;
    if let Some(velaria_sql::ast::TableFactor::Table { name: table, .. }) =
        select.from.first_mut().map(|from| &mut from.relation)
    {
        *table = vec![whole].into();
    }
    *query.body = velaria_sql::ast::SetExpr::Select(select);
    Ok(query)
}

fn described(context: &Arc<Context>, schema: &Schema, rules: &TableRules) -> Result<DataFrame> {
    let fields = schema.fields();
    let names = fields.iter().map(|field| Some(field.name().clone())).collect();
    let types = fields.iter().map(|field| Some(type_word(field.data_type()))).collect();
    let null = fields.iter().map(|field| Some(if field.is_nullable() { "YES" } else { "NO" }.to_owned())).collect();
    let keys = (0..fields.len()).map(|index| key_word(rules, index).map(str::to_owned)).collect();
    let defaults = fields.iter().map(|field| rules.default_texts.get(field.name()).cloned()).collect();
    text_frame(
        context,
        vec![("column_name", names), ("column_type", types), ("null", null), ("key", keys), ("default", defaults)],
    )
}

/// `PRI` for a column of the primary key, `UNI` for one that is unique alone.
fn key_word(rules: &TableRules, column: usize) -> Option<&'static str> {
    let of = |kind: KeyKind| rules.keys.iter().filter(move |key| key.kind == kind);
    if of(KeyKind::Primary).any(|key| key.columns.contains(&column)) {
        return Some("PRI");
    }
    of(KeyKind::Unique).any(|key| key.columns == [column]).then_some("UNI")
}

/// A frame of text columns.
pub(crate) fn text_frame(context: &Arc<Context>, columns: Vec<(&str, Vec<Option<String>>)>) -> Result<DataFrame> {
    let columns = columns.into_iter().map(|(name, cells)| (name, Arc::new(StringArray::from(cells)) as ArrayRef, true));
    result_frame(context, columns)
}

/// A frame of computed columns: name, cells, whether a cell may be NULL.
pub(crate) fn result_frame<'a>(
    context: &Arc<Context>,
    columns: impl IntoIterator<Item = (&'a str, ArrayRef, bool)>,
) -> Result<DataFrame> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|error| Error::new(ErrorCode::Internal, "cannot make the result frame").with_source(error))?;
    DataFrame::from_batches(context, "result", batch.schema(), vec![batch])
}
