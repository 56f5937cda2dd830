//! What each output mode emits, row by row.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;
use velaria_connector::EmissionKind;
use velaria_contract::ErrorCode;
use velaria_stream::{AggregateSettings, aggregate};

use super::equivalence::{EXACT, rows, seeds};
use super::support::{query, settings, texts};

const SUMS: &str = "SELECT k, SUM(v) FROM t GROUP BY k";

fn pairs(rows: &[(i64, i64)]) -> RecordBatch {
    let column = |of: fn(&(i64, i64)) -> i64| Arc::new(rows.iter().map(of).collect::<Int64Array>()) as _;
    RecordBatch::try_from_iter_with_nullable([("k", column(|row| row.0), true), ("v", column(|row| row.1), true)])
        .unwrap()
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    texts(batches).into_iter().map(|row| row.join(" ")).collect()
}

#[test]
fn update_emits_touched_keys_in_the_order_of_their_first_rows() {
    let first = pairs(&[(5, 1), (2, 1), (5, 1), (9, 1)]);
    let query = query(SUMS, &first);
    let mut run = query.start(&settings(EmissionKind::Update));
    assert_eq!(lines(&run.step(&first)), ["5 2", "2 1", "9 1"]);
    assert_eq!(lines(&run.step(&pairs(&[(9, 1), (7, 4), (5, 1)]))), ["9 2", "7 4", "5 3"]);
    assert!(run.step(&pairs(&[])).is_empty());
    assert!(run.pushes(&[]).unwrap().is_empty());
}

#[test]
fn complete_emits_all_keys_in_the_order_of_their_first_rows_ever() {
    let first = pairs(&[(5, 1), (2, 1)]);
    let query = query(SUMS, &first);
    let mut run = query.start(&settings(EmissionKind::Complete));
    assert!(run.pushes(&[]).unwrap().is_empty());
    run.step(&first);
    assert_eq!(lines(&run.step(&pairs(&[(9, 1), (2, 1)]))), ["5 1", "2 2", "9 1"]);
    assert_eq!(lines(&run.pushes(&[]).unwrap()), ["5 1", "2 2", "9 1"]);
}

#[test]
fn changelog_emits_the_old_row_before_the_new_one() {
    let first = pairs(&[(5, 1), (2, 1)]);
    let query = query(SUMS, &first);
    let mut run = query.start(&settings(EmissionKind::Changelog));
    assert_eq!(lines(&run.step(&first)), ["5 1 0 true", "2 1 1 true"]);
    let out = run.step(&pairs(&[(9, 1), (2, 4), (5, 1)]));
    assert_eq!(lines(&out), ["9 1 0 true", "2 1 1 false", "2 5 1 true", "5 1 2 false", "5 2 2 true"]);
    let schema = out[0].schema();
    assert_eq!((schema.field(2).name().as_str(), schema.field(3).name().as_str()), ("__key", "__new"));
}

#[test]
fn totals_of_the_micro_batch_alone() {
    let first = pairs(&[(5, 1), (2, 1)]);
    let mut query = query("SELECT k, SUM(v), median(v) FROM t GROUP BY k", &first);
    query.spec.stateful = false;
    for output in [EmissionKind::Update, EmissionKind::Complete] {
        let mut run = query.start(&settings(output));
        assert_eq!(lines(&run.step(&first)), ["5 1 1.0", "2 1 1.0"]);
        assert_eq!(lines(&run.step(&pairs(&[(2, 3)]))), ["2 3 3.0"]);
        assert!(run.operator.state().is_none());
    }
}

#[test]
fn distinct_emits_a_key_once() {
    let first = pairs(&[(5, 1), (2, 1), (5, 1)]);
    let mut query = query("SELECT k FROM t GROUP BY k", &first);
    query.spec.distinct = true;
    let mut run = query.start(&settings(EmissionKind::Update));
    assert_eq!(lines(&run.step(&first)), ["5", "2"]);
    assert_eq!(lines(&run.step(&pairs(&[(2, 1), (7, 1)]))), ["7"]);
    assert!(run.step(&first).is_empty());
    let mut changes = query.start(&settings(EmissionKind::Changelog));
    changes.step(&first);
    assert_eq!(lines(&changes.step(&pairs(&[(2, 1), (7, 1)]))), ["7 0 true"]);
}

