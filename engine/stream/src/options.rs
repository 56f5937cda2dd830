//! The options of a stream query: one list for Python keywords, SQL `OPTIONS` and documentation.

use std::time::Duration;

use velaria_connector::EmissionKind;
use velaria_contract::{Error, ErrorCode, Result};

/// What a restart promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Nothing is lost and totals are right; rows written after the last commit may be written again.
    #[default]
    AtLeastOnce,
    /// The same without waiting for the disk: what a power failure takes is gone.
    BestEffort,
    /// Every row is seen once in a transactional sink.
    ExactlyOnce,
}

/// Where the operators with state run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExecutionMode {
    /// On the query's own thread.
    #[default]
    SingleProcess,
    /// Spread by key over threads.
    LocalWorkers,
}

/// How a stream query runs. [`OPTIONS`] says what each option means.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are documented in OPTIONS, by the same names")]
pub struct StreamOptions {
    pub trigger_interval_ms: u64,
    pub checkpoint_path: String,
    pub checkpoint_delivery_mode: DeliveryMode,
    pub execution_mode: ExecutionMode,
    pub local_workers: u64,
    pub max_inflight_partitions: u64,
    pub max_inflight_batches: u64,
    pub max_queued_partitions: u64,
    pub backpressure_high_watermark: u64,
    pub backpressure_low_watermark: u64,
    pub idle_wait_ms: u64,
    pub max_retained_windows: u64,
    pub shared_memory_transport: bool,
    pub shared_memory_min_payload_bytes: u64,
    pub output_mode: EmissionKind,
    pub watermark_column: Option<String>,
    pub watermark_delay_ms: u64,
    pub allowed_lateness_ms: u64,
    pub idle_timeout_ms: Option<u64>,
    pub max_state_bytes: Option<u64>,
    pub checkpoint_interval_ms: u64,
    pub accept_duplicates: bool,
    pub max_batches: u64,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            trigger_interval_ms: 1000,
            checkpoint_path: String::new(),
            checkpoint_delivery_mode: DeliveryMode::default(),
            execution_mode: ExecutionMode::default(),
            local_workers: 1,
            max_inflight_partitions: 0,
            max_inflight_batches: 2,
            max_queued_partitions: 8,
            backpressure_high_watermark: 2,
            backpressure_low_watermark: 1,
            idle_wait_ms: 100,
            max_retained_windows: 0,
            shared_memory_transport: true,
            shared_memory_min_payload_bytes: 65_536,
            output_mode: EmissionKind::Update,
            watermark_column: None,
            watermark_delay_ms: 0,
            allowed_lateness_ms: 0,
            idle_timeout_ms: None,
            max_state_bytes: None,
            checkpoint_interval_ms: 0,
            accept_duplicates: false,
            max_batches: 0,
        }
    }
}

/// An option as users see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionEntry {
    /// Its name, in Python and in SQL.
    pub name: &'static str,
    /// Its value unless it is given, as text.
    pub default: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

const fn entry(name: &'static str, default: &'static str, meaning: &'static str) -> OptionEntry {
    OptionEntry { name, default, meaning }
}

/// Every option.
pub const OPTIONS: [OptionEntry; 23] = [
    entry("trigger_interval_ms", "1000", "The pause after each micro-batch that was taken from a source."),
    entry("checkpoint_path", "", "The folder of the checkpoint; without one nothing survives the process."),
    entry("checkpoint_delivery_mode", "at-least-once", "`at-least-once`, `best-effort` or `exactly-once`."),
    entry("execution_mode", "single-process", "`single-process` or `local-workers`."),
    entry("local_workers", "1", "The number of threads that keys are spread over, with `local-workers`."),
    entry("max_inflight_partitions", "0", "The most partitions that workers have at a time; 0 is one for each worker."),
    entry("max_inflight_batches", "2", "The room of the queue between source and operators, in micro-batches."),
    entry("max_queued_partitions", "8", "The room of the queue in partitions."),
    entry("backpressure_high_watermark", "2", "The number of queued micro-batches at which backpressure is active."),
    entry("backpressure_low_watermark", "1", "The number of queued micro-batches at which a waiting source goes on."),
    entry("idle_wait_ms", "100", "How long a source that has nothing is left alone."),
    entry("max_retained_windows", "0", "The number of newest windows that are kept; 0 keeps all."),
    entry(
        "shared_memory_transport",
        "true",
        "Whether workers may read the memory of the query; `false` runs without workers.",
    ),
    entry("shared_memory_min_payload_bytes", "65536", "Reported as it is; workers share memory whatever the size."),
    entry("output_mode", "update", "`update`, `complete`, `append` or `changelog`."),
    entry("watermark_column", "", "The column of event time that closes windows; without one none is closed."),
    entry(
        "watermark_delay_ms",
        "0",
        "How much later than the latest row a row may come before its windows are closed.",
    ),
    entry("allowed_lateness_ms", "0", "How long a closed window is kept for rows that still come."),
    entry(
        "idle_timeout_ms",
        "",
        "After this time without rows a source no longer holds back the watermark of the others.",
    ),
    entry(
        "max_state_bytes",
        "",
        "The query fails when its state is larger; without it the `memory_limit` of the session counts, if it was given one.",
    ),
    entry("checkpoint_interval_ms", "0", "The least time between two waits for the disk with `at-least-once`."),
    entry(
        "accept_duplicates",
        "false",
        "Whether `exactly-once` may write to a sink that can only promise at least once.",
    ),
    entry("max_batches", "0", "The number of micro-batches after which the query stops; 0 is no limit."),
];

