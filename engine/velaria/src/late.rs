//! Plans over files whose columns can still get wider types.
//!
//! The types of a CSV file are those of the records that were looked at. When a later value does not fit, the file is
//! looked at as a whole, its column gets a wider type, and the query is planned again and starts again; the rows of a
//! query all have the same types. That needs the plan as it was bound, before casts were put in for the first types.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{LogicalPlan, TableScan, TableSource};
use velaria_connector::{CsvTable, FilesTable, RejectsTable};
use velaria_contract::{Error, ErrorCode, Result};

/// The CSV files of a table.
fn csv_files(table: &dyn TableProvider) -> Vec<CsvTable> {
    let table = table as &dyn Any;
    let parts = table.downcast_ref::<FilesTable>().into_iter().flat_map(FilesTable::tables);
    let parts = parts.filter_map(|part| (part.as_ref() as &dyn Any).downcast_ref::<CsvTable>());
    table.downcast_ref::<CsvTable>().into_iter().chain(parts).cloned().collect()
}

/// What a user should know about how the files of a table are read.
pub(crate) fn notes(table: &dyn TableProvider) -> Vec<String> {
    csv_files(table).iter().flat_map(CsvTable::notes).collect()
}

/// Calls `visit` for every CSV file that `plan` scans, alone or among others.
fn each_csv(plan: &LogicalPlan, mut visit: impl FnMut(&CsvTable)) {
    // The closure never fails, so neither does the walk.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(table) = source_as_provider(&scan.source)
        {
            csv_files(table.as_ref()).iter().for_each(&mut visit);
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// The tables of the records that the files of `plan` leave out.
pub(crate) fn rejects(plan: &LogicalPlan) -> Vec<RejectsTable> {
    let mut tables = Vec::new();
    each_csv(plan, |table| tables.extend(table.rejects()));
    tables
}

/// Whether a type in `plan` may change.
pub(crate) fn may_widen(plan: &LogicalPlan) -> bool {
    let mut may = false;
    each_csv(plan, |table| may |= table.may_widen());
    may
}

/// Whether a type in `plan` has changed since it was bound.
pub(crate) fn is_stale(plan: &LogicalPlan) -> bool {
    let mut stale = false;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(table) = source_as_provider(&scan.source)
        {
            stale |= is_changed(scan, table.as_ref());
        }
        Ok(if stale { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    stale
}

fn is_changed(scan: &TableScan, table: &dyn TableProvider) -> bool {
    let table = table as &dyn Any;
    if let Some(files) = table.downcast_ref::<FilesTable>() {
        return files.is_changed();
    }
    let Some(csv) = table.downcast_ref::<CsvTable>() else { return false };
    let now = csv.schema();
    let same = |field: &Arc<Field>| {
        now.field_with_name(field.name()).is_ok_and(|known| known.data_type() == field.data_type())
    };
    !scan.projected_schema.fields().iter().all(same)
}

/// `plan` over the types that its files have now.
pub(crate) fn refreshed(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let rebuilt = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) => {
            let TableScan { table_name, source, projection, filters, fetch, .. } = scan;
            let source = renewed(source)?;
            let scan = TableScanBuilder::new(table_name, source)
                .with_projection(projection)
                .with_filters(filters)
                .with_fetch(fetch)
                .build()?;
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        other => Ok(Transformed::yes(other.recompute_schema()?)),
    })?;
    Ok(rebuilt.data)
}

/// The table behind `source` with the types of its files now.
fn renewed(source: Arc<dyn TableSource>) -> Result<Arc<dyn TableSource>, DataFusionError> {
    let table = source_as_provider(&source)?;
    match (table.as_ref() as &dyn Any).downcast_ref::<FilesTable>() {
        Some(files) if files.is_changed() => {
            let renewed = files.renewed().map_err(|error| DataFusionError::External(Box::new(error)))?;
            Ok(provider_as_source(Arc::new(renewed)))
        }
        _ => Ok(source),
    }
}

/// Looks at all values of the files in `plan`, and tells what became of their columns.
pub(crate) async fn settle(plan: &LogicalPlan, threads: usize) -> Result<Vec<String>> {
    let mut tables = Vec::new();
    each_csv(plan, |table| {
        if table.may_widen() {
            tables.push(table.clone());
        }
    });
    let mut notes = Vec::new();
    for table in tables {
        notes.extend(blocking(move || settle_one(&table, threads)).await?);
    }
    Ok(notes)
}

fn settle_one(table: &CsvTable, threads: usize) -> Result<Option<String>> {
    let before = table.schema();
    if !table.settle(threads)? {
        return Ok(None);
    }
    Ok(Some(format!("{}: {}", table.file().path().display(), widened(&before, &table.schema()))))
}

fn widened(before: &Schema, after: &Schema) -> String {
    let changed = before.fields().iter().zip(after.fields()).filter(|(old, new)| old != new);
    let names: Vec<&str> = changed.map(|(field, _)| field.name().as_str()).collect();
    format!(
        "later values do not have the type of the first ones in {}, which is read with a wider type",
        names.join(", ")
    )
}

/// Runs what computes for long on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::new(ErrorCode::Internal, "looking at a file failed").with_source(error)))
}
