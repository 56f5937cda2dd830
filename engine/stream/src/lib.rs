//! The streaming kernel: micro-batches through operators with state, committed as one with the offsets of their sources.
//!
//! Invariant: this crate never parses SQL, reads no clock but [`velaria_contract::Clock`], and touches durable files through
//! [`velaria_connector::DurableFs`] only.

mod accumulator;
mod checkpoint;
mod error;
mod operator;
mod options;
mod plan;
mod state;

// The public interface.
pub use checkpoint::CommitHead;
pub use operator::aggregate::{AggregateSettings, StateEstimate, aggregate, estimate_state};
pub use operator::{Counts, MicroBatch, Operator, OperatorState, StateFrame};
pub use options::{DeliveryMode, ExecutionMode, OPTIONS, OptionEntry, StreamOptions, output_mode_name};
pub use plan::{
    Aggregate, AggregateSpec, Input, Node, NodeKind, StreamPlan, TableJoin, TableReader, WatermarkSpec, WindowSpec,
};
