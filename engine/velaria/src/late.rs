//! Plans over files whose columns can still get wider types.
//!
//! The types of a CSV file are those of the records that were looked at. When a later value does not fit, the file is
//! looked at as a whole, its column gets a wider type, and the query is planned again and starts again; the rows of a
//! query all have the same types. That needs the plan as it was bound, before casts were put in for the first types.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use velaria_connector::CsvTable;
use velaria_contract::{Error, ErrorCode, Result};

/// Calls `visit` for every scan of a CSV file in `plan`.
fn each_csv(plan: &LogicalPlan, mut visit: impl FnMut(&TableScan, &CsvTable)) {
    // The closure never fails, so neither does the walk.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(table) = source_as_provider(&scan.source)
            && let Some(csv) = (table.as_ref() as &dyn Any).downcast_ref::<CsvTable>()
        {
            visit(scan, csv);
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// Whether a type in `plan` may change.
pub(crate) fn may_widen(plan: &LogicalPlan) -> bool {
    let mut may = false;
    each_csv(plan, |_, table| may |= table.may_widen());
    may
}

/// Whether a type in `plan` has changed since it was bound.
pub(crate) fn is_stale(plan: &LogicalPlan) -> bool {
    let mut stale = false;
    each_csv(plan, |scan, table| {
        let now = table.schema();
        let same = |field: &Arc<arrow::datatypes::Field>| {
            now.field_with_name(field.name()).is_ok_and(|known| known.data_type() == field.data_type())
        };
        stale |= !scan.projected_schema.fields().iter().all(same);
    });
    stale
}

/// `plan` over the types that its files have now.
pub(crate) fn refreshed(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let rebuilt = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) => {
            let TableScan { table_name, source, projection, filters, fetch, .. } = scan;
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

/// Looks at all values of the files in `plan`, and tells what became of their columns.
pub(crate) async fn settle(plan: &LogicalPlan, threads: usize) -> Result<Vec<String>> {
    let mut tables = Vec::new();
    each_csv(plan, |_, table| {
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
