//! What has to hold for a pair besides equal keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use velaria_contract::Result;

use super::internal;
use super::pairs::Pairs;
use super::picked::{Picked, Side};
use crate::error::{from_arrow, from_datafusion};

/// A condition over columns of both sides.
pub(super) struct Condition {
    expression: Arc<dyn PhysicalExpr>,
    /// The columns that it asks for: no others are put together for a pair.
    columns: Vec<Side>,
    schema: SchemaRef,
}

impl Condition {
    pub(super) fn new(filter: &Arc<dyn PhysicalExpr>, stream: &SchemaRef, table: &SchemaRef) -> Result<Self> {
        let wanted: BTreeSet<usize> = collect_columns(filter).iter().map(Column::index).collect();
        let wanted: Vec<usize> = wanted.into_iter().collect();
        let width = stream.fields().len();
        let side = |index: &usize| if *index < width { Side::Stream(*index) } else { Side::Table(*index - width) };
        let both: Vec<_> = stream.fields().iter().chain(table.fields()).cloned().collect();
        let fields: Option<Vec<_>> = wanted.iter().map(|index| both.get(*index).cloned()).collect();
        let fields = fields.ok_or_else(|| internal("a condition of a join asks for a column that is not there"))?;
        let expression = renumbered(filter, &wanted)?;
        Ok(Self { expression, columns: wanted.iter().map(side).collect(), schema: Arc::new(Schema::new(fields)) })
    }

    /// Drops the pairs for which the condition is not true.
    pub(super) fn retain(&self, batch: &RecordBatch, table: &RecordBatch, pairs: &mut Pairs) -> Result<()> {
        if pairs.len() == 0 {
            return Ok(());
        }
        let picked = Picked::new(batch, table, &pairs.stream, &pairs.table);
        let columns = self.columns.iter().map(|side| picked.column(*side)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.len()));
        let rows =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(from_arrow)?;
        let value = self.expression.evaluate(&rows).and_then(|value| value.into_array(pairs.len()));
        let value = value.map_err(from_datafusion)?;
        let keep = as_boolean_array(&value).map_err(from_datafusion)?;
        pairs.retain(|pair| keep.is_valid(pair) && keep.value(pair));
        Ok(())
    }
}

/// The same expression over the columns of `wanted` alone.
fn renumbered(expression: &Arc<dyn PhysicalExpr>, wanted: &[usize]) -> Result<Arc<dyn PhysicalExpr>> {
    let renumber = |expression: Arc<dyn PhysicalExpr>| {
        let Some(column) = expression.downcast_ref::<Column>() else { return Ok(Transformed::no(expression)) };
        // Every column is among those that were collected.
        let index = wanted.binary_search(&column.index()).unwrap_or_else(|index| index);
        Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
    };
    Arc::clone(expression).transform_down(renumber).data().map_err(from_datafusion)
}
