//! What a plan emits after a micro-batch, and whether it can: windows are final only when event time is watched.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use velaria_connector::EmissionKind;
use velaria_contract::{Error, ErrorCode, Result};
use velaria_stream::{Input, Node, NodeKind, StreamOptions, WindowSpec};

/// The emission of a plan; what an option asks for may not be possible.
pub(super) fn emission(options: &StreamOptions, nodes: &[Node], inputs: &[Input]) -> Result<EmissionKind> {
    let groups: Vec<_> = nodes
        .iter()
        .filter_map(|node| match &node.kind {
            NodeKind::Aggregate(spec) => Some(spec),
            _ => None,
        })
        .collect();
    let needs_groups = |mode: &str| {
        Err(Error::new(ErrorCode::InvalidStatement, format!("output_mode '{mode}' requires GROUP BY"))
            .with_hint("rows without groups never change: leave output_mode out"))
    };
    match (options.output_mode, groups.is_empty()) {
        (EmissionKind::Complete, true) => needs_groups("complete"),
        (EmissionKind::Changelog, true) => needs_groups("changelog"),
        (EmissionKind::Append | EmissionKind::Update, true) => Ok(EmissionKind::Append),
        (EmissionKind::Append, false) => {
            let windowed = groups.iter().all(|spec| spec.window.is_some());
            let watched = inputs.iter().any(|input| input.watermark.is_some());
            match (windowed, watched) {
                (true, true) => check_event_times(nodes, inputs).map(|()| EmissionKind::Append),
                (false, _) => {
                    Err(Error::new(ErrorCode::InvalidStatement, "output_mode 'append' requires a window in GROUP BY")
                        .with_hint("a group is final when its window is closed: WINDOW BY … AS w … GROUP BY w"))
                }
                (true, false) => Err(Error::new(
                    ErrorCode::InvalidStatement,
                    "output_mode 'append' requires a watermark",
                )
                .with_hint(
                    "set watermark_column and watermark_delay_ms: a window is closed when the watermark passes its end",
                )),
            }
        }
        (mode, false) if groups.iter().any(|spec| !spec.stateful) && mode != EmissionKind::Update => {
            Err(Error::new(ErrorCode::InvalidStatement, "totals of one micro-batch have output_mode 'update' only"))
        }
        (mode, false) => Ok(mode),
    }
}

/// The watermark that closes a window has to be that of the times that open it.
fn check_event_times(nodes: &[Node], inputs: &[Input]) -> Result<()> {
    for node in nodes {
        let (NodeKind::Window(window), Some(below)) = (&node.kind, node.inputs.first()) else { continue };
        let times = origins(nodes, *below, window.time_column);
        for index in inputs_below(nodes, *below) {
            let Some(input) = inputs.get(index) else { continue };
            match &input.watermark {
                Some(watched) if times.contains(&(index, watched.column)) => {}
                Some(watched) => return Err(other_time(window, input, watched.column)),
                None => return Err(unwatched(window, input)),
            }
        }
    }
    Ok(())
}

fn other_time(window: &WindowSpec, input: &Input, watched: usize) -> Error {
    let schema = input.table.description().schema;
    let watched = schema.fields().get(watched).map_or("", |field| field.name());
    let message = format!(
        "output_mode 'append' requires a watermark of {}, that of {} is {watched}",
        window.time_name, input.name
    );
    Error::new(ErrorCode::InvalidStatement, message)
        .with_hint("watermark_column names the column that WINDOW BY takes its time from")
}

fn unwatched(window: &WindowSpec, input: &Input) -> Error {
    let message =
        format!("output_mode 'append' requires a watermark of {}, and {} has none", window.time_name, input.name);
    Error::new(ErrorCode::InvalidStatement, message)
        .with_hint("watermark_column names a column of each stream that the windows are made of")
}

/// The inputs whose rows reach `node`.
fn inputs_below(nodes: &[Node], node: usize) -> BTreeSet<usize> {
    match nodes.get(node) {
        Some(Node { kind: NodeKind::Scan { input, .. }, .. }) => BTreeSet::from([*input]),
        Some(node) => node.inputs.iter().flat_map(|below| inputs_below(nodes, *below)).collect(),
        None => BTreeSet::new(),
    }
}

/// The columns of inputs that the values of a column are made of.
fn origins(nodes: &[Node], node: usize, column: usize) -> BTreeSet<(usize, usize)> {
    let Some(node) = nodes.get(node) else { return BTreeSet::new() };
    let below = |column: usize| -> BTreeSet<(usize, usize)> {
        node.inputs.iter().flat_map(|below| origins(nodes, *below, column)).collect()
    };
    let width =
        |below: Option<&usize>| below.and_then(|below| nodes.get(*below)).map_or(0, |node| node.schema.fields().len());
    let computed = |expr: Option<&Arc<dyn PhysicalExpr>>| {
        let columns = expr.map(collect_columns).unwrap_or_default();
        columns.into_iter().flat_map(|column| below(column.index())).collect()
    };
    match &node.kind {
        NodeKind::Scan { input, projection } => {
            projection.get(column).map(|column| (*input, *column)).into_iter().collect()
        }
        NodeKind::Project(exprs) => computed(exprs.get(column)),
        NodeKind::Aggregate(spec) => computed(spec.keys.get(column)),
        NodeKind::Window(window) if column == width(node.inputs.first()) => below(window.time_column),
        NodeKind::Join(join) => match join.output.get(column) {
            Some(column) if *column < width(node.inputs.first()) => below(*column),
            _ => BTreeSet::new(),
        },
        NodeKind::Window(_)
        | NodeKind::Filter(_)
        | NodeKind::Union
        | NodeKind::Limit { .. }
        | NodeKind::Sort { .. } => below(column),
    }
}
