//! What a stream query has done so far: one struct, the same in Python's `progress()`, in `snapshot_json()` and in
//! `progress.jsonl`.
//!
//! The first 37 fields are the contract; later ones are only appended. `snapshot_json` prints the same fields with
//! `checkpoint_delivery_mode` as the last of the 37, as it always did.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::{Result, json};

macro_rules! progress {
    (
        before { $($(#[doc = $before_doc:literal])+ $before:ident: $before_type:ty,)+ }
        moved { $(#[doc = $moved_doc:literal])+ $moved:ident: $moved_type:ty, }
        after { $($(#[doc = $after_doc:literal])+ $after:ident: $after_type:ty,)+ }
        appended { $($(#[doc = $new_doc:literal])+ $new:ident: $new_type:ty,)+ }
    ) => {
        /// The state of a stream query at one moment.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct StreamingQueryProgress {
            $($(#[doc = $before_doc])+ pub $before: $before_type,)+
            $(#[doc = $moved_doc])+ pub $moved: $moved_type,
            $($(#[doc = $after_doc])+ pub $after: $after_type,)+
            $($(#[doc = $new_doc])+ pub $new: $new_type,)+
        }

        impl StreamingQueryProgress {
            /// The names of the fields, in the order of `progress()`.
            pub const FIELDS: &'static [&'static str] = &[
                $(stringify!($before),)+ stringify!($moved), $(stringify!($after),)+ $(stringify!($new),)+
            ];
            /// How many of [`Self::FIELDS`] are the fixed part of the contract.
            pub const CONTRACT_FIELDS: usize =
                [$(stringify!($before),)+ stringify!($moved), $(stringify!($after),)+].len();
        }

        /// The fields in the order of `snapshot_json`.
        struct Snapshot<'a>(&'a StreamingQueryProgress);

        impl Serialize for Snapshot<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(StreamingQueryProgress::FIELDS.len()))?;
                $(map.serialize_entry(stringify!($before), &self.0.$before)?;)+
                $(map.serialize_entry(stringify!($after), &self.0.$after)?;)+
                map.serialize_entry(stringify!($moved), &self.0.$moved)?;
                $(map.serialize_entry(stringify!($new), &self.0.$new)?;)+
                map.end()
            }
        }
    };
}

progress! {
    before {
        /// `stream-query-` and a number that is unique in the process.
        query_id: String,
        /// `created`, `running`, `backpressure`, `restored`, `stopped` or `failed`.
        status: String,
        /// The execution mode that was asked for.
        requested_execution_mode: String,
        /// The execution mode that is used.
        execution_mode: String,
        /// Why, in words.
        execution_reason: String,
        /// How rows travel between operators: `inproc` or `shared-memory`.
        transport_mode: String,
    }
    moved {
        /// `at-least-once`, `best-effort` or `exactly-once`.
        checkpoint_delivery_mode: String,
    }
    after {
        /// Micro-batches taken from the sources, over all restarts from one checkpoint.
        batches_pulled: u64,
        /// Micro-batches whose rows are written, over all restarts from one checkpoint.
        batches_processed: u64,
        /// How often a source had to wait for room in the queue.
        blocked_count: u64,
        /// The largest number of micro-batches in the queue right after one was added.
        max_backlog_batches: u64,
        /// Micro-batches in the queue now.
        inflight_batches: u64,
        /// Partitions of the micro-batches in the queue now.
        inflight_partitions: u64,
        /// Milliseconds from the first operator to the end of the sink's write, for the last micro-batch.
        last_batch_latency_ms: f64,
        /// The part of that which the sink took.
        last_sink_latency_ms: f64,
        /// The part of that which the operators with state took.
        last_state_latency_ms: f64,
        /// The offset of the last micro-batch that is written; of several sources a JSON object.
        last_source_offset: String,
        /// Whether the queue is above its high mark and not yet below its low mark.
        backpressure_active: bool,
        /// Whether the plan can be spread over local workers by key.
        actor_eligible: bool,
        /// Whether the last micro-batch was spread over local workers.
        used_actor_runtime: bool,
        /// Whether local workers read the same memory.
        used_shared_memory: bool,
        /// Whether an operator keeps state between micro-batches.
        has_stateful_ops: bool,
        /// Whether rows are assigned to windows.
        has_window: bool,
        /// Whether the sink may make the query wait.
        sink_is_blocking: bool,
        /// Whether every source ends.
        source_is_bounded: bool,
        /// The largest number of partitions of a micro-batch so far.
        estimated_partitions: u64,
        /// The largest number of bytes of a micro-batch that reached the operators with state, or the sink.
        projected_payload_bytes: u64,
        /// Micro-batches that the averages below are taken over.
        sampled_batches: u64,
        /// The average number of rows of a micro-batch.
        sampled_rows_per_batch: u64,
        /// The average of `projected_payload_bytes`.
        average_projected_payload_bytes: u64,
        /// The working time of local workers over the time that passed; 1 in one process, 0 before the first micro-batch.
        actor_speedup: f64,
        /// The time in operators over the time around them (queue, sink, checkpoint); 0 before the first micro-batch.
        compute_to_overhead_ratio: f64,
        /// The bytes of the operators' state; before the first micro-batch the bytes that one key will take.
        estimated_state_size_bytes: u64,
        /// The larger of 64 for each operator, with 256 for state, and the rows times columns of a micro-batch.
        estimated_batch_cost: u64,
        /// The room of the queue in micro-batches.
        backpressure_max_queue_batches: u64,
        /// The number of micro-batches at which backpressure is said to be active.
        backpressure_high_watermark: u64,
        /// The number of micro-batches at which a waiting source goes on.
        backpressure_low_watermark: u64,
    }
    appended {
        /// The number of the last micro-batch that is committed, from 1; 0 before the first.
        epoch: u64,
        /// The event time in milliseconds up to which all rows are expected to be there.
        watermark_ms: Option<i64>,
        /// Rows that came after all of their windows were closed.
        late_rows: u64,
        /// Rows of state: keys that are kept.
        state_rows: u64,
        /// Bytes of state in memory.
        state_bytes: u64,
        /// Bytes that the last commit wrote.
        checkpoint_bytes: u64,
        /// Milliseconds that the last commit took.
        checkpoint_ms: f64,
        /// Rows taken from the sources.
        input_rows: u64,
        /// Rows given to the sink.
        output_rows: u64,
        /// The epoch that this run went on from; `None` when it began anew.
        restored_from_epoch: Option<u64>,
        /// What users should know about how the checkpoint was read or a source changed.
        last_warning: Option<String>,
        /// Why the query failed, with its code.
        last_error: Option<String>,
        /// Malformed rows that a source set aside.
        bad_rows: u64,
        /// Files that a source passed over because they had changed.
        skipped_files: u64,
    }
}

impl StreamingQueryProgress {
    /// The progress as one line of JSON without a newline, in the order of `snapshot_json`.
    ///
    /// # Errors
    /// `VEL-9001` when it cannot be written.
    pub fn snapshot_json(&self) -> Result<String> {
        let mut text = json::to_line(&Snapshot(self))?;
        text.truncate(text.trim_end().len());
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_projections_have_the_same_fields_and_the_contract_has_37() {
        let progress = StreamingQueryProgress::default();
        let dict: serde_json::Map<String, serde_json::Value> =
            serde_json::from_value(serde_json::to_value(&progress).unwrap()).unwrap();
        let snapshot: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&progress.snapshot_json().unwrap()).unwrap();
        let keys = |map: &serde_json::Map<String, serde_json::Value>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(StreamingQueryProgress::CONTRACT_FIELDS, 37);
        assert_eq!(keys(&dict), StreamingQueryProgress::FIELDS);
        assert_eq!(keys(&snapshot)[36], "checkpoint_delivery_mode");
        let (mut left, mut right) = (keys(&dict), keys(&snapshot));
        left.sort();
        right.sort();
        assert_eq!(left, right);
    }
}