#[test]
fn one_row_without_keys_when_there_are_rows() {
    let first = pairs(&[(5, 1), (2, 1)]);
    let query = query("SELECT COUNT(*), SUM(v) FROM t", &first);
    let mut run = query.start(&settings(EmissionKind::Update));
    assert!(run.step(&query.rows.slice(0, 0)).is_empty());
    assert_eq!(lines(&run.step(&query.rows)), ["2 2"]);
    assert_eq!(lines(&run.step(&query.rows)), ["4 4"]);
}

#[test]
fn state_that_is_too_large_is_an_error_with_the_limit() {
    let first = pairs(&[(1, 1)]);
    let query = query(SUMS, &first);
    let limited = AggregateSettings { max_state_bytes: Some(100_000), ..settings(EmissionKind::Update) };
    let mut run = query.start(&limited);
    run.step(&first);
    let many: Vec<(i64, i64)> = (0..50_000).map(|key| (key, 1)).collect();
    let error = run.try_step(&pairs(&many)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StateTooLarge);
    assert!(error.message().contains("max_state_bytes = 100000"), "{error}");
}

#[test]
fn append_without_a_window_is_refused() {
    let query = query(SUMS, &pairs(&[(1, 1)]));
    let refused = aggregate(&query.spec, &query.input, &query.output, &settings(EmissionKind::Append));
    assert_eq!(refused.err().unwrap().code(), ErrorCode::Unsupported);
}

#[test]
fn a_value_that_cannot_be_computed_is_an_error() {
    let first = pairs(&[(1, 0)]);
    let query = query("SELECT k, SUM(10 / v) FROM t GROUP BY k", &pairs(&[(1, 1)]));
    let mut run = query.start(&settings(EmissionKind::Update));
    assert_eq!(run.try_step(&first).unwrap_err().code(), ErrorCode::DivisionByZero);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Taking back old rows and adding new ones ends with the totals of update mode.
    #[test]
    fn a_changelog_folds_to_the_totals(seeds in seeds(), statement in 0..EXACT.len(), size in 1..30_usize) {
        let query = query(EXACT[statement], &rows(&seeds));
        let mut run = query.start(&settings(EmissionKind::Changelog));
        let keys = query.spec.keys.len();
        let mut folded: BTreeMap<String, String> = BTreeMap::new();
        for batch in query.split(&[size]) {
            for out in run.step(&batch) {
                let width = out.num_columns();
                let news = out.column(width - 1).as_boolean().clone();
                prop_assert!(out.column(width - 2).as_primitive::<Int64Type>().null_count() == 0);
                for (row, new) in texts(std::slice::from_ref(&out)).into_iter().zip(news.values()) {
                    let (key, value) = (row[..keys].join("|"), row[keys..width - 2].join("|"));
                    if new {
                        prop_assert!(folded.insert(key, value).is_none(), "the old row was not taken back");
                    } else {
                        prop_assert_eq!(folded.remove(&key), Some(value));
                    }
                }
            }
        }
        prop_assert_eq!(folded, query.expected_by_key());
    }
}

/// Keys of the same hash, such as these with NULLs in two places, are numbered after the others.
#[test]
fn keys_with_nulls_in_several_places_are_keys_of_their_own() {
    let column = |values: [Option<i64>; 5]| Arc::new(Int64Array::from_iter(values)) as _;
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("k", column([Some(1), Some(1), Some(2), Some(1), None]), true),
        ("a", column([None, Some(5), Some(7), Some(5), None]), true),
        ("b", column([Some(5), None, Some(7), None, None]), true),
        ("v", column([Some(1), Some(10), Some(100), Some(1000), Some(10_000)]), true),
    ])
    .unwrap();
    let query = query("SELECT k, a, b, SUM(v) FROM t GROUP BY k, a, b", &rows);
    for output in [EmissionKind::Update, EmissionKind::Complete] {
        for workers in 1..4 {
            let mut run = query.start(&AggregateSettings { workers, ..settings(output) });
            let expected = ["1 NULL 5 1", "1 5 NULL 1010", "2 7 7 100", "NULL NULL NULL 10000"];
            assert_eq!(lines(&run.step(&rows)), expected, "{output:?}, {workers} workers");
            let twice = ["1 NULL 5 2", "1 5 NULL 2020", "2 7 7 200", "NULL NULL NULL 20000"];
            assert_eq!(lines(&run.step(&rows)), twice, "{output:?}, {workers} workers");
        }
    }
}
