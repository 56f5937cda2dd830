//! The law of streams: whatever the rows, however they are split into micro-batches, spread over workers, stopped and gone on
//! with, the rows that are left are those of the batch statement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use velaria::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use velaria::arrow::util::display::{ArrayFormatter, FormatOptions};
use velaria::stream::MemorySinkTable;
use velaria::{ExecutionMode, Session, StreamOptions, wait};

use crate::{rows, session, sql};

/// A statement, and how many of its first columns say which row a row replaces; 0 when it replaces none.
struct Law {
    select: &'static str,
    /// The same for the batch engine, when that has no word for it.
    batch: Option<&'static str>,
    keys: usize,
}

const fn law(keys: usize, select: &'static str) -> Law {
    Law { select, batch: None, keys }
}

const LAWS: [Law; 17] = [
    law(0, "SELECT n, x, k FROM s"),
    law(0, "SELECT n + 1 AS m, upper(k) AS u FROM s WHERE n > 0 OR x IS NULL"),
    law(0, "SELECT n FROM s WHERE n > 0 UNION ALL SELECT -n AS n FROM s WHERE n < 10"),
    law(0, "SELECT s.n, d.label FROM s JOIN d ON s.k = d.k"),
    law(0, "SELECT s.n, d.label FROM s LEFT JOIN d ON s.k = d.k AND s.n > d.least"),
    law(0, "SELECT n FROM s WHERE k IN (SELECT k FROM d)"),
    law(0, "SELECT DISTINCT k, n FROM s WHERE n > -10"),
    law(1, "SELECT k, SUM(n) AS a, COUNT(*) AS c, MIN(x) AS low, MAX(n) AS high FROM s GROUP BY k"),
    law(1, "SELECT k, AVG(n) AS a, COUNT(x) AS c FROM s WHERE n < 40 GROUP BY k"),
    law(1, "SELECT k, COUNT(DISTINCT n) AS c, SUM(DISTINCT n) AS t FROM s GROUP BY k"),
    law(1, "SELECT k, SUM(n) FILTER (WHERE n > 0) AS a, COUNT(*) FILTER (WHERE x IS NULL) AS c FROM s GROUP BY k"),
    law(1, "SELECT n % 3 AS r, COUNT(*) AS c, MAX(k) AS last FROM s GROUP BY n % 3"),
    // A count never falls, so a group that satisfies the condition once does so to the end.
    law(1, "SELECT k, COUNT(*) AS c FROM s GROUP BY k HAVING COUNT(*) > 2"),
    law(2, "SELECT d.label, s.n > 0 AS up, COUNT(*) AS c FROM s JOIN d ON s.k = d.k GROUP BY d.label, s.n > 0"),
    law(1, "SELECT k, SUM(n) AS t FROM (SELECT k, n FROM s WHERE n > 0 UNION ALL SELECT k, n FROM s) AS u GROUP BY k"),
    Law {
        select: "SELECT w, k, SUM(n) AS t, COUNT(*) AS c FROM s WINDOW BY n EVERY 10 AS w GROUP BY w, k",
        batch: Some(
            "SELECT CAST(floor(n / 10.0) * 10 AS BIGINT) AS w, k, SUM(n) AS t, COUNT(*) AS c FROM s \
             GROUP BY CAST(floor(n / 10.0) * 10 AS BIGINT), k",
        ),
        keys: 2,
    },
    Law {
        select: "SELECT w, COUNT(*) AS c FROM s WINDOW BY n EVERY 10 SLIDE 5 AS w GROUP BY w",
        batch: Some(
            "SELECT w, COUNT(*) AS c FROM (SELECT CAST(floor(n / 5.0) * 5 AS BIGINT) AS w FROM s UNION ALL \
             SELECT CAST(floor(n / 5.0) * 5 - 5 AS BIGINT) AS w FROM s WHERE n IS NOT NULL) AS u GROUP BY w",
        ),
        keys: 1,
    },
];

type Row = (Option<i64>, Option<f64>, Option<String>);

fn row() -> impl Strategy<Value = Row> {
    (
        prop::option::weighted(0.9, -50_i64..50),
        prop::option::of((-1000_i32..1000).prop_map(|value| f64::from(value) / 8.0)),
        prop::option::weighted(0.9, "[a-d]"),
    )
}

