//! Profiles: what each operator of a query did.

use std::fs;

use velaria::arrow::array::RecordBatch;
use velaria::{CsvOptions, DataFrame, OperatorProfile, Profile, Result, Session, SessionConfig, wait};

use crate::{session, sql};

fn profile(frame: &DataFrame) -> Result<(Vec<RecordBatch>, Profile)> {
    let frame = frame.clone();
    wait(async move { frame.collect_with_profile().await }, || Ok(()))
}

fn profile_of(session: &Session, text: &str) -> (usize, Profile) {
    let (batches, profile) = profile(&sql(session, text).unwrap()).unwrap();
    (batches.iter().map(RecordBatch::num_rows).sum(), profile)
}

fn named<'a>(profile: &'a Profile, name: &str) -> &'a OperatorProfile {
    profile.operators.iter().find(|operator| operator.name == name).unwrap()
}

#[test]
fn every_operator_says_what_it_did() {
    let session = session(2);
    sql(&session, "CREATE TABLE t AS SELECT v, v % 10 AS k FROM range(1000) AS r(v)").unwrap();
    let (rows, profile) = profile_of(&session, "SELECT k, SUM(v) AS s FROM t WHERE v > 99 GROUP BY k ORDER BY s");
    assert_eq!((rows, profile.rows), (10, 10));
    assert!(profile.elapsed_ms > 0.0);
    assert_eq!(profile.operators[0].output_rows, Some(10));
    assert_eq!(named(&profile, "SortExec").output_rows, Some(10));
    assert!(named(&profile, "SortExec").detail.starts_with("expr=[s"), "{profile}");
    assert_eq!(named(&profile, "FilterExec").output_rows, Some(900));
    assert!(named(&profile, "FilterExec").detail.contains("> 99"), "{profile}");
    assert!(named(&profile, "AggregateExec").elapsed_ms.is_some_and(|time| time > 0.0));
}

#[test]
fn operators_are_a_tree_with_its_root_first() {
    let session = session(2);
    let join = "SELECT COUNT(*) AS n FROM range(1000) AS a(v) JOIN range(500) AS b(w) ON v = w AND v + w > 10";
    let (_, profile) = profile_of(&session, join);
    for (id, operator) in profile.operators.iter().enumerate() {
        assert_eq!(operator.id, id);
        assert_eq!(operator.parent.is_none(), id == 0);
        assert!(operator.parent.is_none_or(|parent| parent < id));
        assert_ne!(operator.name, "CooperativeExec");
    }
    let join = named(&profile, "HashJoinExec");
    assert_eq!(profile.operators.iter().filter(|operator| operator.parent == Some(join.id)).count(), 2);
    assert_eq!(join.output_rows, Some(494));
}

#[test]
fn a_profile_is_that_of_one_run() {
    let session = session(1);
    sql(&session, "CREATE TABLE t AS SELECT v FROM range(100) AS r(v)").unwrap();
    for _ in 0..3 {
        let (rows, profile) = profile_of(&session, "SELECT v + 1 AS w FROM t ORDER BY w");
        assert_eq!((rows, profile.operators[0].output_rows), (100, Some(100)));
    }
}

#[test]
fn a_file_whose_type_changes_on_the_way_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("late.csv");
    let rows: String = (0..60_000).map(|row| format!("{row}\n")).collect();
    fs::write(&path, format!("v\n{rows}x\n")).unwrap();
    let (session, path) = (session(2), path.to_str().unwrap().to_owned());
    let frame = wait(async move { session.read_csv(&path, &CsvOptions::default()).await }, || Ok(())).unwrap();
    let (batches, profile) = profile(&frame).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 60_001);
    assert_eq!(profile.operators.last().unwrap().output_rows, Some(60_001), "{profile}");
}

#[test]
fn what_went_into_temporary_files_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let config = SessionConfig::default().with_threads(2).with_memory_limit(32 << 20).with_temp_dir(temp.path());
    let session = Session::new(config).unwrap();
    let window = "SELECT MAX(r) AS n FROM (SELECT row_number() OVER (ORDER BY v * 7919 % 1000003, v) AS r \
                  FROM range(3000000) AS t(v)) AS w";
    let (_, profile) = profile_of(&session, window);
    assert!(
        profile.operators.iter().any(|operator| operator.spilled_bytes.is_some_and(|bytes| bytes > 0)),
        "{profile}"
    );
}
