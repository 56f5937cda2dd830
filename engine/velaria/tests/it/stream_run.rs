//! Stream SQL from the text to the rows in a sink.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use velaria::arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use velaria::arrow::datatypes::{DataType, Field, Schema};
use velaria::arrow::util::pretty::pretty_format_batches;
use velaria::stream::{MemorySinkTable, PartFilesTable, PartFormat};
use velaria::{ErrorCode, ReadOptions, Result, Session, SessionConfig, StreamOptions, Totals, wait};

fn at_once() -> StreamOptions {
    StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() }
}

/// A session with the stream `s` of the batches {(a,1),(b,2),(a,3)} and {(a,10),(c,20)}.
fn two_batches() -> Session {
    let session = crate::session(1);
    let schema =
        Arc::new(Schema::new(vec![Field::new("key", DataType::Utf8, true), Field::new("v", DataType::Int64, true)]));
    let batch = |keys: Vec<&str>, values: Vec<i64>| {
        let columns = vec![Arc::new(StringArray::from(keys)) as _, Arc::new(Int64Array::from(values)) as _];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let batches = vec![batch(vec!["a", "b", "a"], vec![1, 2, 3]), batch(vec!["a", "c"], vec![10, 20])];
    let frame = session.create_stream_from_arrow(Arc::clone(&schema), batches).unwrap();
    session.create_stream_view("s", &frame).unwrap();
    session
}

fn run(session: &Session, text: &str) -> Result<u64> {
    let (session, text) = (session.clone(), text.to_owned());
    let query = wait(async move { session.start_stream_sql(&text, &at_once()).await }, || Ok(()))?;
    query.await_termination(0, Some(Duration::from_secs(30)))
}

/// The rows that a query puts into the memory sink `out`, without the frame of the table.
fn rows(session: &Session, columns: &str, query: &str) -> Vec<String> {
    crate::sql(session, &format!("CREATE OR REPLACE SINK TABLE out ({columns}) USING memory")).unwrap();
    let ran = run(session, &format!("INSERT INTO out {query}"));
    ran.map_err(|error| format!("{query}\n{}", error.report())).unwrap();
    shown(&session.memory_sink("out").unwrap())
}

fn shown(sink: &MemorySinkTable) -> Vec<String> {
    let text = pretty_format_batches(&sink.batches()).unwrap().to_string();
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(",");
    text.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

#[test]
fn totals_go_on_from_one_micro_batch_to_the_next() {
    let session = two_batches();
    assert_eq!(
        rows(&session, "key STRING, s INT", "SELECT key, SUM(v) AS s FROM s GROUP BY key"),
        ["a,4", "b,2", "a,14", "c,20"]
    );
    assert_eq!(
        rows(&session, "key STRING, d INT", "SELECT key, SUM(v) * 2 AS d FROM s GROUP BY key HAVING SUM(v) > 3"),
        ["a,8", "a,28", "c,40"]
    );
    assert_eq!(rows(&session, "n INT", "SELECT COUNT(*) AS n FROM s"), ["3", "5"]);
    assert_eq!(rows(&session, "n INT", "SELECT SUM(v) AS n FROM s WHERE v > 2"), ["3", "33"]);
    let complete = "SELECT COUNT(*) AS n FROM s OPTIONS(output_mode: 'complete')";
    assert_eq!(rows(&session, "n INT", complete), ["3", "5"]);
    assert_eq!(rows(&session, "k STRING", "SELECT DISTINCT key FROM s"), ["a", "b", "c"]);
    assert_eq!(
        rows(
            &session,
            "key STRING, s INT",
            "SELECT key, SUM(v) AS s FROM s GROUP BY key ORDER BY s DESC LIMIT 2 OPTIONS(output_mode: 'complete')"
        ),
        ["a,4", "b,2", "c,20", "a,14"]
    );
}

#[test]
fn rows_are_filtered_computed_joined_and_counted_off() {
    let session = two_batches();
    crate::sql(&session, "CREATE TABLE t (id STRING, name STRING)").unwrap();
    crate::sql(&session, "INSERT INTO t VALUES ('a', 'Anna'), ('c', 'Carl'), (NULL, 'Nobody')").unwrap();
    assert_eq!(
        rows(&session, "a STRING, b INT", "SELECT upper(key) AS u, v + 1 AS w FROM s WHERE v > 2"),
        ["A,4", "A,11", "C,21"]
    );
    assert_eq!(
        rows(&session, "a STRING, b INT", "SELECT t.name, s.v FROM t JOIN s ON s.key = t.id"),
        ["Anna,1", "Anna,3", "Anna,10", "Carl,20"]
    );
    assert_eq!(rows(&session, "a INT", "SELECT v FROM s WHERE key IN (SELECT id FROM t)"), ["1", "3", "10", "20"]);
    assert_eq!(
        rows(&session, "a INT", "SELECT v FROM s WHERE key NOT IN (SELECT id FROM t WHERE id IS NOT NULL)"),
        ["2"]
    );
    assert_eq!(rows(&session, "a INT", "SELECT v FROM s WHERE key NOT IN (SELECT id FROM t)"), Vec::<String>::new());
    assert_eq!(rows(&session, "a INT", "SELECT v FROM s WHERE v > (SELECT count(*) FROM t)"), ["10", "20"]);
    assert_eq!(rows(&session, "a INT", "SELECT v FROM s LIMIT 2 OFFSET 2"), ["3", "10"]);
    assert_eq!(rows(&session, "a INT", "SELECT v FROM s UNION ALL SELECT -v AS v FROM s WHERE v > 5").len(), 7);
}

#[test]
fn windows_multiply_rows_and_group_them() {
    let session = two_batches();
    let query = "SELECT w, COUNT(*) AS c FROM s WINDOW BY v EVERY 10 SLIDE 5 AS w GROUP BY w";
    assert_eq!(rows(&session, "w INT, c INT", query), ["-5,3", "0,3", "5,1", "10,1", "15,1", "20,1"]);
    let query = "SELECT w, v FROM s WHERE v >= 10 WINDOW BY v EVERY 100 AS w";
    assert_eq!(rows(&session, "w INT, v INT", query), ["0,10", "0,20"]);
    let query = "SELECT w, COUNT(*) AS c FROM s WINDOW BY v EVERY 5 AS w GROUP BY w \
                 OPTIONS(output_mode: 'append', watermark_column: 'v', watermark_delay_ms: 0)";
    assert_eq!(rows(&session, "w INT, c INT", query), ["0,3", "10,1", "20,1"]);
}

#[test]
fn values_of_subqueries_are_told_from_totals_of_the_same_name() {
    let session = two_batches();
    crate::sql(&session, "CREATE TABLE m (key STRING, v INT)").unwrap();
    crate::sql(&session, "INSERT INTO m VALUES ('a', 13), ('a', 14), ('b', 2), ('b', 1)").unwrap();
    let of = |query: &str| rows(&session, "key STRING, s INT", query);
    let having = |condition: &str| format!("SELECT key, SUM(v) AS s FROM s AS m GROUP BY key HAVING {condition}");
    assert_eq!(of(&having("SUM(v) = (SELECT MAX(v) FROM m)")), ["a,14"]);
    assert_eq!(of(&having("MAX(v) = (SELECT MAX(v) - 4 FROM m)")), ["a,14"]);
    assert_eq!(of(&having("SUM(v) > (SELECT SUM(v) - 29 FROM m)")), ["a,4", "b,2", "a,14", "c,20"]);
    assert_eq!(
        of("SELECT key, MAX(v) - (SELECT MAX(v) FROM m) AS s FROM s AS m GROUP BY key"),
        ["a,-11", "b,-12", "a,-4", "c,6"]
    );
    assert_eq!(of("SELECT key, v FROM s WHERE v = (SELECT MAX(v) FROM m WHERE m.key = s.key)"), ["b,2"]);
    let distinct =
        "SELECT s.key, t.v FROM s JOIN (SELECT DISTINCT ON (key) key, v FROM m ORDER BY key, v) AS t ON t.key = s.key";
    assert_eq!(of(distinct), ["a,13", "b,1", "a,13", "a,13"]);
}

/// RC-STREAM-9
#[test]
fn what_goes_wrong_with_a_row_is_said_as_in_batch() {
    let session = two_batches();
    crate::sql(&session, "CREATE SINK TABLE out (a INT) USING memory").unwrap();
    let failed = |query: &str| run(&session, &format!("INSERT INTO out {query}")).unwrap_err().report().to_string();
    assert_eq!(
        failed("SELECT CAST(key AS INT) AS a FROM s"),
        "cannot read 'a' as INT [VEL-5003]\nhint: TRY_CAST gives NULL for values that cannot be converted"
    );
    assert_eq!(
        failed("SELECT 1 / (v - 2) AS a FROM s"),
        "division by zero [VEL-5005]\nhint: NULLIF(divisor, 0) gives NULL instead"
    );
    let sum = failed("SELECT SUM(v * 900000000000000000) AS a FROM s");
    assert!(sum.starts_with("overflow happened on: ") && sum.contains("[VEL-5004]"), "{sum}");
}

/// RC-STREAM-11
#[test]
fn a_session_writes_only_the_files_that_it_may() {
    let dir = TempDir::new().unwrap();
    let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let path = |folder: &std::path::Path, name: &str| folder.join(name).to_str().unwrap().to_owned();
    let limited = |read_only| {
        let config = SessionConfig::default().with_allowed_paths([&inside]);
        let session = Session::new(if read_only { config.with_read_only() } else { config }).unwrap();
        let batch = RecordBatch::try_from_iter([("v", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        let frame = session.create_stream_from_arrow(batch.schema(), vec![batch]).unwrap();
        (session, frame)
    };
    let denied = |result: Result<()>, what: &str| match result {
        Err(error) => assert_eq!(error.code(), ErrorCode::AccessDenied, "{what}: {}", error.report()),
        Ok(()) => panic!("{what} is allowed"),
    };
    let checkpoint = |folder: &std::path::Path| StreamOptions { checkpoint_path: path(folder, "state"), ..at_once() };
    let source = |folder: &std::path::Path, options: &str| {
        format!("CREATE SOURCE TABLE f (v INT) USING csv OPTIONS(path: '{}'{options})", folder.display())
    };
    for read_only in [false, true] {
        let (session, frame) = limited(read_only);
        let sql = |text: &str| crate::sql(&session, text).map(drop);
        for (using, name) in [("csv", "x.csv"), ("csv", "x/"), ("json", "x"), ("parquet", "x")] {
            let text = format!("CREATE SINK TABLE o (v INT) USING {using} OPTIONS(path: '{}')", path(&outside, name));
            denied(sql(&text), &text);
        }
        let memory = Arc::new(MemorySinkTable::new());
        denied(frame.write_stream_csv(&path(&outside, "x.csv"), ",", &at_once()).map(drop), "a file");
        let parts = || PartFilesTable::new(&path(&outside, "x"), PartFormat::named("csv").unwrap(), None).unwrap();
        denied(frame.write(Arc::new(parts()), &at_once()).map(drop), "a folder");
        denied(frame.write(memory.clone(), &checkpoint(&outside)).map(drop), "a checkpoint");
        denied(session.read_stream_csv_dir(outside.to_str().unwrap(), &ReadOptions::new()).map(drop), "a source");
        let quarantine =
            ReadOptions::new().with("quarantine_path", path(&outside, "bad")).with("on_bad_row", "quarantine");
        denied(session.read_stream_csv_dir(inside.to_str().unwrap(), &quarantine).map(drop), "a quarantine");
        if read_only {
            denied(frame.write_stream_csv(&path(&inside, "x.csv"), ",", &at_once()).map(drop), "a change");
            denied(frame.write(memory.clone(), &checkpoint(&inside)).map(drop), "a kept checkpoint");
        } else {
            denied(sql(&source(&outside, "")).and_then(|()| sql("SELECT * FROM f")), "a source table");
            frame.write_stream_csv(&path(&inside, "x.csv"), ",", &checkpoint(&inside)).unwrap();
        }
        // What stays in memory is nobody's file.
        frame.write(memory, &at_once()).unwrap();
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_sink_of_csv_has_the_declared_names_and_keeps_types_that_would_lose() {
    let session = two_batches();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.csv");
    let text = format!(
        "CREATE SINK TABLE c (name STRING, half INT) USING csv OPTIONS(path: '{}', delimiter ';')",
        path.display()
    );
    crate::sql(&session, &text).unwrap();
    run(&session, "INSERT INTO c SELECT key, CAST(v AS DOUBLE) / 2 AS h FROM s WHERE v = 3").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "name;half\na;1.5\n");
    assert!(session.take_notices().iter().any(|note| note.contains("half")), "the type is told");
    crate::sql(&session, "CREATE SINK TABLE m (name STRING, half INT) USING memory").unwrap();
    let error = run(&session, "INSERT INTO m SELECT key, CAST(v AS DOUBLE) / 2 AS h FROM s").unwrap_err();
    assert_eq!(error.message(), "cannot insert DOUBLE into column half of type INT");
    let error = run(&session, "INSERT INTO m SELECT key FROM s").unwrap_err();
    assert_eq!(error.message(), "INSERT SELECT column count mismatch");
}

#[test]
fn a_source_table_is_a_table_in_batch_and_a_stream_in_stream_sql() {
    let session = crate::session(1);
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("1.csv"), "key,v\na,1\nb,2\n").unwrap();
    std::fs::write(dir.path().join("2.csv"), "key,v\na,3\n").unwrap();
    let text = format!(
        "CREATE SOURCE TABLE f (key STRING, v INT) USING csv OPTIONS(path '{}', settle_ms: 0, rows_per_batch: 1)",
        dir.path().display()
    );
    crate::sql(&session, &text).unwrap();
    let frame = crate::sql(&session, "SELECT count(*) AS c FROM f").unwrap();
    assert!(crate::text(&frame).contains("| 3 "));
    crate::sql(&session, "CREATE SINK TABLE out (key STRING, s INT) USING memory").unwrap();
    let started = session.clone();
    let query = wait(
        async move {
            started.start_stream_sql("INSERT INTO out SELECT key, SUM(v) AS s FROM f GROUP BY key", &at_once()).await
        },
        || Ok(()),
    )
    .unwrap();
    assert_eq!(query.await_termination(3, Some(Duration::from_secs(30))).unwrap(), 3);
    assert_eq!(shown(&session.memory_sink("out").unwrap()), ["a,1", "b,2", "a,4"]);
}

#[test]
fn frames_write_to_queues_and_files() {
    let session = crate::session(1);
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
    let source = session.create_realtime_stream_source(Arc::clone(&schema));
    let sink = session.create_realtime_stream_sink();
    let frame = session.read_realtime_stream_source(&source).unwrap();
    let counted = frame.group_count(&[], Totals::PerBatch, "n").unwrap();
    let query = counted.write_stream_queue_sink(&sink, &at_once()).unwrap();
    query.start().unwrap();
    let batch = RecordBatch::try_new(schema, vec![Arc::new(Float64Array::from(vec![1.0, 2.0]))]).unwrap();
    source.push(batch.clone()).unwrap();
    source.push(batch).unwrap();
    source.close();
    assert_eq!(query.await_termination(0, Some(Duration::from_secs(30))).unwrap(), 2);
    let mut counts = Vec::new();
    while let Some(batch) = sink.poll() {
        counts.push(pretty_format_batches(&[batch]).unwrap().to_string());
    }
    assert_eq!(counts.len(), 2);
    assert!(counts.iter().all(|text| text.contains("| 2 ")), "{counts:?}");
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.csv");
    let again = two_batches();
    let text = "SELECT key FROM s LIMIT 1";
    let frame = {
        let again = again.clone();
        wait(async move { again.stream_sql(text, &StreamOptions::default()).await }, || Ok(())).unwrap()
    };
    let query = frame.write_stream_csv(path.to_str().unwrap(), ",", &at_once()).unwrap();
    query.await_termination(0, Some(Duration::from_secs(30))).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "key\na\n");
}
