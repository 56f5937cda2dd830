//! The law: the last total of each key is what the batch engine says of all rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use proptest::prelude::*;
use velaria_connector::EmissionKind;

use super::support::{Query, by_key, query, settings};

/// Rows of every kind of column, from small numbers so that keys repeat.
pub(super) fn rows(seeds: &[(u8, i32)]) -> RecordBatch {
    // Without infinities: the smallest of nothing but those is wrong in DataFusion (velaria brings its own MIN and MAX).
    let floats = [0.0, -0.0, f64::NAN, 1.5, -2.25, 1e300, 0.1, -1e300];
    let key = |seed: &(u8, i32)| (!seed.0.is_multiple_of(7)).then_some(i64::from(seed.0 % 5));
    let text = |seed: &(u8, i32)| key(seed).map(|key| format!("text number {key} that is longer than twelve bytes"));
    let value = |seed: &(u8, i32)| (seed.1 % 11 != 0).then_some(seed.1);
    let texts: Vec<Option<String>> = seeds.iter().map(text).collect();
    let dictionary: DictionaryArray<Int32Type> = texts.iter().map(|text| text.as_deref()).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(seeds.iter().map(key).collect::<Int64Array>())),
        ("s", Arc::new(texts.iter().collect::<StringArray>())),
        ("sv", Arc::new(texts.iter().collect::<StringViewArray>())),
        ("d", Arc::new(dictionary)),
        ("f", Arc::new(seeds.iter().map(|seed| Some(floats[usize::from(seed.0) % 8])).collect::<Float64Array>())),
        ("v", Arc::new(seeds.iter().map(|seed| value(seed).map(i64::from)).collect::<Int64Array>())),
        ("x", Arc::new(seeds.iter().map(|seed| value(seed).map(|v| f64::from(v) / 7.0)).collect::<Float64Array>())),
        (
            "u",
            Arc::new(
                seeds.iter().map(|seed| value(seed).map(|v| u64::from(v.unsigned_abs()))).collect::<UInt64Array>(),
            ),
        ),
        ("b", Arc::new(seeds.iter().map(|seed| value(seed).map(|v| v % 2 == 0)).collect::<BooleanArray>())),
        (
            "m",
            Arc::new(
                seeds
                    .iter()
                    .map(|seed| value(seed).map(i128::from))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(20, 3)
                    .unwrap(),
            ),
        ),
        (
            "ts",
            Arc::new(
                seeds.iter().map(|seed| Some(i64::from(seed.1 % 50) * 100)).collect::<TimestampMillisecondArray>(),
            ),
        ),
        ("n", Arc::new((0_i64..).take(seeds.len()).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

pub(super) fn seeds() -> impl Strategy<Value = Vec<(u8, i32)>> {
    proptest::collection::vec((any::<u8>(), -1000..1000_i32), 1..120)
}

/// Statements whose answers do not depend on the split, bit by bit.
pub(super) const EXACT: [&str; 12] = [
    "SELECT k, SUM(v), COUNT(v), COUNT(*), AVG(v), MIN(v), MAX(v) FROM t GROUP BY k",
    "SELECT k, SUM(x), AVG(x), MIN(x), MAX(x) FROM t GROUP BY k",
    "SELECT s, SUM(x), MIN(s), MAX(sv) FROM t GROUP BY s",
    "SELECT sv, SUM(u), MAX(u), MIN(ts), MAX(ts) FROM t GROUP BY sv",
    "SELECT d, SUM(m), AVG(m), MIN(m) FROM t GROUP BY d",
    "SELECT f, COUNT(*), SUM(x) FROM t GROUP BY f",
    "SELECT k, f, sv, COUNT(*), MIN(b), MAX(b) FROM t GROUP BY k, f, sv",
    "SELECT k, d, b, SUM(x) FILTER (WHERE v > 0), COUNT(*) FILTER (WHERE b) FROM t GROUP BY k, d, b",
    "SELECT ts, COUNT(*), BIT_AND(v), BIT_OR(v), BIT_XOR(v), BOOL_AND(b), BOOL_OR(b) FROM t GROUP BY ts",
    "SELECT SUM(v), COUNT(*), AVG(m), MIN(s) FROM t",
    "SELECT k, MIN(f), MAX(f), SUM(f) FROM t GROUP BY k",
    "SELECT k % 2, s, COUNT(DISTINCT v), MAX(x) FROM t GROUP BY k % 2, s",
];

/// The last row of each key in update mode.
fn last_totals(query: &Query, sizes: &[usize]) -> std::collections::BTreeMap<String, String> {
    let mut run = query.start(&settings(EmissionKind::Update));
    let emitted: Vec<RecordBatch> = query.split(sizes).iter().flat_map(|batch| run.step(batch)).collect();
    by_key(&emitted, query.spec.keys.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_ends_with_the_answer_of_the_batch_engine(
        seeds in seeds(),
        statement in 0..EXACT.len(),
        sizes in proptest::collection::vec(1..40_usize, 1..6),
    ) {
        let query = query(EXACT[statement], &rows(&seeds));
        prop_assert_eq!(last_totals(&query, &sizes), query.expected_by_key(), "{}", EXACT[statement]);
    }

    #[test]
    fn pushes_of_one_micro_batch_are_one(
        seeds in seeds(),
        statement in 0..EXACT.len(),
        sizes in proptest::collection::vec(1..40_usize, 1..6),
    ) {
        let query = query(EXACT[statement], &rows(&seeds));
        let mut whole = query.start(&settings(EmissionKind::Changelog));
        let mut parts = query.start(&settings(EmissionKind::Changelog));
        for _ in 0..2 {
            let emitted = parts.pushes(&query.split(&sizes)).unwrap();
            prop_assert_eq!(super::support::texts(&emitted), super::support::texts(&whole.step(&query.rows)));
        }
    }

    #[test]
    fn complete_output_is_the_answer_so_far(seeds in seeds(), statement in 0..EXACT.len(), size in 1..40_usize) {
        let query = query(EXACT[statement], &rows(&seeds));
        let mut run = query.start(&settings(EmissionKind::Complete));
        let last = query.split(&[size]).iter().map(|batch| run.step(batch)).last().unwrap();
        prop_assert_eq!(by_key(&last, query.spec.keys.len()), query.expected_by_key(), "{}", EXACT[statement]);
    }
}

#[test]
fn many_groups_and_few_rows_take_the_other_way_and_say_the_same() {
    let seeds: Vec<(u8, i32)> = (0..400).map(|n| ((n * 37 % 251) as u8, (n * 7919) % 1000)).collect();
    for statement in EXACT {
        let query = query(statement, &rows(&seeds));
        for sizes in [vec![1], vec![400, 1], vec![300, 1, 2, 50, 1], vec![3, 200]] {
            assert_eq!(last_totals(&query, &sizes), query.expected_by_key(), "{statement} in {sizes:?}");
        }
    }
}
