//! Functions whose state grows with the rows, and those whose answers depend on the split in the last bits.

use arrow::array::RecordBatch;
use proptest::prelude::*;
use velaria_connector::EmissionKind;
use velaria_stream::estimate_state;

use super::equivalence::{rows, seeds};
use super::support::{Query, by_key, query, settings, texts};

/// Statements with resident state whose answers do not depend on the split.
pub(super) const RESIDENT: [&str; 10] = [
    "SELECT k, COUNT(DISTINCT v), COUNT(DISTINCT s), SUM(DISTINCT v) FROM t GROUP BY k",
    "SELECT k, array_agg(v), COUNT(*) FROM t GROUP BY k",
    "SELECT k, array_agg(n ORDER BY n DESC) FILTER (WHERE v > 0), SUM(v) FROM t GROUP BY k",
    "SELECT s, median(v), median(x) FROM t GROUP BY s",
    "SELECT k, string_agg(s, ',') FROM t GROUP BY k",
    "SELECT k, string_agg(s, ',' ORDER BY n DESC) FROM t GROUP BY k",
    "SELECT k, first_value(v ORDER BY n), last_value(v ORDER BY n), first_value(s ORDER BY n DESC) FROM t GROUP BY k",
    "SELECT k, first_value(v), last_value(s), nth_value(v, 2 ORDER BY n) FROM t GROUP BY k",
    "SELECT k, approx_distinct(v), approx_distinct(s) FROM t GROUP BY k",
    "SELECT array_agg(v), COUNT(DISTINCT s), median(v) FROM t",
];

/// Statements whose answers may differ in the last bits.
const ROUNDED: [&str; 4] = [
    "SELECT k, stddev(x), var_pop(x), var_samp(v) FROM t GROUP BY k",
    "SELECT k, corr(x, v), covar_pop(x, v), regr_slope(x, v) FROM t GROUP BY k",
    "SELECT SUM(x), AVG(x) FROM t",
    "SELECT k, AVG(DISTINCT x), SUM(DISTINCT x) FROM t GROUP BY k",
];

fn last_rows(query: &Query, sizes: &[usize]) -> Vec<RecordBatch> {
    let mut run = query.start(&settings(EmissionKind::Complete));
    query.split(sizes).iter().map(|batch| run.step(batch)).last().unwrap()
}

fn close(left: &str, right: &str) -> bool {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => {
            (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0)
                || left.is_nan() == right.is_nan() && left.is_nan()
        }
        _ => left == right,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resident_functions_end_with_the_answer_of_the_batch_engine(
        seeds in seeds(),
        statement in 0..RESIDENT.len(),
        sizes in proptest::collection::vec(1..40_usize, 1..6),
    ) {
        let query = query(RESIDENT[statement], &rows(&seeds));
        let last = by_key(&last_rows(&query, &sizes), query.spec.keys.len());
        prop_assert_eq!(last, query.expected_by_key(), "{}", RESIDENT[statement]);
    }

    #[test]
    fn rounded_functions_come_close(
        seeds in seeds(),
        statement in 0..ROUNDED.len(),
        sizes in proptest::collection::vec(1..40_usize, 1..6),
    ) {
        let query = query(ROUNDED[statement], &rows(&seeds));
        let sorted = |batches: &[RecordBatch]| {
            let mut rows = texts(batches);
            rows.sort_by(|left, right| left[..query.spec.keys.len()].cmp(&right[..query.spec.keys.len()]));
            rows.concat()
        };
        let (last, expected) = (sorted(&last_rows(&query, &sizes)), sorted(std::slice::from_ref(&query.expected)));
        prop_assert_eq!(last.len(), expected.len());
        for (left, right) in last.iter().zip(&expected) {
            prop_assert!(close(left, right), "{}: {} and {}", ROUNDED[statement], left, right);
        }
    }
}

#[test]
fn the_class_of_the_state_follows_from_the_functions() {
    let rows = rows(&[(1, 1), (2, 2)]);
    let class = |sql: &str| {
        let query = query(sql, &rows);
        let estimate = estimate_state(&query.spec, &query.input).unwrap();
        assert!(estimate.key_bytes > 0);
        estimate.class
    };
    assert_eq!(class("SELECT k, SUM(v), MIN(s), stddev(x), AVG(m) FROM t GROUP BY k"), "columnar");
    assert_eq!(class("SELECT k FROM t GROUP BY k"), "columnar");
    assert_eq!(class("SELECT k, median(v), approx_distinct(v), string_agg(s, ',') FROM t GROUP BY k"), "resident");
    assert_eq!(class("SELECT k, COUNT(DISTINCT v), COUNT(v) FROM t GROUP BY k"), "columnar,resident");
    let mut query = query("SELECT k, SUM(v) FROM t GROUP BY k", &rows);
    query.spec.stateful = false;
    assert_eq!(estimate_state(&query.spec, &query.input).unwrap().class, "none");
}

#[test]
fn the_state_of_resident_functions_is_measured() {
    let seeds: Vec<(u8, i32)> = (0..20_000).map(|n| (1, n)).collect();
    let query = query("SELECT k, array_agg(v) FROM t GROUP BY k", &rows(&seeds));
    let mut run = query.start(&settings(EmissionKind::Update));
    let mut last = 0;
    for batch in query.split(&[100]) {
        run.step(&batch);
        let bytes = run.operator.state().unwrap().bytes();
        assert!(bytes >= last, "{bytes} after {last}");
        last = bytes;
    }
    assert!((160_000..3_200_000).contains(&last), "{last} bytes for 20000 numbers");
}
