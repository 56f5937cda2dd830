//! What the rows of a table have to keep, besides the types of its columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;

/// The declared rules of one table.
#[derive(Debug, Default)]
pub struct TableRules {
    /// The keys, in the order of their declaration.
    pub keys: Vec<KeyRule>,
    /// The conditions that no row may make false.
    pub checks: Vec<Check>,
    /// The values of columns that a statement leaves out, by column.
    pub defaults: BTreeMap<String, Expr>,
    /// The defaults as they were written, by column.
    pub default_texts: BTreeMap<String, String>,
}

/// Columns whose values together may stand in a table once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// What made the key.
    pub kind: KeyKind,
    /// The positions of its columns in the table.
    pub columns: Vec<usize>,
}

/// What made a key. Rows that hold NULL in a column of a key are equal to no other row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// `PRIMARY KEY`, whose columns are NOT NULL.
    Primary,
    /// `UNIQUE`.
    Unique,
    /// `CREATE UNIQUE INDEX` of this name.
    Index(String),
}

/// A condition over the columns of one row.
#[derive(Debug)]
pub struct Check {
    /// The condition as it was written.
    pub text: String,
    /// The condition over the columns of the table.
    pub predicate: Arc<dyn PhysicalExpr>,
}

impl Check {
    /// Whether no row of `batch` makes the condition false; unknown is not false.
    pub(super) fn holds(&self, batch: &RecordBatch) -> DataFusionResult<bool> {
        let values = self.predicate.evaluate(batch)?.into_array(batch.num_rows())?;
        let values = match values.data_type() {
            DataType::Boolean => values,
            _ => arrow::compute::cast(&values, &DataType::Boolean)?,
        };
        Ok(!values.as_boolean().iter().any(|value| value == Some(false)))
    }
}
