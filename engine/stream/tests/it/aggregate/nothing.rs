//! Totals of all rows when few rows, or none, pass what is in front of them.

use arrow::array::RecordBatch;
use proptest::prelude::*;
use velaria_connector::EmissionKind;

use super::equivalence::{rows, seeds};
use super::support::{query, settings, texts};

/// Totals without keys, of functions of every class; `?` is a number below which all rows are taken away.
const TOTALS: [&str; 7] = [
    "SELECT COUNT(*), COUNT(v), SUM(v), AVG(v), MIN(v), MAX(v) FROM t WHERE n >= ?",
    "SELECT MIN(x), AVG(m), MIN(s), MAX(sv), SUM(u), SUM(m) FROM t WHERE n >= ?",
    "SELECT BIT_AND(v), BIT_OR(v), BIT_XOR(v), BOOL_AND(b), BOOL_OR(b) FROM t WHERE n >= ?",
    "SELECT COUNT(DISTINCT v), SUM(DISTINCT v), median(v), COUNT(*) FROM t WHERE n >= ?",
    "SELECT array_agg(v), string_agg(s, ','), approx_distinct(v) FROM t WHERE n >= ?",
    "SELECT first_value(v ORDER BY n), last_value(s ORDER BY n), nth_value(v, 2 ORDER BY n) FROM t WHERE n >= ?",
    "SELECT COUNT(*) FILTER (WHERE b), SUM(v + 1) FILTER (WHERE v > 3), MIN(ts), MAX(ts) FROM t WHERE n >= ?",
];

const MODES: [EmissionKind; 3] = [EmissionKind::Update, EmissionKind::Complete, EmissionKind::Changelog];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn totals_of_few_rows_and_of_none_end_with_the_answer_of_the_batch_engine(
        seeds in seeds(),
        statement in 0..TOTALS.len(),
        from in prop_oneof![Just(0_usize), 0..120_usize, Just(1000)],
        size in 1..60_usize,
        mode in 0..MODES.len(),
    ) {
        let query = query(&TOTALS[statement].replace('?', &from.to_string()), &rows(&seeds));
        let mut run = query.start(&settings(MODES[mode]));
        let mut last: Option<RecordBatch> = None;
        let mut frames = Vec::new();
        for batch in query.split(&[size]) {
            last = run.step(&batch).pop().or(last);
            frames.extend(run.delta());
        }
        let ended = run.end();
        frames.extend(run.delta());
        prop_assert_eq!(ended.len(), usize::from(query.rows.num_rows() == 0), "one row, and only where none came before");
        let last = ended.into_iter().next().or(last).unwrap();
        let columns = query.output.fields().len();
        let last = texts(&[last]).pop().unwrap();
        prop_assert_eq!(&last[..columns], texts(std::slice::from_ref(&query.expected)).pop().unwrap(), "{}", TOTALS[statement]);
        prop_assert!(MODES[mode] != EmissionKind::Changelog || last.last().is_some_and(|new| new == "true"));
        prop_assert!(run.end().is_empty(), "it was told twice");
        let mut resumed = query.start(&settings(MODES[mode]));
        resumed.resume(&run, &frames);
        prop_assert!(resumed.end().is_empty(), "it was told again after a restart");
    }
}

#[test]
fn groups_and_totals_of_one_micro_batch_say_nothing_of_nothing() {
    let rows = rows(&[(1, 1)]).slice(0, 0);
    let grouped = query("SELECT k, COUNT(*) FROM t GROUP BY k", &rows);
    assert!(grouped.start(&settings(EmissionKind::Update)).end().is_empty());
    let mut passing = query("SELECT COUNT(*) FROM t", &rows);
    passing.spec.stateful = false;
    assert!(passing.start(&settings(EmissionKind::Update)).end().is_empty());
}

#[test]
fn rows_may_still_come_after_the_total_of_none() {
    let query = query("SELECT COUNT(*), SUM(v) FROM t", &rows(&[(1, 2), (2, 5)]));
    let mut run = query.start(&settings(EmissionKind::Changelog));
    assert_eq!(texts(&run.end()), [["0", "NULL", "0", "true"]]);
    let changed = texts(&run.step(&query.rows));
    assert_eq!(changed, [["0", "NULL", "0", "false"], ["2", "7", "0", "true"]]);
}
