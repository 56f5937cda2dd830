//! What a checkpoint belongs to: the parts of a query that must be the same for its state to mean the same.

use arrow::datatypes::Schema;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;
use velaria_connector::SinkDescription;

use crate::checkpoint::Identity;
use crate::options::output_mode_name;
use crate::plan::{AggregateSpec, NodeKind, StreamPlan};

/// The named parts of the identity of `plan`.
pub(crate) fn identity(plan: &StreamPlan, sink: &SinkDescription) -> Identity {
    let mut parts = vec![("engine".to_owned(), engine())];
    for input in &plan.inputs {
        let schema = columns(&input.table.description().schema);
        parts.push((format!("columns of {}", input.name), schema));
        let watermark = input.watermark.as_ref();
        let watermark =
            watermark.map_or("none".to_owned(), |spec| format!("column {} delay {}", spec.column, spec.delay_ms));
        parts.push((format!("watermark of {}", input.name), watermark));
    }
    parts.push(("output mode".to_owned(), output_mode_name(plan.output).to_owned()));
    parts.push(("sink".to_owned(), sink.name.clone()));
    for (index, node) in plan.nodes.iter().enumerate() {
        parts.push((format!("step {}", index + 1), step(&node.kind, &node.schema)));
    }
    Identity { parts }
}

/// State is that of DataFusion's accumulators: another version may keep it in another way.
fn engine() -> String {
    format!("velaria {} on DataFusion {}", env!("CARGO_PKG_VERSION"), datafusion::DATAFUSION_VERSION)
}

fn step(kind: &NodeKind, output: &Schema) -> String {
    let exprs =
        |exprs: &[Arc<dyn PhysicalExpr>]| exprs.iter().map(|expr| expr.to_string()).collect::<Vec<_>>().join(", ");
    let says = match kind {
        NodeKind::Scan { input, projection } => format!("input {input} columns {projection:?}"),
        NodeKind::Filter(predicate) => predicate.to_string(),
        NodeKind::Project(columns) => exprs(columns),
        NodeKind::Window(spec) => {
            format!("column {} every {} slide {}", spec.time_column, spec.every_ms, spec.slide_ms)
        }
        NodeKind::Join(join) => {
            format!("{:?} on {} = {}", join.join_type, exprs(&join.stream_keys), exprs(&join.table_keys))
        }
        NodeKind::Aggregate(spec) => aggregate(spec),
        NodeKind::Union => String::new(),
        NodeKind::Limit { skip, fetch } => format!("skip {skip} fetch {fetch:?}"),
        NodeKind::Sort { scope, by, fetch } => {
            format!("{scope:?} {} fetch {fetch:?}", by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{} {says} -> {}", kind.name(), columns(output))
}

fn aggregate(spec: &AggregateSpec) -> String {
    let keys: Vec<String> = spec.keys.iter().map(|key| key.to_string()).collect();
    let of = |each: &crate::plan::Aggregate| {
        let state = each.function.state_fields().unwrap_or_default();
        let state: Vec<String> = state.iter().map(|field| field.data_type().to_string()).collect();
        let filter = each.filter.as_ref().map_or(String::new(), |filter| format!(" filter {filter}"));
        let arguments: Vec<String> = each.function.expressions().iter().map(|expr| expr.to_string()).collect();
        let distinct = if each.function.is_distinct() { "distinct " } else { "" };
        format!(
            "{}({distinct}{}){filter} state [{}]",
            each.function.fun().name(),
            arguments.join(", "),
            state.join(", ")
        )
    };
    let aggregates: Vec<String> = spec.aggregates.iter().map(of).collect();
    format!("keys [{}] aggregates [{}]", keys.join(", "), aggregates.join(", "))
}

fn columns(schema: &Schema) -> String {
    let columns: Vec<String> =
        schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    columns.join(", ")
}
