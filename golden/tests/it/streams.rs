//! Every stream case: what is explained, what progress tells before and after, the checkpoint and the rows, against its
//! snapshot; and that all of them describe one decision.

use std::path::Path;

use insta::assert_snapshot;
use velaria::json::to_pretty;
use velaria::stream::{StreamStrategy, StreamingQueryProgress};
use velaria_golden::{StreamCase, StreamOutcome, StreamRun, run_stream};

use crate::snapshots::{Outcome, cases, for_each, sections};

/// What depends on the time that threads take, when a source is asked on a thread of its own.
const TIMING: [&str; 5] =
    ["batches_pulled", "blocked_count", "max_backlog_batches", "inflight_batches", "inflight_partitions"];
/// The same when threads share the work.
const TIMING_OF_WORKERS: [&str; 1] = ["actor_speedup"];
/// What depends on how much room tables of keys take on a machine, and on how many digits times have.
const ROOM: [&str; 3] = ["state_bytes", "estimated_state_size_bytes", "checkpoint_bytes"];

#[test]
fn stream_queries_say_what_they_do() {
    for_each("stream/*.toml", stream_case);
}

#[test]
fn explain_and_progress_describe_the_same_decision() {
    for path in cases("stream") {
        let case = StreamCase::read(&path).unwrap();
        let StreamOutcome::Ran { explained, runs } = run_stream(&case).unwrap() else { continue };
        for run in &runs {
            // Without a sink, explain takes it for one that does not wait, as those in memory and on the console are.
            assert_eq!(run.explained.physical, explained.physical, "{}", path.display());
            check_decision(&path, run);
        }
        assert_eq!(runs.first().map(|run| &run.explained.strategy), Some(&explained.strategy), "{}", path.display());
    }
}

fn stream_case(path: &Path) -> Outcome {
    let case = StreamCase::read(path)?;
    let text = match run_stream(&case)? {
        StreamOutcome::Refused(report) => sections(&[("text", &report.to_string()), ("json", &to_pretty(&report)?)]),
        StreamOutcome::Ran { explained, runs } => {
            let json = to_pretty(&explained.to_json())?;
            let mut text = sections(&[("explain", &explained.to_string()), ("explain json", &json)]);
            for run in &runs {
                text.push_str(&shown(&case, run)?);
            }
            text
        }
    };
    assert_snapshot!("stream", text);
    Ok(())
}

fn shown(case: &StreamCase, run: &StreamRun) -> Result<String, Box<dyn std::error::Error>> {
    let ended = steady(case, &run.ended.snapshot_json()?)?;
    let mut shown = vec![("created", run.created.snapshot_json()?), ("ended", ended)];
    shown.extend(run.error.clone().map(|error| ("error", error)));
    if let Some(checkpoint) = &run.checkpoint {
        shown.push(("checkpoint", steady(case, checkpoint)?));
    }
    shown.push(("output", run.output.clone()));
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Ok(sections(&shown))
}

/// JSON, one member a line, without what is not the same in every run and on every machine.
fn steady(case: &StreamCase, json: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut value: serde_json::Value = serde_json::from_str(json)?;
    let ran_on_workers = value["used_actor_runtime"] == true;
    let has_run = value["epoch"] != 0;
    let of_workers = TIMING_OF_WORKERS.iter().filter(|_| ran_on_workers);
    let timing = TIMING.iter().filter(|_| !case.files.is_empty()).chain(of_workers);
    let room = ROOM.iter().filter(|_| has_run);
    let marks = timing.map(|name| (name, "[timing]")).chain(room.map(|name| (name, "[bytes]")));
    for (name, mark) in marks {
        // Without state there is no room to take.
        let varies = |member: &&mut serde_json::Value| mark == "[timing]" || **member != 0;
        if let Some(member) = value.get_mut(*name).filter(varies) {
            *member = mark.into();
        }
    }
    Ok(to_pretty(&value)?)
}

