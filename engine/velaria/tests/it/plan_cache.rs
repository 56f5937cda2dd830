//! A kept plan never shows what is not there any more.

use std::sync::Arc;
use std::thread;

use proptest::prelude::*;
use velaria::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use velaria::{ErrorCode, Session, wait};

use crate::{rows, session, sql, text};

const SUM: &str = "SELECT SUM(n) AS total FROM t";

fn numbers(values: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]).unwrap()
}

fn register(session: &Session, name: &str, batch: RecordBatch) {
    let frame = session.create_dataframe_from_arrow(batch.schema(), vec![batch]).unwrap();
    session.create_temp_view(name, &frame).unwrap();
}

fn total(session: &Session, query: &str) -> Option<i64> {
    let batches = rows(&sql(session, query).unwrap()).unwrap();
    let column = batches[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap();
    column.iter().next().flatten()
}

#[test]
fn a_replaced_table_is_read_anew() {
    let session = session(2);
    for value in [1, 2, 3] {
        register(&session, "t", numbers(&[value, value]));
        assert_eq!(total(&session, SUM), Some(2 * value));
        assert_eq!(total(&session, SUM), Some(2 * value));
    }
}

#[test]
fn a_frame_keeps_the_table_that_it_was_made_over() {
    let session = session(2);
    register(&session, "t", numbers(&[1]));
    sql(&session, SUM).unwrap();
    let before = sql(&session, SUM).unwrap();
    register(&session, "t", numbers(&[5]));
    let after = sql(&session, SUM).unwrap();
    for _ in 0..2 {
        assert!(text(&before).contains("| 1 "));
        assert!(text(&after).contains("| 5 "));
    }
}

#[test]
fn an_insert_is_seen_also_by_a_frame_that_ran_before() {
    let session = session(2);
    sql(&session, "CREATE TABLE t (n BIGINT)").unwrap();
    let frame = sql(&session, SUM).unwrap();
    let again = sql(&session, SUM).unwrap();
    for round in 1..4 {
        sql(&session, "INSERT INTO t VALUES (1), (2)").unwrap();
        for frame in [&frame, &again, &sql(&session, SUM).unwrap()] {
            assert!(text(frame).contains(&format!("| {} ", 3 * round)), "{}", text(frame));
        }
    }
}

#[test]
fn a_dropped_table_is_not_found_and_a_new_one_has_its_own_columns() {
    let session = session(2);
    sql(&session, "CREATE TABLE t (n BIGINT)").unwrap();
    rows(&sql(&session, SUM).unwrap()).unwrap();
    sql(&session, "DROP TABLE t").unwrap();
    assert_eq!(sql(&session, SUM).unwrap_err().code(), ErrorCode::TableNotFound);

    sql(&session, "CREATE TABLE t (m BIGINT)").unwrap();
    assert_eq!(sql(&session, SUM).unwrap_err().code(), ErrorCode::ColumnNotFound);

    sql(&session, "CREATE OR REPLACE TABLE t (n DOUBLE)").unwrap();
    sql(&session, "INSERT INTO t VALUES (0.5)").unwrap();
    assert!(text(&sql(&session, SUM).unwrap()).contains("0.5"));
}

#[test]
fn a_view_of_the_same_columns_takes_the_place_of_a_table() {
    let session = session(2);
    register(&session, "t", numbers(&[1, 2]));
    assert_eq!(total(&session, SUM), Some(3));
    register(&session, "u", numbers(&[10, 20]));
    session.create_temp_view("t", &sql(&session, "SELECT n FROM u WHERE n > 10").unwrap()).unwrap();
    assert_eq!(total(&session, SUM), Some(20));
}

#[test]
fn a_view_keeps_its_table_where_the_statement_names_a_newer_one() {
    let session = session(2);
    let both = "SELECT SUM(t.n * v.n) AS total FROM t, v";
    register(&session, "t", numbers(&[2]));
    session.create_temp_view("v", &sql(&session, "SELECT n FROM t").unwrap()).unwrap();
    assert_eq!(total(&session, both), Some(4));
    register(&session, "t", numbers(&[10]));
    assert_eq!(total(&session, both), Some(20));
}

#[test]
fn two_names_of_one_table_are_two_tables_when_one_is_replaced() {
    let session = session(2);
    let both = "SELECT SUM(a.n * b.n) AS total FROM a, b";
    let batch = numbers(&[3]);
    let frame = session.create_dataframe_from_arrow(batch.schema(), vec![batch]).unwrap();
    session.create_temp_view("a", &frame).unwrap();
    session.create_temp_view("b", &frame).unwrap();
    assert_eq!(total(&session, both), Some(9));
    register(&session, "b", numbers(&[5]));
    assert_eq!(total(&session, both), Some(15));
}

#[test]
fn a_name_in_another_case_means_the_table_that_is_closest_now() {
    let session = session(2);
    let upper = "SELECT SUM(n) AS total FROM T";
    register(&session, "t", numbers(&[1]));
    assert_eq!(total(&session, upper), Some(1));
    register(&session, "T", numbers(&[7]));
    assert_eq!(total(&session, upper), Some(7));
    assert_eq!(total(&session, SUM), Some(1));
}

#[test]
fn the_clock_goes_on() {
    let session = session(2);
    let now = || text(&sql(&session, "SELECT now() AS at").unwrap());
    let first = now();
    thread::sleep(std::time::Duration::from_millis(5));
    assert_ne!(first, now());
}

#[test]
fn random_numbers_are_drawn_each_time() {
    let session = session(2);
    let draw = || text(&sql(&session, "SELECT random() AS x").unwrap());
    assert_ne!(draw(), draw());
}

#[test]
fn sessions_share_plans_and_not_rows() {
    let (one, two) = (session(2), session(2));
    register(&one, "t", numbers(&[1]));
    register(&two, "t", numbers(&[2]));
    for _ in 0..3 {
        assert_eq!((total(&one, SUM), total(&two, SUM)), (Some(1), Some(2)));
    }
    let empty = session(2);
    assert_eq!(sql(&empty, SUM).unwrap_err().code(), ErrorCode::TableNotFound);
}

#[test]
fn a_table_that_grows_large_is_still_read_whole() {
    let session = session(2);
    sql(&session, "CREATE TABLE t (n BIGINT)").unwrap();
    let count = "SELECT COUNT(*) AS c, MAX(n) AS high FROM t";
    for (inserted, expected) in [("range(0, 100)", 100), ("range(100, 9000)", 9000), ("range(9000, 80000)", 80_000)] {
        sql(&session, &format!("INSERT INTO t SELECT value FROM {inserted}")).unwrap();
        for _ in 0..2 {
            let shown = text(&sql(&session, count).unwrap());
            assert!(
                shown.contains(&format!("| {expected} ")) && shown.contains(&format!("| {} ", expected - 1)),
                "{shown}"
            );
        }
    }
}

#[test]
fn a_top_k_starts_without_the_bound_of_the_last_one() {
    let session = session(2);
    let top = "SELECT n FROM t ORDER BY n LIMIT 2";
    for low in [0, 100, 50] {
        register(&session, "t", numbers(&[low + 3, low + 1, low + 2]));
        let shown = text(&sql(&session, top).unwrap());
        assert!(shown.contains(&format!("| {} ", low + 1)) && shown.contains(&format!("| {} ", low + 2)), "{shown}");
    }
}

#[test]
fn many_statements_and_threads_get_their_own_answers() {
    let threads: Vec<_> = (0..4_i64)
        .map(|thread| {
            thread::spawn(move || {
                let session = session(2);
                register(&session, "t", numbers(&[thread]));
                for number in 0..300 {
                    // More statements than are kept, some of them the same in all threads.
                    let query = format!("SELECT SUM(n) + {} AS total FROM t", number % 270);
                    assert_eq!(total(&session, &query), Some(thread + number % 270));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn only_simple_statements_over_few_rows_run_on_the_thread_of_the_caller() {
    let session = session(2);
    sql(&session, "CREATE TABLE brief (n BIGINT, s STRING)").unwrap();
    sql(&session, "INSERT INTO brief SELECT value, 'x' FROM range(0, 1000)").unwrap();
    let brief = |query: &str| {
        rows(&sql(&session, query).unwrap()).unwrap();
        let frame = sql(&session, query).unwrap();
        wait(async move { frame.execute().await }, || Ok(())).unwrap().is_brief()
    };
    let simple = [
        "SELECT 1 AS one",
        "SELECT n, s FROM brief WHERE n > 990",
        "SELECT s, COUNT(*) AS c, SUM(n) AS total FROM brief GROUP BY s",
        "SELECT COUNT(*) AS c FROM brief",
        "SELECT DISTINCT s FROM brief ORDER BY s LIMIT 1",
        "SELECT abs(n) AS x FROM brief ORDER BY x DESC LIMIT 3",
    ];
    for query in simple {
        assert!(brief(query), "{query}");
    }
    let others = [
        "SELECT repeat(s, 1000) AS x FROM brief",
        "SELECT a.n FROM brief AS a, brief AS b WHERE a.n < 2 AND b.n < 2",
        "SELECT n, SUM(n) OVER (ORDER BY n) AS x FROM brief",
        "SELECT value FROM range(0, 3)",
        "SELECT now() AS at",
    ];
    for query in others {
        assert!(!brief(query), "{query}");
    }
    sql(&session, "INSERT INTO brief SELECT value, 'x' FROM range(0, 10000)").unwrap();
    assert!(!brief(simple[1]));
}

const QUERIES: [&str; 10] = [
    "SELECT s, COUNT(*) AS c, COUNT(n) AS cn, SUM(n) AS total, MIN(n) AS low FROM t GROUP BY s ORDER BY s",
    "SELECT DISTINCT n FROM t WHERE n > 0 OR s IS NULL ORDER BY n",
    "SELECT COUNT(*) AS c, SUM(n) AS total, MAX(s) AS high FROM t WHERE NOT (n < 10)",
    "SELECT n, s FROM t ORDER BY n DESC, s LIMIT 3",
    "SELECT n FROM t ORDER BY n LIMIT 4 OFFSET 2",
    "SELECT COUNT(*) AS c FROM t",
    "SELECT a.n, COUNT(*) AS c FROM t AS a JOIN t AS b ON a.n = b.n GROUP BY a.n ORDER BY a.n",
    "SELECT n FROM t WHERE n = (SELECT MAX(n) FROM t) ORDER BY n",
    "SELECT n FROM t UNION ALL SELECT n + 1 FROM t ORDER BY n",
    "SELECT n, ROW_NUMBER() OVER (PARTITION BY s ORDER BY n) AS r FROM t ORDER BY s, n, r",
];

type Row = (Option<i64>, Option<String>);

fn batch(rows: &[Row]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("n", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as ArrayRef, true),
        ("s", Arc::new(rows.iter().map(|row| row.1.clone()).collect::<StringArray>()) as ArrayRef, true),
    ])
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A comment makes another text of the same statement, which is planned for its rows alone.
    #[test]
    fn a_kept_plan_answers_like_a_new_one(
        tables in prop::collection::vec(prop::collection::vec((prop::option::of(-9_i64..20), prop::option::of("[a-c]{0,2}")), 0..40), 1..4),
        salt in 0_u64..u64::MAX,
    ) {
        let session = session(2);
        for (number, rows) in tables.iter().enumerate() {
            register(&session, "t", batch(rows));
            for query in QUERIES {
                let fresh = text(&sql(&session, &format!("{query} -- {salt} {number}")).unwrap());
                for _ in 0..2 {
                    prop_assert_eq!(&text(&sql(&session, query).unwrap()), &fresh, "{}", query);
                }
            }
        }
    }
}
