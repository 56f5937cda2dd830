//! Cuts batches where an operator makes much more of a row than it was given.
//!
//! A batch of 8,192 rows is small, unless each row is given a text of a megabyte or is unnested to a million rows. Such
//! operators get shorter batches: their results stay small, and there is a batch at which the query can be stopped.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};

/// Constants up to this size are not worth cutting for.
const CONSTANT_BYTES_MIN: usize = 64 << 10;
/// About as much as the constants of one batch may come to.
const CONSTANT_BYTES_MAX: usize = 16 << 20;
/// About as many rows as unnesting may make of one batch.
const UNNESTED_ROWS_MAX: i64 = 64 << 10;

/// `node` with shorter batches as its input, if it makes much of a row.
pub(crate) fn with_short_input(node: Arc<dyn ExecutionPlan>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let Some(cut) = cut_for(node.as_ref())? else { return Ok(node) };
    let shorten = |input: &Arc<dyn ExecutionPlan>| -> Arc<dyn ExecutionPlan> {
        let split = SplitExec { input: Arc::clone(input), cut: cut.clone() };
        Arc::new(CooperativeExec::new(Arc::new(split)))
    };
    let inputs = node.children().into_iter().map(shorten).collect();
    replace_children_if_necessary(node, inputs)
}

/// Where a batch is cut.
#[derive(Debug, Clone)]
enum Cut {
    /// After this many rows.
    Rows(usize),
    /// When the lists of these columns hold enough elements.
    Elements(Vec<usize>),
}

fn cut_for(node: &dyn ExecutionPlan) -> DataFusionResult<Option<Cut>> {
    if let Some(unnest) = (node as &dyn Any).downcast_ref::<UnnestExec>() {
        let lists = unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect();
        return Ok(Some(Cut::Elements(lists)));
    }
    let mut bytes = 0;
    node.apply_expressions(&mut |expr| {
        bytes += constant_bytes(expr)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok((bytes >= CONSTANT_BYTES_MIN).then(|| Cut::Rows((CONSTANT_BYTES_MAX / bytes).max(1))))
}

fn constant_bytes(expr: &Arc<dyn PhysicalExpr>) -> DataFusionResult<usize> {
    let mut bytes = 0;
    expr.apply(|node| {
        if let Some(literal) = (node.as_ref() as &dyn Any).downcast_ref::<Literal>() {
            bytes += literal.value().size();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(bytes)
}

impl Cut {
    fn apply(&self, batch: &RecordBatch) -> DataFusionResult<VecDeque<RecordBatch>> {
        let rows = batch.num_rows();
        let parts: Vec<Range<usize>> = match self {
            Self::Rows(most) => (0..rows).step_by(*most).map(|start| start..rows.min(start + most)).collect(),
            Self::Elements(columns) => by_elements(&elements(batch, columns)?),
        };
        match parts.as_slice() {
            [] | [_] => Ok(VecDeque::from([batch.clone()])),
            parts => Ok(parts.iter().map(|part| batch.slice(part.start, part.len())).collect()),
        }
    }
}

/// How many rows each row of `batch` becomes.
fn elements(batch: &RecordBatch, columns: &[usize]) -> DataFusionResult<Vec<i64>> {
    let mut longest = vec![1; batch.num_rows()];
    for column in columns.iter().filter_map(|column| batch.columns().get(*column)) {
        if !matches!(column.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) {
            continue;
        }
        let lengths = cast(&length(column)?, &DataType::Int64)?;
        let lengths = lengths.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default);
        longest.iter_mut().zip(lengths).for_each(|(most, length)| *most = length.max(*most));
    }
    Ok(longest)
}

fn by_elements(elements: &[i64]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut sum) = (0, 0_i64);
    for (row, length) in elements.iter().enumerate() {
        if sum > 0 && sum.saturating_add(*length) > UNNESTED_ROWS_MAX {
            parts.push(start..row);
            (start, sum) = (row, 0);
        }
        sum = sum.saturating_add(*length);
    }
    parts.push(start..elements.len());
    parts
}

/// An operator that cuts the batches of its input and changes nothing else.
#[derive(Debug)]
struct SplitExec {
    input: Arc<dyn ExecutionPlan>,
    cut: Cut,
}

impl DisplayAs for SplitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SplitExec")
    }
}

impl ExecutionPlan for SplitExec {
    fn name(&self) -> &'static str {
        "SplitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self { input, cut: self.cut.clone() }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        Ok(Box::pin(SplitStream { input, cut: self.cut.clone(), parts: VecDeque::new() }))
    }
}

struct SplitStream {
    input: SendableRecordBatchStream,
    cut: Cut,
    parts: VecDeque<RecordBatch>,
}

impl Stream for SplitStream {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Poll::Ready(Some(Ok(part)));
            }
            match ready!(self.input.poll_next_unpin(task)) {
                Some(Ok(batch)) => self.parts = self.cut.apply(&batch)?,
                other => return Poll::Ready(other),
            }
        }
    }
}

impl RecordBatchStream for SplitStream {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_number_of_elements_and_keep_every_row() {
        assert_eq!(by_elements(&[1, 1, 1]), vec![0..3]);
        assert_eq!(by_elements(&[UNNESTED_ROWS_MAX, 1, 1]), vec![0..1, 1..3]);
        assert_eq!(by_elements(&[i64::MAX, i64::MAX]), vec![0..1, 1..2]);
        assert_eq!(by_elements(&[0, 0]), vec![0..2]);
    }
}
