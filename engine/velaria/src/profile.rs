//! What the operators of a plan did, read from their metrics once it has run.

use std::fmt;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};
use velaria_contract::{OperatorProfile, Profile};

use crate::words::sql_words;

/// The profile of `plan`, which ran for `elapsed` and gave `batches`.
pub(crate) fn profile(plan: &dyn ExecutionPlan, batches: &[RecordBatch], elapsed: Duration) -> Profile {
    let mut operators = Vec::new();
    add(plan, None, &mut operators);
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    Profile { elapsed_ms: milliseconds(elapsed), rows, operators }
}

fn add(plan: &dyn ExecutionPlan, parent: Option<usize>, operators: &mut Vec<OperatorProfile>) {
    // What makes joins give way computes nothing itself, and is no operator of the plan that `EXPLAIN` shows.
    let parent = if plan.name() == "CooperativeExec" {
        parent
    } else {
        let id = operators.len();
        operators.push(operator(plan, id, parent));
        Some(id)
    };
    plan.children().into_iter().for_each(|child| add(child.as_ref(), parent, operators));
}

fn operator(plan: &dyn ExecutionPlan, id: usize, parent: Option<usize>) -> OperatorProfile {
    let metrics = plan.metrics();
    let metrics = metrics.as_ref();
    let nanos = metrics.and_then(MetricsSet::elapsed_compute).and_then(|nanos| u64::try_from(nanos).ok());
    OperatorProfile {
        id,
        parent,
        name: plan.name().to_owned(),
        detail: detail(plan),
        output_rows: count(metrics.and_then(MetricsSet::output_rows)),
        elapsed_ms: nanos.map(Duration::from_nanos).map(milliseconds),
        spilled_bytes: count(metrics.and_then(MetricsSet::spilled_bytes)),
        memory_bytes: count(metrics.and_then(memory)),
    }
}

fn count(value: Option<usize>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

/// The most that each partition kept, added up.
fn memory(metrics: &MetricsSet) -> Option<usize> {
    metrics.sum(|metric| matches!(metric.value(), MetricValue::PeakMemoryUsage { .. })).map(|peak| peak.as_usize())
}

/// The words of the operator for itself, without its name.
fn detail(plan: &dyn ExecutionPlan) -> String {
    let text = Words(plan).to_string();
    sql_words(text.strip_prefix(plan.name()).unwrap_or(&text).trim_start_matches([':', ' ']).trim_end())
}

struct Words<'a>(&'a dyn ExecutionPlan);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as(DisplayFormatType::Default, f)
    }
}

/// With three digits: the clock does not tell more.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
