//! The law: a run that goes on from a checkpoint gives what the run that never stopped gives.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use proptest::prelude::*;
use velaria_connector::EmissionKind;
use velaria_contract::ErrorCode;
use velaria_stream::{AggregateSettings, StateFrame};

use super::equivalence::{EXACT, rows, seeds};
use super::functions::RESIDENT;
use super::support::{Query, query, settings, texts};

/// What a run commits to: a snapshot at times, and what changed since.
struct Log {
    frames: Vec<StateFrame>,
}

/// Runs all pieces. Where `stops` says so the run is thrown away and another, of `workers`, goes on from what was committed.
fn with_stops(query: &Query, settings: &AggregateSettings, pieces: &[RecordBatch], stops: &[Stop]) -> Vec<Vec<String>> {
    let mut run = query.start(settings);
    let mut log = Log { frames: Vec::new() };
    let mut emitted = Vec::new();
    for (piece, stop) in pieces.iter().zip(stops.iter().cycle()) {
        emitted.extend(texts(&run.step(piece)));
        log.frames.extend(run.delta());
        if stop.snapshot {
            log.frames = run.snapshot();
        }
        if stop.crash {
            let mut next = query.start(&AggregateSettings { workers: stop.workers, ..settings.clone() });
            next.resume(&run, &log.frames);
            run = next;
        }
    }
    emitted
}

#[derive(Debug, Clone)]
struct Stop {
    snapshot: bool,
    crash: bool,
    workers: usize,
}

fn stops() -> impl Strategy<Value = Vec<Stop>> {
    let stop = (any::<bool>(), any::<bool>(), 1..4_usize);
    let stop = stop.prop_map(|(snapshot, crash, workers)| Stop { snapshot, crash, workers });
    proptest::collection::vec(stop, 1..8)
}

fn outputs() -> impl Strategy<Value = EmissionKind> {
    prop_oneof![Just(EmissionKind::Update), Just(EmissionKind::Complete), Just(EmissionKind::Changelog)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_run_goes_on_as_if_it_had_never_stopped(
        seeds in seeds(),
        statement in 0..EXACT.len() + RESIDENT.len(),
        sizes in proptest::collection::vec(1..30_usize, 1..6),
        stops in stops(),
        output in outputs(),
    ) {
        let statement = EXACT.iter().chain(&RESIDENT).nth(statement).unwrap();
        let query = query(statement, &rows(&seeds));
        let pieces = query.split(&sizes);
        let mut never = query.start(&settings(output));
        let never: Vec<Vec<String>> = pieces.iter().flat_map(|piece| texts(&never.step(piece))).collect();
        let stopped = with_stops(&query, &settings(output), &pieces, &stops);
        prop_assert_eq!(stopped, never, "{}", statement);
    }

    #[test]
    fn windows_that_are_dropped_stay_dropped_after_a_restore(
        seeds in seeds(),
        sizes in proptest::collection::vec(1..20_usize, 1..6),
        stops in stops(),
        retained in 0..3_u64,
    ) {
        let query = query("SELECT ts, k, COUNT(*), SUM(x), array_agg(v) FROM t GROUP BY ts, k", &rows(&seeds)).windowed(0, 100);
        let settings = AggregateSettings { max_retained_windows: retained, ..settings(EmissionKind::Complete) };
        let pieces = query.split(&sizes);
        let mut never = query.start(&settings);
        let never: Vec<Vec<String>> = pieces.iter().flat_map(|piece| texts(&never.step(piece))).collect();
        prop_assert_eq!(with_stops(&query, &settings, &pieces, &stops), never);
    }
}

#[test]
fn a_snapshot_leaves_the_state_and_the_changes_as_they_are() {
    let seeds: Vec<(u8, i32)> = (0..90).map(|n| (n, i32::from(n) * 13 - 500)).collect();
    for statement in EXACT.iter().chain(&RESIDENT) {
        let query = query(statement, &rows(&seeds));
        let pieces = query.split(&[30]);
        let mut plain = query.start(&settings(EmissionKind::Update));
        let mut asked = query.start(&settings(EmissionKind::Update));
        let _ = (plain.delta(), asked.delta());
        for piece in &pieces {
            assert_eq!(texts(&asked.step(piece)), texts(&plain.step(piece)), "{statement}");
            asked.snapshot();
            asked.snapshot();
            assert_eq!(asked.delta(), plain.delta(), "{statement}");
        }
    }
}

#[test]
fn the_delta_of_a_micro_batch_has_the_touched_groups_only() {
    let query = query("SELECT k, SUM(v) FROM t GROUP BY k", &numbered(&[1, 2, 3, 4]));
    let mut run = query.start(&settings(EmissionKind::Update));
    run.step(&query.rows);
    assert_eq!(run.delta()[0].batch.num_rows(), 4);
    assert!(run.delta().is_empty());
    run.step(&query.rows.slice(1, 1));
    let frames = run.delta();
    assert_eq!((frames.len(), frames[0].kind.as_str(), frames[0].batch.num_rows()), (1, "upsert", 1));
    assert_eq!(frames[0].operator, 3);
}

#[test]
fn a_frame_of_another_query_is_refused() {
    let rows = numbered(&[1, 2]);
    let statements = [
        "SELECT k, SUM(v) FROM t GROUP BY k",
        "SELECT k, AVG(v) FROM t GROUP BY k",
        "SELECT k, MAX(v) FROM t GROUP BY k",
        "SELECT v, k, SUM(v) FROM t GROUP BY v, k",
        "SELECT k, median(v) FROM t GROUP BY k",
        "SELECT k, COUNT(DISTINCT v) FROM t GROUP BY k",
    ];
    for (number, statement) in statements.iter().enumerate() {
        let query_of = query(statement, &rows);
        let mut run = query_of.start(&settings(EmissionKind::Update));
        run.step(&query_of.rows);
        for frame in run.snapshot() {
            for (other, another) in statements.iter().enumerate().filter(|&(other, _)| other != number) {
                let mut run = query(another, &rows).start(&settings(EmissionKind::Update));
                match run.operator.state().unwrap().restore(&frame) {
                    Err(error) => assert_eq!(error.code(), ErrorCode::CheckpointCorrupt),
                    // Two resident functions name their groups in frames of the same columns.
                    Ok(()) => assert!(number >= 4 && other >= 4 && frame.kind == "upsert", "{statement} for {another}"),
                }
            }
        }
        let unknown = StateFrame { operator: 3, kind: "else".to_owned(), batch: rows.clone() };
        assert_eq!(run.operator.state().unwrap().restore(&unknown).unwrap_err().code(), ErrorCode::CheckpointCorrupt);
    }
}

fn numbered(keys: &[i64]) -> RecordBatch {
    let keys = Arc::new(Int64Array::from(keys.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("k", keys.clone() as _, true), ("v", keys as _, true)]).unwrap()
}
