//! Tables that change: many threads at once, and any order of statements against a model.

use std::collections::BTreeMap;
use std::thread;

use proptest::prelude::*;
use velaria::arrow::array::{AsArray, RecordBatch};
use velaria::arrow::datatypes::Int64Type;
use velaria::{ErrorCode, Session};

use crate::{rows, session, sql};

/// The number that the only cell of a query holds.
fn number(session: &Session, query: &str) -> i64 {
    rows(&sql(session, query).unwrap()).unwrap()[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// RC-RESULT-7
#[test]
fn changes_of_several_threads_are_all_there() {
    let session = session(2);
    sql(&session, "CREATE TABLE t (id INT PRIMARY KEY, n INT)").unwrap();
    sql(&session, "INSERT INTO t VALUES (-1, 0)").unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let session = session.clone();
            scope.spawn(move || {
                for step in 0..25 {
                    let id = worker * 25 + step;
                    sql(&session, &format!("INSERT INTO t VALUES ({id}, 0)")).unwrap();
                    sql(&session, "UPDATE t SET n = n + 1 WHERE id = -1").unwrap();
                    if id % 2 == 0 {
                        sql(&session, &format!("DELETE FROM t WHERE id = {id}")).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(number(&session, "SELECT n FROM t WHERE id = -1"), 100);
    assert_eq!(number(&session, "SELECT COUNT(*) FROM t"), 51);
    assert_eq!(number(&session, "SELECT SUM(id) FROM t WHERE id >= 0"), (0..100).filter(|id| id % 2 == 1).sum::<i64>());
}

#[test]
fn of_equal_keys_from_several_threads_one_is_taken() {
    let session = session(2);
    sql(&session, "CREATE TABLE t (id INT UNIQUE)").unwrap();
    let taken: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let session = session.clone();
                scope.spawn(move || {
                    (0..20).filter(|id| sql(&session, &format!("INSERT INTO t VALUES ({id})")).is_ok()).count()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(taken, 20);
    assert_eq!(number(&session, "SELECT COUNT(*) FROM t"), 20);
}

#[test]
fn a_query_that_runs_sees_the_rows_as_they_were() {
    let session = session(1);
    sql(&session, "CREATE TABLE t AS SELECT value AS id FROM range(0, 100000)").unwrap();
    let frame = sql(&session, "SELECT id FROM t").unwrap();
    let before = rows(&frame).unwrap();
    sql(&session, "UPDATE t SET id = -id").unwrap();
    sql(&session, "DELETE FROM t WHERE id < -10").unwrap();
    assert_eq!(before.iter().map(|batch| batch.num_rows()).sum::<usize>(), 100_000);
    assert_eq!(number(&session, "SELECT COUNT(*) FROM t"), 11);
}

#[test]
fn a_view_of_arrow_data_takes_no_rows() {
    let session = session(1);
    let frame = sql(&session, "SELECT 1 AS id").unwrap();
    let copy = session.create_dataframe_from_arrow(frame.schema(), rows(&frame).unwrap()).unwrap();
    session.create_temp_view("v", &copy).unwrap();
    for statement in ["INSERT INTO v VALUES (2)", "UPDATE v SET id = 2", "DELETE FROM v", "DROP TABLE v"] {
        assert_eq!(sql(&session, statement).unwrap_err().code(), ErrorCode::TableKind, "{statement}");
    }
}

/// One statement on a table with a primary key.
#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<(i64, i64)>),
    Replace(Vec<(i64, i64)>),
    /// Adds to the keys at and above one.
    Shift(i64, i64),
    Set(i64, i64),
    Delete(i64, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let rows = || prop::collection::vec((0_i64..20, 0_i64..5), 1..6);
    prop_oneof![
        rows().prop_map(Step::Insert),
        rows().prop_map(Step::Replace),
        (0_i64..20, -3_i64..4).prop_map(|(from, by)| Step::Shift(from, by)),
        (0_i64..5, 0_i64..5).prop_map(|(from, to)| Step::Set(from, to)),
        (0_i64..20, 0_i64..20).prop_map(|(from, to)| Step::Delete(from, to)),
    ]
}

fn text(step: &Step) -> String {
    let values = |rows: &[(i64, i64)]| rows.iter().map(|(k, v)| format!("({k}, {v})")).collect::<Vec<_>>().join(", ");
    match step {
        Step::Insert(rows) => format!("INSERT INTO t VALUES {}", values(rows)),
        Step::Replace(rows) => format!("REPLACE INTO t VALUES {}", values(rows)),
        Step::Shift(from, by) => format!("UPDATE t SET k = k + {by} WHERE k >= {from}"),
        Step::Set(from, to) => format!("UPDATE t SET v = {to} WHERE v = {from}"),
        Step::Delete(from, to) => format!("DELETE FROM t WHERE k BETWEEN {from} AND {to}"),
    }
}

/// What the table holds afterwards; `None` when a key would stand there twice.
fn model(before: &BTreeMap<i64, i64>, step: &Step) -> Option<BTreeMap<i64, i64>> {
    let mut after = before.clone();
    match step {
        Step::Insert(rows) => {
            for (k, v) in rows {
                if after.insert(*k, *v).is_some() {
                    return None;
                }
            }
        }
        Step::Replace(rows) => after.extend(rows.iter().copied()),
        Step::Shift(from, by) => {
            after = before.iter().map(|(k, v)| (if k >= from { k + by } else { *k }, *v)).collect();
            if after.len() < before.len() {
                return None;
            }
        }
        Step::Set(from, to) => after.values_mut().filter(|v| **v == *from).for_each(|v| *v = *to),
        Step::Delete(from, to) => after.retain(|k, _| k < from || k > to),
    }
    Some(after)
}

fn content(session: &Session) -> BTreeMap<i64, i64> {
    let batches = rows(&sql(session, "SELECT k, v FROM t").unwrap()).unwrap();
    let cells = |batch: &RecordBatch, column: usize| batch.column(column).as_primitive::<Int64Type>().values().to_vec();
    let pairs: Vec<(i64, i64)> =
        batches.iter().flat_map(|batch| cells(batch, 0).into_iter().zip(cells(batch, 1))).collect();
    let content: BTreeMap<i64, i64> = pairs.iter().copied().collect();
    assert_eq!(content.len(), pairs.len(), "a key stands there twice");
    content
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// RC-RESULT-4, RC-RESULT-6
    #[test]
    fn a_table_with_a_key_is_a_map(steps in prop::collection::vec(step(), 1..25)) {
        let session = session(1);
        sql(&session, "CREATE TABLE t (k INT PRIMARY KEY, v INT)").unwrap();
        let mut expected = BTreeMap::new();
        for step in steps {
            let done = sql(&session, &text(&step));
            match (model(&expected, &step), done) {
                (Some(after), Ok(_)) => expected = after,
                (None, Err(error)) => prop_assert_eq!(error.code(), ErrorCode::ConstraintViolation),
                (after, done) => prop_assert!(false, "{step:?}: {after:?} but {done:?}"),
            }
            prop_assert_eq!(&content(&session), &expected, "{:?}", step);
        }
    }
}
