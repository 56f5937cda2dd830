//! The choices made for a stream query: the `strategy` section of its explain, and the part of its progress that does not
//! change while it runs.

use serde::{Deserialize, Serialize};

macro_rules! strategy {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty,)+) => {
        /// How a stream query runs.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct StreamStrategy {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl StreamStrategy {
            /// The lines of the section, in the order of the contract.
            #[must_use]
            pub fn lines(&self) -> Vec<String> {
                vec![$(format!(concat!(stringify!($field), "={}"), self.$field),)+]
            }
        }
    };
}

strategy! {
    /// The execution mode that was asked for.
    requested_mode: String,
    /// The execution mode that is used.
    selected_mode: String,
    /// Why, in words.
    reason: String,
    /// Whether the plan can be spread over local workers by key.
    actor_eligible: bool,
    /// Whether local workers are used; said by progress once the query runs.
    used_actor_runtime: bool,
    /// How rows travel between operators.
    transport_mode: String,
    /// Whether rows are assigned to windows.
    has_window: bool,
    /// Whether an operator keeps state between micro-batches.
    has_stateful_ops: bool,
    /// Whether the sink may make the query wait.
    sink_is_blocking: bool,
    /// Whether every source ends.
    source_is_bounded: bool,
    /// The bytes that one key of the state will take; progress tells the bytes that are taken.
    estimated_state_size_bytes: u64,
    /// 64 for each operator, and 256 for state.
    estimated_batch_cost: u64,
    /// The room of the queue in micro-batches.
    backpressure_max_queue_batches: u64,
    /// The number of micro-batches at which backpressure is said to be active.
    backpressure_high_watermark: u64,
    /// The number of micro-batches at which a waiting source goes on.
    backpressure_low_watermark: u64,
    /// What a restart promises.
    checkpoint_delivery_mode: String,
    /// The number of local workers.
    local_worker_count: u64,
    /// The most partitions that local workers have at a time.
    max_inflight_partitions: u64,
    /// Whether local workers may read the same memory.
    shared_memory_transport: bool,
    /// Below this many bytes a micro-batch is not spread over local workers.
    shared_memory_min_payload_bytes: u64,
    /// What is emitted after a micro-batch: `update`, `complete`, `append` or `changelog`.
    output_mode: String,
    /// How the state of the aggregates is kept: `none`, `columnar`, `resident` or both, separated by a comma.
    state_class: String,
}
