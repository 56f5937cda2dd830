//! The streaming kernel: micro-batches through operators with state, committed as one with the offsets of their sources.
//!
//! Invariant: this crate never parses SQL, reads no clock but [`velaria_contract::Clock`], and touches durable files through
//! [`velaria_connector::DurableFs`] only.

mod checkpoint;
mod operator;
mod options;
mod plan;

// The public interface.
pub use checkpoint::{CheckpointStore, CommitHead, Committed, FORMAT_VERSION, Identity, Recovered};
pub use operator::{Counts, MicroBatch, Operator, OperatorState, StateFrame};
pub use options::{DeliveryMode, ExecutionMode, OPTIONS, OptionEntry, StreamOptions, output_mode_name};
pub use plan::{
    Aggregate, AggregateSpec, Input, Node, NodeKind, StreamPlan, TableJoin, TableReader, WatermarkSpec, WindowSpec,
};
