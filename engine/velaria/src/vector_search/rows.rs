//! The rows that are searched: the batches of a table in memory as they are now, or what a view or file gives.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::TableKind;
use velaria_sql::ast::{Ident, ObjectName, ObjectNamePart, SetExpr, TableFactor};
use velaria_vector::VectorColumn;

use super::filter::Condition;
use super::{Columns, VectorSearch};
use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::plan::{columns, query, target};
use crate::plan_cache;
use crate::stack::Roomy;
use crate::words::type_word;

/// Up to this many rows a search may run on the thread of its caller.
const BRIEF_ROWS_MAX: usize = 65_536;
/// Up to this many bytes of vectors, for all queries together, a search may run on the thread of its caller.
const BRIEF_BYTES_MAX: usize = 4 << 20;

/// Rows in their order.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) schema: SchemaRef,
    /// Those of a table in memory are the batches of the table itself.
    pub(super) batches: Arc<Vec<RecordBatch>>,
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The place of the column called `name`.
    pub(super) fn position(&self, name: &str) -> Result<usize> {
        positions(&self.schema, [name])?.first().copied().ok_or_else(|| internal("a column has no place"))
    }

    /// The places of the columns that a result has.
    pub(super) fn payload(&self, search: &VectorSearch, columns: Columns) -> Result<Vec<usize>> {
        if columns == Columns::All && search.columns.is_empty() {
            return Ok((0..self.schema.fields().len()).collect());
        }
        positions(&self.schema, search.columns.iter().map(String::as_str))
    }
}

/// Where rows come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A table in memory.
    Memory(Rows),
    /// What has this name in the catalog, and is read by a query.
    Query(String),
}

impl Source {
    pub(super) fn find(context: &Context, search: &VectorSearch) -> Result<Self> {
        let catalog = &context.catalog;
        let name = catalog.spelling(&search.table).unwrap_or_else(|| search.table.clone());
        let found = catalog.find(&name)?;
        if catalog.kind(&name) == TableKind::Sink {
            let message = format!("SELECT from SINK table is not allowed: {name}");
            return Err(Error::new(ErrorCode::TableKind, message));
        }
        Ok(match plan_cache::memory(found.as_ref()) {
            Some(table) => Self::Memory(Rows { schema: table.schema(), batches: table.snapshot() }),
            None => Self::Query(name),
        })
    }

    /// Whether the search takes so short that it may run on the thread of its caller.
    pub(super) fn is_brief(&self, search: &VectorSearch) -> bool {
        let Self::Memory(rows) = self else { return false };
        let Ok(column) = rows.position(&search.column) else { return true };
        let queries = search.queries.as_ref().map_or(1, |queries| queries.count());
        let bytes =
            |batch: &RecordBatch| batch.columns().get(column).map_or(0, |column| column.get_buffer_memory_size());
        search.filter.is_none()
            && rows.count() <= BRIEF_ROWS_MAX
            && rows.batches.iter().map(bytes).sum::<usize>().saturating_mul(queries) <= BRIEF_BYTES_MAX
    }

    /// The rows, with at least the columns that the search and its condition name.
    pub(super) async fn rows(
        self,
        context: &Arc<Context>,
        search: &VectorSearch,
        condition: Option<&Condition>,
        columns: Columns,
    ) -> Result<Rows> {
        let rows = match self {
            Self::Memory(rows) => rows,
            Self::Query(name) => {
                let reads = |column: &str| {
                    let named = |name: &String| name.to_lowercase() == column.to_lowercase();
                    (columns == Columns::All && search.columns.is_empty())
                        || named(&search.column)
                        || search.columns.iter().any(named)
                        || condition.is_some_and(|condition| condition.names(column))
                };
                Roomy::new("", read(context, &name, reads)).await?
            }
        };
        check_vectors(&rows, &search.column)?;
        Ok(rows)
    }
}

/// The columns of the view or files called `name` that the search `reads`, in the order of their rows.
async fn read(context: &Arc<Context>, name: &str, reads: impl Fn(&str) -> bool) -> Result<Rows> {
    let (mut query, mut select) = target::template("SELECT * FROM t")?;
    if let Some(TableFactor::Table { name: source, .. }) = select.from.first_mut().map(|from| &mut from.relation) {
        *source = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name))]);
    }
    *query.body = SetExpr::Select(select);
    let bound = query::bind(context, "", query).await?;
    let frame = DataFrame::from_query(context, "", bound);
    let fields = frame.schema();
    let read = fields.fields().iter().enumerate().filter(|(_, field)| reads(field.name())).map(|(index, _)| index);
    let read: Vec<usize> = read.collect();
    // Without any column the search has a name that is not there, which the check of the vectors says.
    if read.is_empty() {
        return Ok(Rows { schema: fields, batches: Arc::default() });
    }
    let frame = frame.project(&read)?.in_order();
    let batches = frame.collect().await?;
    // The types of files may have become wider while they were read.
    let schema = batches.first().map_or_else(|| frame.schema(), RecordBatch::schema);
    Ok(Rows { schema, batches: Arc::new(batches) })
}

/// Refuses a column that is not there, or is none of vectors.
fn check_vectors(rows: &Rows, column: &str) -> Result<()> {
    let index = rows.position(column)?;
    let field = rows.schema.field(index);
    if VectorColumn::accepts(field.data_type()) {
        return Ok(());
    }
    let message = format!("column {} holds no vectors but {}", field.name(), type_word(field.data_type()));
    Err(Error::new(ErrorCode::TypeMismatch, message)
        .with_hint("vectors are FLOAT[n]: fixed-size lists, or lists of one length, of floats"))
}

fn positions<'a>(schema: &SchemaRef, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<usize>> {
    let names: Vec<Ident> = names.into_iter().map(Ident::new).collect();
    columns::positions("", schema, &names, "result")
}

fn internal(message: &str) -> Error {
    Error::new(ErrorCode::Internal, message)
}