/// The decision as explain tells it, against progress before and after the run and the checkpoint.
fn check_decision(path: &Path, run: &StreamRun) {
    let StreamRun { explained, created, ended, .. } = run;
    let strategy = &explained.strategy;
    let name = path.display();
    assert_eq!(decision_of(created), decision(strategy), "{name}: created");
    assert_eq!(decision_of(ended), decision(strategy), "{name}: ended");
    assert_eq!(created.execution_reason, strategy.reason, "{name}");
    assert_eq!(created.transport_mode, strategy.transport_mode, "{name}");
    assert_eq!(created.used_actor_runtime, strategy.used_actor_runtime, "{name}");
    assert_eq!(created.estimated_batch_cost, strategy.estimated_batch_cost, "{name}");
    assert_eq!(created.estimated_state_size_bytes, strategy.estimated_state_size_bytes, "{name}");
    // A run says how the decision was carried out, after the words of the decision.
    let clause = |reason: &str| reason.split(';').next().unwrap_or_default().to_owned();
    assert_eq!(clause(&ended.execution_reason), clause(&strategy.reason), "{name}");
    assert!(ended.estimated_batch_cost >= strategy.estimated_batch_cost, "{name}");
    let may_spread = strategy.actor_eligible && strategy.local_worker_count > 1 && strategy.shared_memory_transport;
    assert!(may_spread || !ended.used_actor_runtime, "{name}");
    assert_eq!(ended.used_actor_runtime, ended.transport_mode == "shared-memory", "{name}");
    assert_eq!(ended.used_actor_runtime, ended.execution_reason.contains("using credit-based"), "{name}");
    let lines = &explained.physical;
    assert!(lines.contains(&format!("actor_eligible={}", created.actor_eligible)), "{name}: {lines:?}");
    assert!(lines.contains(&format!("has_window={}", created.has_window)), "{name}: {lines:?}");
    assert!(lines.contains(&format!("has_stateful_ops={}", created.has_stateful_ops)), "{name}: {lines:?}");
    check_checkpoint(run);
}

fn check_checkpoint(run: &StreamRun) {
    let Some(checkpoint) = &run.checkpoint else { return };
    let manifest: serde_json::Value = serde_json::from_str(checkpoint).unwrap();
    let progress: serde_json::Value = serde_json::from_str(&run.ended.snapshot_json().unwrap()).unwrap();
    for name in ["requested_execution_mode", "execution_mode", "execution_reason", "transport_mode"] {
        assert_eq!(manifest[name], progress[name], "{name}");
    }
    for name in ["backpressure_max_queue_batches", "backpressure_high_watermark", "backpressure_low_watermark"] {
        assert_eq!(manifest[name], progress[name], "{name}");
    }
    for name in ["checkpoint_delivery_mode", "batches_processed", "last_source_offset", "epoch"] {
        assert_eq!(manifest[name], progress[name], "{name}");
    }
}

/// The part of a decision that never changes.
#[derive(Debug, PartialEq)]
struct Decision<'a> {
    modes: [&'a str; 2],
    actor_eligible: bool,
    has: [bool; 2],
    sink_is_blocking: bool,
    source_is_bounded: bool,
    backpressure: [u64; 3],
    delivery: &'a str,
}

fn decision(strategy: &StreamStrategy) -> Decision<'_> {
    Decision {
        modes: [&strategy.requested_mode, &strategy.selected_mode],
        actor_eligible: strategy.actor_eligible,
        has: [strategy.has_window, strategy.has_stateful_ops],
        sink_is_blocking: strategy.sink_is_blocking,
        source_is_bounded: strategy.source_is_bounded,
        backpressure: [
            strategy.backpressure_max_queue_batches,
            strategy.backpressure_high_watermark,
            strategy.backpressure_low_watermark,
        ],
        delivery: &strategy.checkpoint_delivery_mode,
    }
}

fn decision_of(progress: &StreamingQueryProgress) -> Decision<'_> {
    Decision {
        modes: [&progress.requested_execution_mode, &progress.execution_mode],
        actor_eligible: progress.actor_eligible,
        has: [progress.has_window, progress.has_stateful_ops],
        sink_is_blocking: progress.sink_is_blocking,
        source_is_bounded: progress.source_is_bounded,
        backpressure: [
            progress.backpressure_max_queue_batches,
            progress.backpressure_high_watermark,
            progress.backpressure_low_watermark,
        ],
        delivery: &progress.checkpoint_delivery_mode,
    }
}
