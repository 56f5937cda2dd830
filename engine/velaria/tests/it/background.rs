//! Queries that no thread waits for, and listeners that are told how far queries are.

use std::future::pending;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use velaria::{ErrorCode, Progress, ProgressListener, Result, Session, SessionConfig, begin};

use crate::{rows, sql};

/// A hang is a failure.
const WATCHDOG: Duration = Duration::from_secs(60);

const ENDLESS: &str = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS a(v) WHERE v % 7 = 9";
const PAIRS: &str = "SELECT COUNT(*) AS n FROM range(10000000) AS a(v), range(10000000) AS b(w) WHERE (v * w) % 7 = 9";

/// Says when it is dropped.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn an_answer_comes_once_and_a_panic_is_one() {
    let (sender, answers) = mpsc::channel();
    let other = sender.clone();
    let one = begin(async { Ok(1) }, move |answer| sender.send(answer).unwrap()).unwrap();
    assert_eq!(answers.recv_timeout(WATCHDOG).unwrap().unwrap(), 1);
    drop(one);
    let panics = async { if true { panic!("on purpose") } else { Ok(2) } };
    let two = begin(panics, move |answer| other.send(answer).unwrap()).unwrap();
    assert_eq!(answers.recv_timeout(WATCHDOG).unwrap().unwrap_err().code(), ErrorCode::Internal);
    drop(two);
    assert_eq!(answers.recv_timeout(WATCHDOG).unwrap_err(), RecvTimeoutError::Disconnected);
}

#[test]
fn a_query_that_nobody_wants_ends_without_an_answer() {
    let (dropped, drops) = mpsc::channel();
    let (sender, answers) = mpsc::channel();
    let guard = Guard(dropped);
    let waits = async move {
        let _guard = guard;
        pending::<Result<()>>().await
    };
    let query = begin(waits, move |answer| sender.send(answer).unwrap()).unwrap();
    drop(query);
    drops.recv_timeout(WATCHDOG).unwrap();
    assert_eq!(answers.recv_timeout(WATCHDOG).unwrap_err(), RecvTimeoutError::Disconnected);
}

#[test]
fn deadlines_and_interrupts_end_what_no_thread_waits_for() {
    for (text, interrupted) in [(ENDLESS, false), (PAIRS, false), (ENDLESS, true), (PAIRS, true)] {
        let config = SessionConfig::default().with_threads(2);
        let session = match interrupted {
            true => Session::new(config).unwrap(),
            false => Session::new(config.with_statement_timeout(Duration::from_millis(200))).unwrap(),
        };
        let frame = sql(&session, text).unwrap();
        let (sender, answers) = mpsc::channel();
        let _query = begin(async move { frame.collect().await }, move |answer| sender.send(answer).unwrap()).unwrap();
        let error = loop {
            if interrupted {
                session.interrupt();
            }
            match answers.recv_timeout(Duration::from_millis(20)) {
                Ok(answer) => break answer.unwrap_err(),
                Err(error) => assert_eq!(error, RecvTimeoutError::Timeout),
            }
        };
        let expected = if interrupted { ErrorCode::Cancelled } else { ErrorCode::Timeout };
        assert_eq!(error.code(), expected, "{text}");
    }
}

/// What a listener of a new session is told.
fn heard() -> (Session, Arc<Mutex<Vec<Progress>>>) {
    let session = Session::new(SessionConfig::default().with_threads(2)).unwrap();
    let told: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let list = Arc::clone(&told);
    session.set_progress_listener(Some(ProgressListener::new(move |progress| list.lock().unwrap().push(*progress))));
    (session, told)
}

#[test]
fn every_row_of_every_scan_is_counted_once() {
    let (session, told) = heard();
    sql(&session, "CREATE TABLE t AS SELECT v FROM range(100000) AS r(v)").unwrap();
    for (text, read, total) in [
        ("SELECT v FROM t", 100_000, Some(100_000)),
        ("SELECT SUM(v) FROM t", 100_000, Some(100_000)),
        ("SELECT a.v FROM t AS a JOIN t AS b ON a.v = b.v", 200_000, Some(200_000)),
        ("SELECT v FROM t UNION ALL SELECT v FROM t", 200_000, Some(200_000)),
    ] {
        told.lock().unwrap().clear();
        rows(&sql(&session, text).unwrap()).unwrap();
        let last = *told.lock().unwrap().last().unwrap();
        assert_eq!((last.rows, last.bytes, last.rows_total, last.finished), (read, 8 * read, total, true), "{text}");
        assert_eq!(told.lock().unwrap().iter().filter(|progress| progress.finished).count(), 1, "{text}");
    }
}

#[test]
fn the_bytes_of_files_are_counted_to_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (session, told) = heard();
    let source = "SELECT v, v * 7 AS w FROM range(200000) AS r(v)";
    // Large enough for several threads, which is another way to read.
    for name in ["t.csv", "t.ndjson", "t.parquet"] {
        rows(&sql(&session, &format!("COPY ({source}) TO '{}'", at(name))).unwrap()).unwrap();
    }
    for name in ["t.csv", "t.ndjson"] {
        told.lock().unwrap().clear();
        rows(&sql(&session, &format!("SELECT SUM(w) FROM '{}'", at(name))).unwrap()).unwrap();
        let last = *told.lock().unwrap().last().unwrap();
        let bytes = std::fs::metadata(at(name)).unwrap().len();
        assert_eq!((last.file_bytes, last.file_bytes_total), (bytes, Some(bytes)), "{name}");
    }
    rows(&sql(&session, &format!("SELECT SUM(w) FROM '{}'", at("t.parquet"))).unwrap()).unwrap();
    let last = *told.lock().unwrap().last().unwrap();
    assert_eq!((last.file_bytes_total, last.rows_total), (None, Some(200_000)));
}

#[test]
fn planning_and_constants_are_not_told_of() {
    let (session, told) = heard();
    let frame = sql(&session, "SELECT SUM(v) FROM range(1000) AS r(v)").unwrap();
    assert!(told.lock().unwrap().is_empty());
    rows(&sql(&session, "SELECT 1").unwrap()).unwrap();
    assert!(told.lock().unwrap().is_empty());
    session.set_progress_listener(None);
    rows(&frame).unwrap();
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn a_stream_that_is_dropped_is_told_of_once_more() {
    use futures::StreamExt;
    let (session, told) = heard();
    let frame = sql(&session, "SELECT v FROM range(1000000000000) AS r(v)").unwrap();
    let pulled = async move {
        let mut stream = frame.execute().await?;
        Ok(stream.next().await.is_some())
    };
    assert!(velaria::wait(pulled, || Ok(())).unwrap());
    while !told.lock().unwrap().last().is_some_and(|progress| progress.finished) {
        std::thread::yield_now();
    }
}
