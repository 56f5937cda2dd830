//! What a checkpoint says about itself: the keys of the contract, as JSON.
//!
//! It is derived from a commit for people and golden files; a query is never restored from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::StreamingQueryProgress;

/// The last commit of a stream query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointManifest {
    /// Micro-batches taken from the sources.
    pub batches_pulled: u64,
    /// Micro-batches whose rows are written.
    pub batches_processed: u64,
    /// How often a source had to wait.
    pub blocked_count: u64,
    /// The largest backlog.
    pub max_backlog_batches: u64,
    /// The offset of the last micro-batch that is written.
    pub last_source_offset: String,
    /// The execution mode that was asked for.
    pub requested_execution_mode: String,
    /// The execution mode that is used.
    pub execution_mode: String,
    /// Why, in words.
    pub execution_reason: String,
    /// How rows travel between operators.
    pub transport_mode: String,
    /// The bytes of the operators' state.
    pub estimated_state_size_bytes: u64,
    /// What a micro-batch costs.
    pub estimated_batch_cost: u64,
    /// The room of the queue.
    pub backpressure_max_queue_batches: u64,
    /// The high mark of the queue.
    pub backpressure_high_watermark: u64,
    /// The low mark of the queue.
    pub backpressure_low_watermark: u64,
    /// What a restart promises.
    pub checkpoint_delivery_mode: String,
    /// The version of the files of the checkpoint.
    pub format_version: u32,
    /// The number of the commit.
    pub epoch: u64,
    /// The offset of each source.
    pub offsets: BTreeMap<String, String>,
    /// The event time up to which rows are complete.
    pub watermark_ms: Option<i64>,
    /// Rows that came too late.
    pub late_rows: u64,
    /// The plan that the checkpoint belongs to.
    pub plan_fingerprint: String,
}

impl CheckpointManifest {
    /// The part of the manifest that progress tells.
    #[must_use]
    pub fn of(progress: &StreamingQueryProgress) -> Self {
        Self {
            batches_pulled: progress.batches_pulled,
            batches_processed: progress.batches_processed,
            blocked_count: progress.blocked_count,
            max_backlog_batches: progress.max_backlog_batches,
            last_source_offset: progress.last_source_offset.clone(),
            requested_execution_mode: progress.requested_execution_mode.clone(),
            execution_mode: progress.execution_mode.clone(),
            execution_reason: progress.execution_reason.clone(),
            transport_mode: progress.transport_mode.clone(),
            estimated_state_size_bytes: progress.estimated_state_size_bytes,
            estimated_batch_cost: progress.estimated_batch_cost,
            backpressure_max_queue_batches: progress.backpressure_max_queue_batches,
            backpressure_high_watermark: progress.backpressure_high_watermark,
            backpressure_low_watermark: progress.backpressure_low_watermark,
            checkpoint_delivery_mode: progress.checkpoint_delivery_mode.clone(),
            format_version: 0,
            epoch: progress.epoch,
            offsets: BTreeMap::new(),
            watermark_ms: progress.watermark_ms,
            late_rows: progress.late_rows,
            plan_fingerprint: String::new(),
        }
    }
}
