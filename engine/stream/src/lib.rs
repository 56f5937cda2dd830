//! The streaming kernel: micro-batches through operators with state, committed as one with the offsets of their sources.
//!
//! Invariant: this crate never parses SQL, reads no clock but [`velaria_contract::Clock`], and touches durable files through
//! [`velaria_connector::DurableFs`] only.

mod accumulator;
mod backpressure;
mod changelog;
mod checkpoint;
mod driver;
mod error;
mod explain;
mod identity;
mod operator;
mod options;
mod pipeline;
mod plan;
mod progress;
mod query;
mod state;
mod strategy;
mod watermark;
mod window;

// The public interface.
pub use checkpoint::{CheckpointStore, CommitCheck, CommitHead, Committed, FORMAT_VERSION, Identity, Recovered};
pub use error::ErrorTranslator;
pub use explain::explain;
pub use operator::aggregate::{AggregateSettings, StateEstimate, aggregate, estimate_state};
pub use operator::join::join as join_operator;
pub use operator::window::window as window_operator;
pub use operator::{Counts, MicroBatch, Operator, OperatorState, StateFrame};
pub use options::{DeliveryMode, ExecutionMode, OPTIONS, OptionEntry, StreamOptions, output_mode_name};
pub use plan::{
    Aggregate, AggregateSpec, Input, Node, NodeKind, SortScope, StreamPlan, TableJoin, TableReader, WatermarkSpec,
    WindowSpec,
};
pub use query::{Environment, ProgressWatch, StreamingQuery, Syncing, Watched};
pub use strategy::strategy;
pub use watermark::Watermark;
pub use window::{
    MAX_WINDOWS_PER_ROW, check_window, event_times_ms, max_event_time_ms, window_end_ms, window_start_ms, window_type,
};
