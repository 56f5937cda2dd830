//! Limits of a session: memory with temporary files, time, access to files, and a stop from another thread.

use std::fs;
use std::thread;
use std::time::Duration;

use velaria::arrow::array::{Array, Int64Array};
use velaria::{CsvOptions, Error, ErrorCode, Result, Session, SessionConfig, wait};

use crate::{rows, sql};

const ENDLESS: &str = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS a(v) WHERE v % 7 = 9";

fn number(session: &Session, query: &str) -> Result<i64> {
    let batches = rows(&sql(session, query)?)?;
    let column = batches[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap();
    assert_eq!((batches.len(), column.len()), (1, 1));
    Ok(column.value(0))
}

/// Each of these holds several times the limit, were it not for temporary files.
#[test]
fn sorts_aggregates_and_windows_beyond_the_limit_are_right() {
    let temp = tempfile::tempdir().unwrap();
    let config = SessionConfig::default().with_threads(2).with_memory_limit(32 << 20).with_temp_dir(temp.path());
    let session = Session::new(config).unwrap();
    let queries = [
        ("SELECT COUNT(*) FROM (SELECT v, COUNT(*) AS n FROM range(5000000) AS t(v) GROUP BY v) AS g", 5_000_000),
        ("SELECT COUNT(DISTINCT v % 4000000) AS n FROM range(5000000) AS t(v)", 4_000_000),
        (
            "SELECT CAST(MAX(r) AS BIGINT) AS n FROM (SELECT row_number() OVER (ORDER BY v * 7919 % 1000003, v) AS r \
             FROM range(5000000) AS t(v)) AS w",
            5_000_000,
        ),
    ];
    for (query, expected) in queries {
        assert_eq!(number(&session, query).unwrap(), expected, "{query}");
    }
    drop(session);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_spill_is_a_typed_error_and_the_session_goes_on() {
    let session = Session::new(SessionConfig::default().with_threads(2).with_memory_limit(16 << 20)).unwrap();
    let numbers = "range(5000000)";
    for query in [
        format!("SELECT COUNT(*) FROM {numbers} AS a(v) JOIN {numbers} AS b(w) ON v = w"),
        format!("SELECT array_agg(v) FROM {numbers} AS a(v)"),
        format!("SELECT string_agg(CAST(v AS STRING), ',') FROM {numbers} AS a(v)"),
        format!("SELECT v FROM {numbers} AS a(v)"),
        "SELECT length(repeat('ab', 10000 + v)) AS n FROM range(10000) AS a(v)".to_owned(),
        "SELECT lpad('a', 2147483647) AS n".to_owned(),
        "SELECT length(rpad('a', 100000000, 'é')) AS n".to_owned(),
        "SELECT length(replace(repeat('a', 100000), 'a', repeat('b', 100000))) AS n".to_owned(),
        "SELECT length(regexp_replace(repeat('a', 100000), 'a', repeat('b', 100000), 'g')) AS n".to_owned(),
        "SELECT array_repeat(repeat('x', 1000), 1000000) AS n".to_owned(),
        "SELECT array_resize([1], 100000000, 5) AS n".to_owned(),
        "SELECT array_length(generate_series(0, 100000000)) AS n".to_owned(),
        format!("CREATE TABLE t AS SELECT v FROM {numbers} AS a(v)"),
    ] {
        let error = sql(&session, &query).and_then(|frame| rows(&frame)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::OutOfMemory, "{query}: {}", error.report());
        assert!(error.hint().is_some_and(|hint| hint.contains("memory limit")), "{query}: {}", error.report());
        assert_eq!(number(&session, "SELECT COUNT(*) FROM range(1000)").unwrap(), 1000);
    }
}

#[test]
fn a_deadline_ends_what_computes_without_a_batch() {
    let session = Session::new(SessionConfig::default().with_statement_timeout(Duration::from_millis(200))).unwrap();
    sql(&session, "CREATE TABLE t (n BIGINT)").unwrap();
    let pairs = "SELECT COUNT(*) AS n FROM range(10000000) AS a(v), range(10000000) AS b(w) WHERE (v * w) % 7 = 9";
    for query in [ENDLESS.to_owned(), pairs.to_owned(), format!("INSERT INTO t {ENDLESS}")] {
        let error = sql(&session, &query).and_then(|frame| rows(&frame)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Timeout, "{query}: {}", error.report());
        assert_eq!(error.message(), "the time limit of 200ms was reached");
    }
    assert_eq!(number(&session, "SELECT COUNT(*) FROM t").unwrap(), 0);
}

#[test]
fn another_thread_can_end_every_statement_of_a_session() {
    let session = Session::new(SessionConfig::default().with_threads(2)).unwrap();
    sql(&session, "CREATE TABLE t (n BIGINT)").unwrap();
    let run = |query: String| {
        let session = session.clone();
        thread::spawn(move || sql(&session, &query).and_then(|frame| rows(&frame)).unwrap_err())
    };
    let threads = [run(ENDLESS.to_owned()), run(format!("INSERT INTO t {ENDLESS}"))];
    while threads.iter().any(|thread| !thread.is_finished()) {
        session.interrupt();
        thread::sleep(Duration::from_millis(10));
    }
    for thread in threads {
        assert_eq!(thread.join().unwrap().code(), ErrorCode::Cancelled);
    }
    assert_eq!(number(&session, "SELECT COUNT(*) FROM t").unwrap(), 0);
}

#[test]
fn a_stream_notices_the_interrupt_at_its_next_batch() {
    use futures::StreamExt;
    let session = Session::new(SessionConfig::default()).unwrap();
    let frame = sql(&session, "SELECT v FROM range(1000000000000) AS t(v)").unwrap();
    let other = session.clone();
    let ended = wait(
        async move {
            let mut stream = frame.execute().await?;
            assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
            other.interrupt();
            let error = stream.next().await;
            assert!(stream.next().await.is_none());
            Ok(error)
        },
        || Ok(()),
    );
    // Either the stream or the thread that waits for it was first to notice.
    let error = ended.map_or_else(Some, |next| next.and_then(Result::err)).unwrap();
    assert_eq!(error.code(), ErrorCode::Cancelled);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for config in [
        SessionConfig::default().with_threads(0),
        SessionConfig::default().with_memory_limit(0),
        SessionConfig::default().with_temp_dir("/nowhere/at/all"),
    ] {
        assert_eq!(Session::new(config).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn a_read_only_session_changes_nothing() {
    let session = Session::new(SessionConfig::default().with_read_only()).unwrap();
    for text in [
        "CREATE TABLE t (a INT)",
        "CREATE OR REPLACE TABLE t AS SELECT 1 AS a",
        "INSERT INTO t VALUES (1)",
        "DROP TABLE IF EXISTS t",
    ] {
        assert_eq!(sql(&session, text).unwrap_err().code(), ErrorCode::AccessDenied, "{text}");
    }
    assert_eq!(number(&session, "SELECT 1 + 1 AS two").unwrap(), 2);
}

#[test]
fn a_session_opens_only_the_paths_that_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("in"), dir.path().join("out.csv"));
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("a.csv"), "a\n1\n").unwrap();
    fs::write(&outside, "a\n1\n").unwrap();
    let session = Session::new(SessionConfig::default().with_allowed_paths([&inside])).unwrap();
    let read = |path: &std::path::Path| -> Result<_, Error> {
        let (session, path) = (session.clone(), path.display().to_string());
        wait(async move { session.read_csv(&path, &CsvOptions::default()).await?.collect().await }, || Ok(()))
    };
    assert_eq!(read(&inside.join("a.csv")).unwrap()[0].num_rows(), 1);
    assert_eq!(read(&inside.join("none.csv")).unwrap_err().code(), ErrorCode::FileNotFound);
    for path in [&outside, &inside.join("../out.csv"), &dir.path().join("none.csv")] {
        assert_eq!(read(path).unwrap_err().code(), ErrorCode::AccessDenied, "{}", path.display());
    }
}