impl StreamOptions {
    /// Sets one option from its text.
    ///
    /// # Errors
    /// `VEL-7001` for an unknown name or a value that it cannot have.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        match name {
            "trigger_interval_ms" => self.trigger_interval_ms = count(name, text)?,
            "checkpoint_path" => text.clone_into(&mut self.checkpoint_path),
            "checkpoint_delivery_mode" => self.checkpoint_delivery_mode = DeliveryMode::named(text)?,
            "execution_mode" => self.execution_mode = ExecutionMode::named(text)?,
            "local_workers" => self.local_workers = count(name, text)?,
            "max_inflight_partitions" => self.max_inflight_partitions = count(name, text)?,
            "max_inflight_batches" => self.max_inflight_batches = count(name, text)?,
            "max_queued_partitions" => self.max_queued_partitions = count(name, text)?,
            "backpressure_high_watermark" => self.backpressure_high_watermark = count(name, text)?,
            "backpressure_low_watermark" => self.backpressure_low_watermark = count(name, text)?,
            "idle_wait_ms" => self.idle_wait_ms = count(name, text)?,
            "max_retained_windows" => self.max_retained_windows = count(name, text)?,
            "shared_memory_transport" => self.shared_memory_transport = flag(name, text)?,
            "shared_memory_min_payload_bytes" => self.shared_memory_min_payload_bytes = count(name, text)?,
            "output_mode" => self.output_mode = output_mode(text)?,
            "watermark_column" => self.watermark_column = optional(text).map(str::to_owned),
            "watermark_delay_ms" => self.watermark_delay_ms = count(name, text)?,
            "allowed_lateness_ms" => self.allowed_lateness_ms = count(name, text)?,
            "idle_timeout_ms" => self.idle_timeout_ms = optional(text).map(|text| count(name, text)).transpose()?,
            "max_state_bytes" => self.max_state_bytes = optional(text).map(|text| count(name, text)).transpose()?,
            "checkpoint_interval_ms" => self.checkpoint_interval_ms = count(name, text)?,
            "accept_duplicates" => self.accept_duplicates = flag(name, text)?,
            "max_batches" => self.max_batches = count(name, text)?,
            _ => {
                return Err(Error::new(ErrorCode::InvalidArgument, format!("unknown option: {name}"))
                    .with_hint("the options of stream queries are listed in docs/streaming.md"));
            }
        }
        Ok(())
    }

    /// The number of workers that are used.
    #[must_use]
    pub fn workers(&self) -> u64 {
        match self.execution_mode {
            ExecutionMode::SingleProcess => 1,
            ExecutionMode::LocalWorkers => self.local_workers.max(1),
        }
    }

    /// The pause of a source that has nothing.
    #[must_use]
    pub fn idle_wait(&self) -> Duration {
        Duration::from_millis(self.idle_wait_ms.max(1))
    }
}

impl DeliveryMode {
    fn named(text: &str) -> Result<Self> {
        match text {
            "at-least-once" => Ok(Self::AtLeastOnce),
            "best-effort" => Ok(Self::BestEffort),
            "exactly-once" => Ok(Self::ExactlyOnce),
            _ => Err(invalid("checkpoint_delivery_mode must be 'at-least-once' or 'best-effort'", text)
                .with_hint("or 'exactly-once', with a transactional sink")),
        }
    }

    /// The word of the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::BestEffort => "best-effort",
            Self::ExactlyOnce => "exactly-once",
        }
    }
}

impl ExecutionMode {
    fn named(text: &str) -> Result<Self> {
        match text {
            "single-process" => Ok(Self::SingleProcess),
            "local-workers" => Ok(Self::LocalWorkers),
            _ => Err(invalid("execution_mode must be 'single-process' or 'local-workers'", text)),
        }
    }

    /// The word of the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleProcess => "single-process",
            Self::LocalWorkers => "local-workers",
        }
    }
}

/// The word for what is emitted.
#[must_use]
pub fn output_mode_name(kind: EmissionKind) -> &'static str {
    match kind {
        EmissionKind::Append => "append",
        EmissionKind::Update => "update",
        EmissionKind::Complete => "complete",
        EmissionKind::Changelog => "changelog",
    }
}

fn output_mode(text: &str) -> Result<EmissionKind> {
    match text {
        "append" => Ok(EmissionKind::Append),
        "update" => Ok(EmissionKind::Update),
        "complete" => Ok(EmissionKind::Complete),
        "changelog" => Ok(EmissionKind::Changelog),
        _ => Err(invalid("output_mode must be 'update', 'complete', 'append' or 'changelog'", text)),
    }
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn count(name: &str, text: &str) -> Result<u64> {
    text.trim().parse().map_err(|_| invalid(&format!("{name} must be a whole number from 0 on"), text))
}

fn flag(name: &str, text: &str) -> Result<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(invalid(&format!("{name} must be true or false"), text)),
    }
}

fn invalid(message: &str, found: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message).with_hint(format!("found '{found}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_defaults_are_the_defaults() {
        let mut options = StreamOptions::default();
        for entry in OPTIONS {
            options.set(entry.name, entry.default).unwrap();
        }
        assert_eq!(options, StreamOptions::default());
    }
}
