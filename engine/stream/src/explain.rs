//! What a stream query will do, in the three sections of the contract. Nothing is opened and nothing is read.

use velaria_connector::SinkDescription;
use velaria_contract::StreamExplain;

use crate::options::StreamOptions;
use crate::plan::{Node, NodeKind, StreamPlan};
use crate::strategy::{Eligibility, strategy};

/// One numbered line of `logical`, with what `physical` says of it.
struct Step<'a> {
    text: &'a str,
    node: &'a Node,
    /// Whether this line is that of the node itself, and not of a column that it computes first.
    own: bool,
}

/// Explains `plan`, with the name of the sink that it is written to.
#[must_use]
pub fn explain(plan: &StreamPlan, sink: Option<(&str, &SinkDescription)>, options: &StreamOptions) -> StreamExplain {
    let strategy = strategy(plan, sink.map(|(_, description)| description), options);
    let steps = steps(plan);
    let mut logical = vec![format!("source={}", plan.view)];
    logical.extend(sink.map(|(name, _)| format!("sink={name}")));
    logical.extend(steps.iter().enumerate().map(|(index, step)| format!("{}. {}", index + 1, step.text)));
    let eligibility = Eligibility::of(plan);
    let prefix = steps.iter().take_while(|step| step.node.kind.is_partition_local()).count();
    let mut physical = vec![
        format!("has_window={}", strategy.has_window),
        format!("has_stateful_ops={}", strategy.has_stateful_ops),
        format!("partition_local_prefix_nodes={prefix}"),
        format!("actor_eligible={}", strategy.actor_eligible),
        format!("actor_eligibility_reason={}", eligibility.reason()),
    ];
    physical.extend(steps.iter().enumerate().map(|(index, step)| format!("{}. {}", index + 1, physical_line(step))));
    StreamExplain { logical, physical, strategy }
}

fn steps(plan: &StreamPlan) -> Vec<Step<'_>> {
    fn of_node(node: &Node) -> impl Iterator<Item = Step<'_>> {
        let last = node.lines.len().saturating_sub(1);
        node.lines.iter().enumerate().map(move |(index, text)| Step { text, node, own: index == last })
    }
    plan.nodes.iter().flat_map(of_node).collect()
}

fn physical_line(step: &Step<'_>) -> String {
    let kind = &step.node.kind;
    // A projection that computes says `WithColumn` for each column first.
    let name = match (step.own, kind) {
        (true, _) | (false, NodeKind::Scan { .. }) => step.text.split(' ').next().unwrap_or(kind.name()),
        (false, _) => "WithColumn",
    };
    let stateful = if kind.is_stateful() { " stateful=true" } else { "" };
    format!("{name} partition_local={}{stateful}", kind.is_partition_local())
}
