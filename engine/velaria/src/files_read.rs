//! The files that a plan reads, and how far it is with them.

use std::any::Any;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use velaria_connector::{CsvTable, DecodedTable, FileTable, FilesTable, LocalFile};

use crate::plan::search_function::SearchTable;

/// Files, with what had been read of each before.
#[derive(Debug, Default)]
pub(crate) struct FilesRead {
    files: Vec<(LocalFile, u64)>,
    /// Whether there is a file whose bytes nobody counts.
    has_uncounted: bool,
}

impl FilesRead {
    /// Adds the files of the scans of `plan`.
    pub(crate) fn add(&mut self, plan: &LogicalPlan) {
        let visited = plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Ok(table) = source_as_provider(&scan.source)
            {
                self.add_table(&table);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        self.has_uncounted |= visited.is_err();
    }

    fn add_table(&mut self, table: &Arc<dyn TableProvider>) {
        let table = table.as_ref() as &dyn Any;
        if let Some(files) = table.downcast_ref::<FilesTable>() {
            return files.tables().for_each(|table| self.add_table(table));
        }
        if let Some(search) = table.downcast_ref::<SearchTable>() {
            return self.add(search.searched());
        }
        // DataFusion reads what it needs of them, whose size nobody knows; the rows are known instead.
        self.has_uncounted |= table.downcast_ref::<FileTable>().is_some();
        let file = (table.downcast_ref::<CsvTable>().map(CsvTable::file))
            .or_else(|| table.downcast_ref::<DecodedTable>().map(DecodedTable::file));
        self.files.extend(file.map(|file| (file.clone(), file.read_bytes())));
    }

    /// How many bytes have been read.
    pub(crate) fn bytes(&self) -> u64 {
        // The same file may be read more often than was thought.
        self.files.iter().map(|(file, before)| file.read_bytes().saturating_sub(*before).min(file.bytes())).sum()
    }

    /// How many bytes there are, where they are all counted.
    pub(crate) fn bytes_total(&self) -> Option<u64> {
        let is_known = !self.files.is_empty() && !self.has_uncounted;
        is_known.then(|| self.files.iter().map(|(file, _)| file.bytes()).sum())
    }
}
