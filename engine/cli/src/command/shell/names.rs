//! The names that statements of the session can use: tables with their columns, and functions.

use std::time::{Duration, Instant};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use velaria::{Error, ErrorCode, Result, Session, functions, wait};

use super::files::quoted;

/// How long a person waits for a list of names; what is not known by then is left out.
const PATIENCE: Duration = Duration::from_millis(400);

/// A table or view, and the names of its columns.
#[derive(Debug, Clone, Default)]
pub(super) struct TableNames {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

/// Everything that can be completed by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) tables: Vec<TableNames>,
    pub(super) functions: Vec<String>,
}

impl Names {
    /// The names of `session` now. A view whose file is gone has no columns.
    pub(super) fn of(session: &Session) -> Self {
        let began = Instant::now();
        let mut hurry = || match began.elapsed() > PATIENCE {
            true => Err(Error::new(ErrorCode::Cancelled, "it takes too long")),
            false => Ok(()),
        };
        let known = {
            let session = session.clone();
            wait(async move { tables(&session).await }, &mut hurry).unwrap_or_default()
        };
        let tables = known.into_iter().map(|(name, _)| {
            let columns = columns(session, &name, &mut hurry).unwrap_or_default();
            TableNames { name, columns }
        });
        Self { tables: tables.collect(), functions: function_names() }
    }
}

/// The names of the functions, with their other names.
fn function_names() -> Vec<String> {
    let entries = functions().unwrap_or_default();
    let mut names: Vec<String> =
        entries.into_iter().flat_map(|entry| std::iter::once(entry.name).chain(entry.aliases)).collect();
    names.sort();
    names.dedup();
    names
}

/// The columns of the table `name`, which is planned and not read.
fn columns(session: &Session, name: &str, hurry: &mut dyn FnMut() -> Result<()>) -> Result<Vec<String>> {
    let (session, query) = (session.clone(), format!("SELECT * FROM {}", quoted(name)));
    let frame = wait(async move { session.sql(&query).await }, hurry)?;
    Ok(frame.schema().fields().iter().map(|field| field.name().clone()).collect())
}

/// Every table and view with its kind.
pub(super) async fn tables(session: &Session) -> Result<Vec<(String, String)>> {
    let batches = session.sql("SHOW TABLES").await?.collect().await?;
    Ok(batches.iter().flat_map(|batch| texts(batch, 0).into_iter().zip(texts(batch, 1))).collect())
}

/// The texts of a column.
pub(super) fn texts(batch: &RecordBatch, column: usize) -> Vec<String> {
    let Some(cells) = batch.columns().get(column) else { return Vec::new() };
    let Ok(cells) = arrow::compute::cast(cells, &DataType::Utf8) else { return Vec::new() };
    let cells = cells.as_any().downcast_ref::<arrow::array::StringArray>().cloned();
    cells.iter().flatten().map(|cell| cell.unwrap_or_default().to_owned()).collect()
}
