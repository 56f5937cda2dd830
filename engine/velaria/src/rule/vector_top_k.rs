//! `ORDER BY` of a distance to a constant, with a `LIMIT`, as a search for the nearest vectors.
//!
//! No correction but a shorter way: the rows are the same, in the same order, and equal values in the order of the input.
//! Upstream computes the distance of every row and sorts; the search proves of most rows that they are too far.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use velaria_vector::{Queries, VectorColumn};

use crate::function::vector::{Nearer, VectorFunction, constant};
use crate::in_order::in_sequence;
use crate::vector_top_k::{Form, Search, VectorTopKExec};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SearchVectors;

impl PhysicalOptimizerRule for SearchVectors {
    fn name(&self) -> &'static str {
        "search_vectors"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|node| match sorted(&node).map(searched).transpose()?.flatten() {
            Some(search) => Ok(Transformed::yes(search)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }
}

/// The first rows of an input, by one value.
struct Sorted<'a> {
    order: PhysicalSortExpr,
    rows: usize,
    input: &'a Arc<dyn ExecutionPlan>,
}

/// What `plan` does, if it is a sort with a limit, of one partition or of all of them.
fn sorted(plan: &Arc<dyn ExecutionPlan>) -> Option<Sorted<'_>> {
    if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() {
        let sort = merge.input().downcast_ref::<SortExec>()?;
        let rows = merge.fetch()?.min(sort.fetch()?);
        return one_key(sort, rows).filter(|_| sort.expr() == merge.expr());
    }
    let sort = plan.downcast_ref::<SortExec>()?;
    let whole = plan.properties().output_partitioning().partition_count() == 1;
    one_key(sort, sort.fetch()?).filter(|_| whole)
}

fn one_key(sort: &SortExec, rows: usize) -> Option<Sorted<'_>> {
    match &sort.expr()[..] {
        [order] => Some(Sorted { order: order.clone(), rows, input: sort.input() }),
        _ => None,
    }
}

/// The search that gives the same rows, below the projections of the sort: they compute the value for the few rows that are
/// left.
fn searched(sorted: Sorted<'_>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Sorted { mut order, rows, mut input } = sorted;
    let mut projections = Vec::new();
    loop {
        if let Some(projection) = input.downcast_ref::<ProjectionExec>() {
            order.expr = below(&order.expr, projection)?;
            projections.push(input);
            input = projection.input();
        } else if let Some(all) = input.downcast_ref::<CoalescePartitionsExec>()
            && all.fetch().is_none()
        {
            input = all.input();
        } else {
            break;
        }
    }
    let Some(search) = search(&order, rows, &input.schema())? else { return Ok(None) };
    let found: Arc<dyn ExecutionPlan> = Arc::new(VectorTopKExec::new(in_sequence(Arc::clone(input))?, search));
    let above = projections
        .into_iter()
        .rev()
        .try_fold(found, |input, projection| replace_children_if_necessary(Arc::clone(projection), vec![input]));
    above.map(Some)
}

/// `expr`, which reads what `projection` gives, over what it takes.
fn below(expr: &Arc<dyn PhysicalExpr>, projection: &ProjectionExec) -> Result<Arc<dyn PhysicalExpr>> {
    Arc::clone(expr)
        .transform_up(|part| {
            let taken = part.downcast_ref::<Column>().and_then(|column| projection.expr().get(column.index()));
            Ok(taken.map(|taken| Transformed::yes(Arc::clone(&taken.expr))).unwrap_or_else(|| Transformed::no(part)))
        })
        .data()
}

/// The search in the place of `order`, if it is a distance between vectors of `schema` and a constant, the nearest first.
fn search(order: &PhysicalSortExpr, rows: usize, schema: &Schema) -> Result<Option<Search>> {
    let Some(call) = order.expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
    let function = call.fun().inner().downcast_ref::<VectorFunction>();
    let Some((metric, nearer)) = function.and_then(VectorFunction::measure).and_then(|measure| measure.searched())
    else {
        return Ok(None);
    };
    let [left, right] = call.args() else { return Ok(None) };
    let (vectors, query) = if left.is::<Literal>() { (right, left) } else { (left, right) };
    let stored = vectors.data_type(schema)?;
    let Some(query) = query.downcast_ref::<Literal>().filter(|_| VectorColumn::accepts(&stored)) else {
        return Ok(None);
    };
    // An order of the farthest rows, an empty query and one that is not finite stay what they are.
    let nearest_first = order.options.descending == (nearer == Nearer::Greater);
    let queries = constant(query.value(), &stored)?.and_then(|query| Queries::one(query).ok());
    Ok(queries.filter(|_| nearest_first && rows > 0).map(|queries| {
        let form = Form::Sorted(order.clone());
        Search { vectors: Arc::clone(vectors), queries, metric, top_k: rows, form }
    }))
}
