//! What a run has done, counted as it goes.

use std::time::Duration;

use arrow::array::RecordBatch;
use velaria_contract::StreamingQueryProgress;

use crate::checkpoint::CommitHead;
use crate::driver::Times;
use crate::driver::feed::Feed;
use crate::options::ExecutionMode;
use crate::pipeline::{Passed, Totals};
use crate::plan::StreamPlan;
use crate::query::Control;
use crate::strategy::{self, plan_cost, strategy};
use crate::watermark::Watermark;

/// The counters of a run. The fields of progress that the run knows of are kept in place; those of the queue are asked for.
pub(crate) struct Tally {
    progress: StreamingQueryProgress,
    workers: usize,
    reason_of_run: String,
    /// Micro-batches of this run.
    processed_now: u64,
    late_rows_before: u64,
    payload_bytes: u64,
    rows_now: u64,
    compute: Duration,
    overhead: Duration,
    /// The end of the micro-batch before.
    last_end: Option<Duration>,
    plan_cost: u64,
}

/// The progress of a query that has not run.
pub(crate) fn initial(plan: &StreamPlan, control: &Control) -> StreamingQueryProgress {
    let options = &control.options;
    let strategy = strategy(plan, Some(&control.sink.description()), options);
    StreamingQueryProgress {
        query_id: control.id.clone(),
        status: "created".to_owned(),
        requested_execution_mode: strategy.requested_mode,
        execution_mode: strategy.selected_mode,
        execution_reason: strategy.reason,
        transport_mode: strategy.transport_mode,
        checkpoint_delivery_mode: strategy.checkpoint_delivery_mode,
        actor_eligible: strategy.actor_eligible,
        has_stateful_ops: strategy.has_stateful_ops,
        has_window: strategy.has_window,
        sink_is_blocking: strategy.sink_is_blocking,
        source_is_bounded: strategy.source_is_bounded,
        estimated_partitions: 1,
        estimated_state_size_bytes: strategy.estimated_state_size_bytes,
        estimated_batch_cost: strategy.estimated_batch_cost,
        backpressure_max_queue_batches: strategy.backpressure_max_queue_batches,
        backpressure_high_watermark: strategy.backpressure_high_watermark,
        backpressure_low_watermark: strategy.backpressure_low_watermark,
        ..StreamingQueryProgress::default()
    }
}

impl Tally {
    pub(crate) fn new(plan: &StreamPlan, control: &Control, workers: usize) -> Self {
        Self {
            progress: initial(plan, control),
            workers,
            reason_of_run: strategy::reason_of_run(plan, &control.options),
            processed_now: 0,
            late_rows_before: 0,
            payload_bytes: 0,
            rows_now: 0,
            compute: Duration::ZERO,
            overhead: Duration::ZERO,
            last_end: None,
            plan_cost: plan_cost(plan),
        }
    }

    /// Goes on with the counters of a checkpoint.
    pub(crate) fn restore(&mut self, head: &CommitHead, warning: Option<String>) {
        let (own, kept) = (&mut self.progress, &head.progress);
        // Micro-batches that waited when the query ended are taken again.
        own.batches_pulled = kept.batches_processed;
        own.batches_processed = kept.batches_processed;
        own.last_source_offset.clone_from(&kept.last_source_offset);
        own.input_rows = kept.input_rows;
        own.output_rows = kept.output_rows;
        own.late_rows = kept.late_rows;
        self.late_rows_before = kept.late_rows;
        own.projected_payload_bytes = kept.projected_payload_bytes;
        own.estimated_partitions = kept.estimated_partitions;
        own.epoch = head.epoch;
        own.watermark_ms = head.watermark_ms;
        own.restored_from_epoch = Some(head.epoch);
        own.last_warning = warning;
    }

    /// What users should know about how the checkpoint was read.
    pub(crate) fn warn(&mut self, warning: Option<String>) {
        self.progress.last_warning = warning;
    }

    /// Micro-batches that are written, over all runs.
    pub(crate) fn processed(&self) -> u64 {
        self.progress.batches_processed
    }

    /// Micro-batches that this run has written.
    pub(crate) fn processed_now(&self) -> u64 {
        self.processed_now
    }

