//! Rows in the order of their file.
//!
//! Several threads read one file, and whichever is first with its part hands it out. Where nothing above the scan mixes rows
//! anyway, users expect them in the order in which they stand in the file, so such scans keep it.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use velaria_connector::csv_in_order;

/// The operators that hand rows on as they come, one by one, from their only input.
const KEEPING: [&str; 6] =
    ["ProjectionExec", "FilterExec", "CooperativeExec", "CoalesceBatchesExec", "GlobalLimitExec", "LocalLimitExec"];
/// The operators that only bring parts together, or spread them.
const MIXING: [&str; 2] = ["CoalescePartitionsExec", "RepartitionExec"];

/// `plan`, with the rows in the order of the file when it is a simple query over one.
pub(crate) fn in_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(ordered(&plan)?.unwrap_or(plan))
}

/// `plan`, with partitions whose rows follow each other as those of its tables do, where that can be.
pub(crate) fn in_sequence(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    match ordered(&plan)? {
        Some(ordered) => Ok(ordered),
        None => undealt(plan),
    }
}

/// `plan` without the exchange that deals batches out to partitions.
fn undealt(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(exchange) = plan.downcast_ref::<RepartitionExec>()
        && matches!(exchange.partitioning(), Partitioning::RoundRobinBatch(_))
    {
        return undealt(Arc::clone(exchange.input()));
    }
    match plan.children()[..] {
        [input] if KEEPING.contains(&plan.name()) && plan.fetch().is_none() => {
            let input = undealt(Arc::clone(input))?;
            replace_children_if_necessary(plan, vec![input])
        }
        _ => Ok(plan),
    }
}

fn ordered(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = csv_in_order(plan.as_ref()) {
        return Ok(Some(scan));
    }
    let [input] = plan.children()[..] else { return Ok(None) };
    let (keeps, mixes) = (KEEPING.contains(&plan.name()), MIXING.contains(&plan.name()));
    if !keeps && !mixes {
        return Ok(None);
    }
    let Some(input) = ordered(input)? else { return Ok(None) };
    Ok(Some(match plan.fetch() {
        Some(_) if mixes => Arc::new(GlobalLimitExec::new(input, 0, plan.fetch())),
        None if mixes => input,
        _ => replace_children_if_necessary(Arc::clone(plan), vec![input])?,
    }))
}
