//! CSV files.
//!
//! A file is looked at when it is opened ([`file`], [`sample`]) and read when it is scanned ([`scan`]): a feed hands out
//! pieces of text with whole records, an index finds their fields, and only the columns that are wanted are decoded.

mod batch;
mod column;
mod dialect;
mod fault;
mod feed;
mod file;
mod infer;
mod late;
mod record;
mod rejects;
mod rows;
mod sample;
mod scan;
pub(crate) mod sniff;
mod structure;
mod value;

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use velaria_contract::Result;

use self::batch::{Filter, Wanted};
pub use self::dialect::{BadRows, CSV_OPTIONS, CsvOptions, DateOrder, Dialect, OnTypeError};
use self::file::{CsvFile, Typed};
pub use self::late::LateType;
pub use self::rejects::RejectsTable;
pub(crate) use self::rows::{CsvPattern, CsvRejects};
use self::scan::{CsvExec, projected};
use crate::listing::external;
use crate::{FileAccess, LocalFile};

/// From this size on a file is read by several threads.
const SHARED_BYTES_MIN: u64 = 1 << 20;

/// A table that reads one CSV file.
#[derive(Debug, Clone)]
pub struct CsvTable {
    file: Arc<CsvFile>,
}

/// Opens a CSV file. Its head, and records at a few places behind it, tell how it is written and the types of its columns.
///
/// # Errors
/// Those of [`LocalFile::open`]; `VEL-2006` for a column name that stands twice in the header; `VEL-5001`, `VEL-5002`
/// with the line when the head of the file cannot be read.
pub async fn open_csv(state: &dyn Session, path: &str, options: &CsvOptions) -> Result<CsvTable> {
    let file = CsvFile::open(&FileAccess::of(state.config_options())?, path, options)?;
    Ok(CsvTable { file: Arc::new(file) })
}

impl CsvTable {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &LocalFile {
        self.file.local()
    }

    /// How the file is written.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.file.rules().dialect
    }

    /// What a user should know about how the file was read.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.file.notes()
    }

    /// The records that are left out of this table; `None` unless the options say that bad rows are collected.
    #[must_use]
    pub fn rejects(&self) -> Option<RejectsTable> {
        file::collects(&self.file).then(|| RejectsTable::new(Arc::clone(&self.file)))
    }

    /// Whether a value that was not looked at yet could give a column a wider type.
    #[must_use]
    pub fn may_widen(&self) -> bool {
        let typed = self.file.typed();
        let can = |column: &batch::Column| {
            column.on_misfit == OnTypeError::Widen && !matches!(column.kind, column::Kind::Text)
        };
        !typed.is_final && typed.columns.iter().any(can)
    }

    /// Looks at all values of the file and gives its columns the types that hold them. Tells whether a type changed.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn settle(&self, threads: usize) -> Result<bool> {
        sample::settle(&self.file, threads)
    }

    /// Reads the column called `name` as text from now on, unless its type was given.
    pub(crate) fn make_text(&self, name: &str) {
        self.file.make_text(name);
    }

    fn wanted(
        &self,
        state: &dyn Session,
        typed: &Typed,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> DataFusionResult<Wanted> {
        let columns = projection.cloned().unwrap_or_else(|| (0..typed.columns.len()).collect());
        let schema = projected(&typed.schema, &columns)?;
        let filter = filters.iter().cloned().reduce(Expr::and);
        let filter = filter.map(|filter| physical_filter(state, &typed.schema, filter)).transpose()?;
        Ok(Wanted { schema, columns, filter, batch_rows: state.config().batch_size().max(1) })
    }
}

fn physical_filter(state: &dyn Session, schema: &SchemaRef, filter: Expr) -> DataFusionResult<Filter> {
    let table = datafusion::common::DFSchema::try_from(Arc::clone(schema))?;
    let predicate: Arc<dyn PhysicalExpr> = state.create_physical_expr(filter, &table)?;
    let mut columns: Vec<usize> = collect_columns(&predicate).iter().map(|column| column.index()).collect();
    columns.sort_unstable();
    let schema = projected(schema, &columns)?;
    Ok(Filter { predicate: reassign_expr_columns(predicate, &schema)?, columns, schema })
}

/// Whether a condition cannot fail, so that it may be computed before other conditions.
fn is_simple(expr: &Expr) -> bool {
    let comparable = |expr: &Expr| matches!(expr, Expr::Column(_) | Expr::Literal(..));
    match expr {
        Expr::BinaryExpr(binary) if matches!(binary.op, Operator::And | Operator::Or) => {
            is_simple(&binary.left) && is_simple(&binary.right)
        }
        Expr::BinaryExpr(binary) => {
            binary.op.supports_propagation() && comparable(&binary.left) && comparable(&binary.right)
        }
        Expr::Not(inner) => is_simple(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => comparable(inner),
        Expr::InList(list) => comparable(&list.expr) && list.list.iter().all(comparable),
        Expr::Between(between) => [&between.expr, &between.low, &between.high].into_iter().all(|part| comparable(part)),
        _ => false,
    }
}

/// The condition that the rows of a scan of a CSV file have to fulfil.
#[must_use]
pub fn csv_filter(plan: &dyn ExecutionPlan) -> Option<&Arc<dyn PhysicalExpr>> {
    (plan as &dyn Any).downcast_ref::<CsvExec>()?.predicate()
}

/// The types of the columns of a CSV file in the words of SQL, and what a user should know about them.
pub(crate) fn look(access: &FileAccess, path: &str, options: &CsvOptions) -> Result<(Vec<String>, Vec<String>)> {
    let file = CsvFile::open(access, path, options)?;
    let types = file.typed().columns.iter().map(|column| column.kind.word()).collect();
    Ok((types, file.notes()))
}

/// `plan` with its rows in the order of the file, when it is a scan of a CSV file by several threads.
#[must_use]
pub fn csv_in_order(plan: &dyn ExecutionPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let scan = (plan as &dyn Any).downcast_ref::<CsvExec>()?.in_order()?;
    Some(Arc::new(scan))
}

#[async_trait]
impl TableProvider for CsvTable {
    fn schema(&self) -> SchemaRef {
        self.file.typed().schema
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        self.file.local().check().map_err(external)?;
        let typed = self.file.typed();
        let wanted = self.wanted(state, &typed, projection, filters)?;
        let layout = self.file.layout(Arc::clone(&typed.columns));
        let threads = match self.file.local().bytes() {
            bytes if bytes < SHARED_BYTES_MIN => 1,
            _ => state.config().target_partitions(),
        };
        Ok(Arc::new(CsvExec::new(Arc::clone(&self.file), layout, wanted, limit, threads)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match is_simple(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }
}
