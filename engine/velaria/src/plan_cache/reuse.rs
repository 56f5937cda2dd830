//! Which plans can be kept, which can run again, and which may run on the thread of their caller.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use crate::plan_cache::slot::SlotScan;
use crate::vector_top_k::VectorTopKExec;

/// Whether every function of `plan` gives the same result for the same arguments at any time: the optimizer may have put
/// its value into the plan.
pub(crate) fn is_repeatable(plan: &LogicalPlan) -> bool {
    let mut repeatable = true;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                repeatable &= is_immutable(part);
                Ok(go_on_while(repeatable))
            })
        })?;
        Ok(go_on_while(repeatable))
    });
    visited.is_ok() && repeatable
}

fn is_immutable(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
        Expr::AggregateFunction(call) => call.func.signature().volatility == Volatility::Immutable,
        // Values that a session or a caller puts in later.
        Expr::ScalarVariable(..) | Expr::Placeholder(_) => false,
        _ => true,
    }
}

/// Whether copies of `plan` can be executed: its operators keep nothing that [`super::slot::filled`] does not renew.
/// A list of those that were read for it, so that a new operator is planned each time until somebody has looked.
pub(crate) fn is_reusable(plan: &dyn ExecutionPlan) -> bool {
    let known = plan.is::<SlotScan>()
        || plan.is::<PlaceholderRowExec>()
        || plan.is::<EmptyExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<AggregateExec>()
        || plan.is::<SortExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<VectorTopKExec>();
    known && plan.children().into_iter().all(|child| is_reusable(child.as_ref()))
}

/// Whether `plan` takes a short time for a few rows: it makes no more rows than it gets, in one partition, and calls no
/// function that may take or return more than in proportion to its arguments.
pub(crate) fn is_brief(plan: &dyn ExecutionPlan) -> bool {
    is_reusable(plan) && brief_expressions(plan)
}

fn brief_expressions(plan: &dyn ExecutionPlan) -> bool {
    let input = plan.children().first().map_or_else(|| plan.schema(), |child| child.schema());
    let mut brief = plan.properties().output_partitioning().partition_count() == 1;
    let visited = plan.apply_expressions(&mut |expr| {
        expr.apply(|part| {
            brief &= is_brief_call(part.as_ref(), &input)?;
            Ok(go_on_while(brief))
        })
    });
    visited.is_ok() && brief && plan.children().into_iter().all(|child| brief_expressions(child.as_ref()))
}

/// From numbers to a number: nothing else is known about a function here, and `repeat` is a function too.
fn is_brief_call(expr: &dyn PhysicalExpr, input: &Schema) -> DataFusionResult<bool> {
    let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else { return Ok(true) };
    for argument in call.args() {
        if !is_fixed_width(&argument.data_type(input)?) {
            return Ok(false);
        }
    }
    Ok(is_fixed_width(call.return_type()))
}

fn is_fixed_width(data_type: &DataType) -> bool {
    data_type.primitive_width().is_some() || matches!(data_type, DataType::Boolean | DataType::Null)
}

fn go_on_while(condition: bool) -> TreeNodeRecursion {
    if condition { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop }
}