    pub(crate) fn opened_status(&self) -> &'static str {
        if self.progress.restored_from_epoch.is_some() { "restored" } else { "running" }
    }

    /// The status of a run that waits: `restored` until its first micro-batch.
    pub(crate) fn waiting_status(&self) -> &'static str {
        if self.processed_now == 0 { self.opened_status() } else { "running" }
    }

    /// A micro-batch came.
    pub(crate) fn take(&mut self, batch: &RecordBatch) {
        let rows = batch.num_rows() as u64;
        self.progress.input_rows += rows;
        self.rows_now += rows;
        let cells = rows * batch.num_columns() as u64;
        self.progress.estimated_batch_cost = self.progress.estimated_batch_cost.max(self.plan_cost).max(cells);
    }

    /// The rows of an epoch are written. `offset` is given when a micro-batch came, and not time alone.
    pub(crate) fn wrote(
        &mut self,
        epoch: u64,
        passed: &Passed,
        offset: Option<String>,
        times: Times,
        totals: Totals,
        watermark: &Watermark,
    ) {
        let own = &mut self.progress;
        own.epoch = epoch;
        own.watermark_ms = watermark.current_ms();
        own.output_rows += passed.batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        own.last_batch_latency_ms = millis(times.written.saturating_sub(times.begun));
        own.last_sink_latency_ms = millis(times.written.saturating_sub(times.operators_done));
        own.last_state_latency_ms = millis(passed.state_time);
        if let Some(offset) = offset {
            own.batches_processed += 1;
            self.processed_now += 1;
            own.last_source_offset = offset;
            own.projected_payload_bytes = own.projected_payload_bytes.max(passed.payload_bytes);
            self.payload_bytes += passed.payload_bytes;
        }
        self.compute += times.operators_done.saturating_sub(times.begun);
        let before = self.last_end.map_or(Duration::ZERO, |end| times.begun.saturating_sub(end));
        self.overhead += before + times.written.saturating_sub(times.operators_done);
        self.last_end = Some(times.written);
        self.count(totals);
    }

    /// The state that the operators hold.
    pub(crate) fn hold(&mut self, totals: &Totals) {
        let own = &mut self.progress;
        own.state_rows = totals.state_rows;
        own.state_bytes = totals.state_bytes;
        if own.has_stateful_ops && totals.state_rows > 0 {
            own.estimated_state_size_bytes = totals.state_bytes;
        }
    }

    fn count(&mut self, totals: Totals) {
        self.hold(&totals);
        let own = &mut self.progress;
        own.late_rows = self.late_rows_before + totals.counts.late_rows;
        let spread = self.workers > 1;
        own.used_actor_runtime = spread;
        own.used_shared_memory = spread;
        own.transport_mode = if spread { "shared-memory" } else { "inproc" }.to_owned();
        if own.execution_mode == ExecutionMode::LocalWorkers.name() && self.processed_now <= 1 {
            own.execution_reason.clone_from(&self.reason_of_run);
        }
        own.actor_speedup = match totals.counts.worker_wall_nanos {
            0 => 1.0,
            wall => ratio(totals.counts.worker_nanos, wall),
        };
        own.compute_to_overhead_ratio = ratio(nanos(self.compute), nanos(self.overhead));
        own.sampled_batches = self.processed_now;
        if let Some(average) = self.rows_now.checked_div(self.processed_now) {
            own.sampled_rows_per_batch = average;
            own.average_projected_payload_bytes = self.payload_bytes / self.processed_now;
        }
    }

    /// An epoch is committed.
    pub(crate) fn committed(&mut self, took: Duration, bytes: u64) {
        self.progress.checkpoint_ms = millis(took);
        self.progress.checkpoint_bytes = bytes;
        self.overhead += took;
    }

    /// The progress at this moment.
    pub(crate) fn progress(&self, feed: &Feed, status: &str) -> StreamingQueryProgress {
        let counts = feed.counts();
        let notes = feed.notes();
        let status = if status == "running" && counts.active { "backpressure" } else { status };
        let own = &self.progress;
        StreamingQueryProgress {
            status: status.to_owned(),
            batches_pulled: counts.pulled,
            blocked_count: counts.blocked,
            max_backlog_batches: counts.max_backlog,
            inflight_batches: counts.inflight,
            inflight_partitions: counts.inflight_partitions,
            backpressure_active: counts.active,
            estimated_partitions: own.estimated_partitions.max(counts.partitions_max),
            bad_rows: notes.bad_rows,
            skipped_files: notes.skipped_files,
            last_warning: notes.warning.or_else(|| own.last_warning.clone()),
            ..own.clone()
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `of / to`; 0 when there is nothing to compare with, and never infinite.
fn ratio(of: u64, to: u64) -> f64 {
    if to == 0 { 0.0 } else { of as f64 / to as f64 }
}