fn batch(rows: &[Row]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("n", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as ArrayRef, true),
        ("x", Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()) as ArrayRef, true),
        ("k", Arc::new(rows.iter().map(|row| row.2.clone()).collect::<StringArray>()) as ArrayRef, true),
    ])
    .unwrap()
}

/// The rows in pieces of these sizes; some may have none.
fn split(rows: &[Row], sizes: &[usize]) -> Vec<RecordBatch> {
    let mut rest = rows;
    let mut batches = Vec::new();
    for size in sizes {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        batches.push(batch(piece));
        rest = after;
    }
    batches.push(batch(rest));
    batches
}

fn with_table() -> Session {
    let session = session(1);
    sql(&session, "CREATE TABLE d (k STRING, label STRING, least INT)").unwrap();
    sql(&session, "INSERT INTO d VALUES ('a', 'A', 0), ('a', 'B', 20), ('c', 'C', -5), (NULL, 'N', 0)").unwrap();
    session
}

fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>()),
        );
    }
    rows
}

/// What the batch engine says, sorted.
fn expected(law: &Law, rows_all: &[Row]) -> Vec<Vec<String>> {
    let session = with_table();
    let whole = batch(rows_all);
    let frame = session.create_dataframe_from_arrow(whole.schema(), vec![whole]).unwrap();
    session.create_temp_view("s", &frame).unwrap();
    let mut answer = texts(&rows(&sql(&session, law.batch.unwrap_or(law.select)).unwrap()).unwrap());
    answer.sort();
    answer
}

/// What is left of the rows that a stream has given, sorted.
fn left(law: &Law, given: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut left: Vec<Vec<String>> = match law.keys {
        0 => given,
        keys => {
            given.into_iter().map(|row| (row[..keys].to_vec(), row)).collect::<BTreeMap<_, _>>().into_values().collect()
        }
    };
    left.sort();
    left
}

/// A run with so many workers, stopped after so many micro-batches.
#[derive(Debug, Clone)]
struct Stop {
    workers: u64,
    batches: u64,
}

fn stop() -> impl Strategy<Value = Stop> {
    (prop::sample::select(vec![1_u64, 2, 4]), 1_u64..4).prop_map(|(workers, batches)| Stop { workers, batches })
}

/// Runs the statement with the stops, and then to its end.
fn streamed(law: &Law, batches: &[RecordBatch], stops: &[Stop], workers: u64) -> Vec<Vec<String>> {
    let checkpoint = tempfile::tempdir().unwrap();
    let sink = MemorySinkTable::new();
    let last = Stop { workers, batches: 0 };
    for Stop { workers, batches: most } in stops.iter().chain([&last]) {
        let session = with_table();
        let frame = session.create_stream_from_arrow(batches[0].schema(), batches.to_vec()).unwrap();
        session.create_stream_view("s", &frame).unwrap();
        let options = StreamOptions {
            trigger_interval_ms: 0,
            checkpoint_path: checkpoint.path().to_str().unwrap().to_owned(),
            execution_mode: if *workers > 1 { ExecutionMode::LocalWorkers } else { ExecutionMode::SingleProcess },
            local_workers: *workers,
            ..StreamOptions::default()
        };
        let planned = {
            let (options, select) = (options.clone(), law.select);
            wait(async move { session.stream_sql(select, &options).await }, || Ok(())).unwrap()
        };
        let query = planned.write(Arc::new(sink.clone()), &options).unwrap();
        query.await_termination(*most, Some(Duration::from_secs(60))).unwrap();
    }
    texts(&sink.batches())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_stream_ends_with_the_rows_of_the_batch_statement(
        all in prop::collection::vec(row(), 1..50),
        sizes in prop::collection::vec(0_usize..12, 1..6),
        stops in prop::collection::vec(stop(), 0..3),
        workers in prop::sample::select(vec![1_u64, 2, 4]),
        number in 0..LAWS.len(),
    ) {
        let law = &LAWS[number];
        let given = left(law, streamed(law, &split(&all, &sizes), &stops, workers));
        prop_assert_eq!(given, expected(law, &all), "{}", law.select);
    }
}
