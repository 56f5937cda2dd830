//! Sessions: isolation, laziness, cancellation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use velaria::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use velaria::{Error, ErrorCode, SessionConfig, wait};

use crate::{rows, session, sql, text};

/// RC-SESSION-1
#[test]
fn two_sessions_never_see_each_others_names() {
    let (one, two) = (session(1), session(1));
    sql(&one, "CREATE TABLE t (id INT)").unwrap();
    assert_eq!(sql(&two, "SELECT * FROM t").unwrap_err().code(), ErrorCode::TableNotFound);
    sql(&two, "CREATE TABLE t (name STRING)").unwrap();
    assert_eq!(sql(&one, "SELECT * FROM t").unwrap().schema().field(0).name(), "id");
}

#[test]
fn a_frame_runs_again_each_time_and_sees_later_inserts() {
    let session = session(1);
    sql(&session, "CREATE TABLE t (id INT)").unwrap();
    let frame = sql(&session, "SELECT COUNT(*) AS n FROM t").unwrap();
    let before = text(&frame);
    sql(&session, "INSERT INTO t VALUES (1), (2)").unwrap();
    assert_ne!(text(&frame), before);
}

#[test]
fn an_insert_that_fails_changes_nothing() {
    let session = session(1);
    sql(&session, "CREATE TABLE t (id INT)").unwrap();
    sql(&session, "INSERT INTO t VALUES (1)").unwrap();
    assert!(sql(&session, "INSERT INTO t SELECT * FROM (VALUES ('2'), ('x')) AS v(a)").is_err());
    let frame = sql(&session, "SELECT id FROM t").unwrap();
    assert_eq!(rows(&frame).unwrap().iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
}

#[test]
fn a_view_with_two_columns_of_one_name_is_refused() {
    let session = session(1);
    let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let frame = session.create_dataframe_from_arrow(batch.schema(), vec![batch]).unwrap();
    session.create_temp_view("l", &frame).unwrap();
    session.create_temp_view("r", &frame).unwrap();
    let joined = sql(&session, "SELECT l.a, r.a FROM l, r").unwrap();
    assert_eq!(session.create_temp_view("v", &joined).unwrap_err().code(), ErrorCode::DuplicateColumn);
}

/// An interrupt ends a query that computes for hours, and nothing of it keeps a thread of the engine: the query after it
/// needs one. (`stop.rs` tests the same of every operator, `runtime.rs` that others get new threads if one does not stop.)
#[test]
fn a_compute_bound_query_stops_when_it_is_told_to() {
    let session = session(2);
    let big = "SELECT value AS x FROM range(1, 1000000)";
    let query = format!("SELECT COUNT(*) FROM ({big}) AS a JOIN ({big}) AS b ON a.x % 2 = b.x % 2");
    let frame = sql(&session, &query).unwrap();
    let started = Instant::now();
    let stop = || match started.elapsed() > Duration::from_millis(300) {
        true => Err(Error::new(ErrorCode::Cancelled, "interrupted")),
        false => Ok(()),
    };
    let stopped = wait(async move { frame.collect().await }, stop);
    assert_eq!(stopped.unwrap_err().code(), ErrorCode::Cancelled);
    assert!(text(&sql(&session, "SELECT 1 + 1 AS two").unwrap()).contains('2'));
}

#[test]
fn a_stream_hands_out_batches_before_the_query_is_done() {
    let session = session(2);
    let frame = sql(&session, "SELECT value FROM range(1, 1000000000000)").unwrap();
    let first = wait(async move { Ok(frame.execute().await?.next().await) }, || Ok(())).unwrap();
    assert!(first.unwrap().unwrap().num_rows() > 0);
}

#[test]
fn a_session_works_from_many_threads() {
    let session = session(2);
    sql(&session, "CREATE TABLE t AS SELECT value AS n FROM range(0, 1000)").unwrap();
    let expected = text(&sql(&session, "SELECT SUM(n) AS s FROM t").unwrap());
    let session = Arc::new(session);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(text(&sql(&session, "SELECT SUM(n) AS s FROM t").unwrap()), expected);
                }
            });
        }
    });
}

#[test]
fn zero_threads_are_refused() {
    let refused = velaria::Session::new(SessionConfig::default().with_threads(0)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
}
