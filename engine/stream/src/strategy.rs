//! How a query runs: decided once, told by explain and by progress.

use std::collections::BTreeSet;

use velaria_connector::SinkDescription;
use velaria_contract::StreamStrategy;

use crate::operator::aggregate::{StateEstimate, estimate_state};
use crate::options::{ExecutionMode, StreamOptions, output_mode_name};
use crate::plan::{AggregateSpec, Node, NodeKind, StreamPlan};

/// What a step costs at least.
const STEP_COST: u64 = 64;
/// What state costs at least.
const STATE_COST: u64 = 256;

/// Why local workers can or cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eligibility {
    Eligible,
    /// Something comes after the aggregate.
    NotFinal,
    NoAggregate,
}

impl Eligibility {
    pub(crate) fn of(plan: &StreamPlan) -> Self {
        let aggregates = plan.nodes.iter().filter(|node| is_total(&node.kind)).count();
        // Steps without a line fit the rows to the sink; the statement does not know them.
        let last = plan.nodes.iter().rfind(|node| !node.lines.is_empty()).map(|node| &node.kind);
        match (aggregates, last) {
            (1, Some(NodeKind::Aggregate(spec))) if is_simple(spec) => Self::Eligible,
            (1, Some(NodeKind::Aggregate(_))) | (0, _) => Self::NoAggregate,
            _ => Self::NotFinal,
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Eligible => {
                "final stateful grouped aggregate with supported SUM/COUNT/MIN/MAX/AVG outputs is eligible for actor acceleration"
            }
            Self::NotFinal => "actor acceleration requires the aggregate hot path to be the final stream transform",
            Self::NoAggregate => "query plan is not eligible for actor acceleration",
        }
    }
}

/// Whether a step keeps totals.
fn is_total(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Aggregate(spec) if spec.stateful)
}

fn is_simple(spec: &AggregateSpec) -> bool {
    !spec.keys.is_empty() && !spec.aggregates.is_empty() && spec.aggregates.iter().all(|each| each.simple)
}

/// The number of threads that the aggregate of `plan` is spread over.
pub(crate) fn workers(plan: &StreamPlan, options: &StreamOptions) -> usize {
    let eligible = Eligibility::of(plan) == Eligibility::Eligible && options.shared_memory_transport;
    let workers = if eligible { options.workers() } else { 1 };
    let most = if options.max_inflight_partitions > 0 { options.max_inflight_partitions } else { workers };
    usize::try_from(workers.min(most)).unwrap_or(1).max(1)
}

/// The reason of the execution mode once the query has run a micro-batch.
pub(crate) fn reason_of_run(plan: &StreamPlan, options: &StreamOptions) -> String {
    let configured = "configured local-workers execution";
    match (options.execution_mode, Eligibility::of(plan)) {
        (ExecutionMode::SingleProcess, _) => "configured single-process execution".to_owned(),
        (ExecutionMode::LocalWorkers, Eligibility::Eligible) if workers(plan, options) > 1 => {
            format!("{configured}; using credit-based scheduling for the eligible grouped aggregate hot path")
        }
        (ExecutionMode::LocalWorkers, Eligibility::Eligible) if options.local_workers <= 1 => format!(
            "{configured}; using generic partition workers because credit acceleration requires local_workers > 1"
        ),
        (ExecutionMode::LocalWorkers, Eligibility::Eligible) => {
            format!("{configured}; using one thread because the options leave room for no more")
        }
        (ExecutionMode::LocalWorkers, _) => format!(
            "{configured}; using generic partition workers because the query plan is not eligible for credit acceleration"
        ),
    }
}

fn reason_of_plan(plan: &StreamPlan, options: &StreamOptions) -> String {
    let configured = "configured local-workers execution";
    match (options.execution_mode, Eligibility::of(plan)) {
        (ExecutionMode::SingleProcess, _) => "configured single-process execution".to_owned(),
        (ExecutionMode::LocalWorkers, Eligibility::Eligible) if workers(plan, options) > 1 => {
            format!("{configured}; credit-based scheduling is available for the eligible hot path")
        }
        (ExecutionMode::LocalWorkers, Eligibility::Eligible) if options.local_workers <= 1 => {
            format!("{configured}; credit acceleration requires local_workers > 1")
        }
        (ExecutionMode::LocalWorkers, _) => configured.to_owned(),
    }
}

/// The choices for `plan` with a sink, or without one for a query that is only explained.
#[must_use]
pub fn strategy(plan: &StreamPlan, sink: Option<&SinkDescription>, options: &StreamOptions) -> StreamStrategy {
    let stateful = plan.nodes.iter().any(|node| node.kind.is_stateful());
    let workers = options.workers();
    let states = states(plan);
    StreamStrategy {
        requested_mode: options.execution_mode.name().to_owned(),
        selected_mode: options.execution_mode.name().to_owned(),
        reason: reason_of_plan(plan, options),
        actor_eligible: Eligibility::of(plan) == Eligibility::Eligible,
        used_actor_runtime: false,
        transport_mode: "inproc".to_owned(),
        has_window: plan.nodes.iter().any(|node| matches!(node.kind, NodeKind::Window(_))),
        has_stateful_ops: stateful,
        sink_is_blocking: sink.is_some_and(|sink| sink.blocking),
        source_is_bounded: plan.inputs.iter().all(|input| input.table.description().bounded),
        estimated_state_size_bytes: states.iter().map(|state| state.key_bytes).sum(),
        estimated_batch_cost: plan_cost(plan),
        backpressure_max_queue_batches: options.max_inflight_batches.max(1),
        backpressure_high_watermark: options.backpressure_high_watermark,
        backpressure_low_watermark: options.backpressure_low_watermark,
        checkpoint_delivery_mode: options.checkpoint_delivery_mode.name().to_owned(),
        local_worker_count: workers,
        max_inflight_partitions: if options.max_inflight_partitions > 0 {
            options.max_inflight_partitions
        } else {
            workers
        },
        shared_memory_transport: options.shared_memory_transport,
        shared_memory_min_payload_bytes: options.shared_memory_min_payload_bytes,
        output_mode: output_mode_name(plan.output).to_owned(),
        state_class: state_class(&states),
    }
}

/// 64 for each step but the scans, and 256 for state.
pub(crate) fn plan_cost(plan: &StreamPlan) -> u64 {
    let steps: usize =
        plan.nodes.iter().filter(|node| !matches!(node.kind, NodeKind::Scan { .. })).map(|node| node.lines.len()).sum();
    let state = if plan.nodes.iter().any(|node| node.kind.is_stateful()) { STATE_COST } else { 0 };
    STEP_COST * (steps as u64).max(1) + state
}

/// What the state of each group by in `plan` is.
fn states(plan: &StreamPlan) -> Vec<StateEstimate> {
    let of_node = |node: &Node| {
        let NodeKind::Aggregate(spec) = &node.kind else { return None };
        let input = plan.nodes.get(*node.inputs.first()?)?;
        // What cannot be told here is the error of the query when it starts.
        estimate_state(spec, &input.schema).ok()
    };
    plan.nodes.iter().filter(|node| node.kind.is_stateful()).filter_map(of_node).collect()
}

fn state_class(states: &[StateEstimate]) -> String {
    let classes: BTreeSet<&str> = states.iter().flat_map(|state| state.class.split(',')).collect();
    if classes.is_empty() { "none".to_owned() } else { Vec::from_iter(classes).join(",") }
}
