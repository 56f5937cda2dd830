//! Tables that are lent to one statement are seen by it alone.

use std::sync::Arc;
use std::thread;

use velaria::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use velaria::{Begun, DataFrame, ErrorCode, OpenStatement, Parameters, Result, Session, Variables, wait};

use crate::{session, sql, text};

fn frame(session: &Session, value: i64) -> DataFrame {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]).unwrap();
    session.create_dataframe_from_arrow(batch.schema(), vec![batch]).unwrap()
}

fn begin(session: &Session, query: &str) -> Result<Begun> {
    let (session, query) = (session.clone(), query.to_owned());
    wait(async move { session.begin(&query, &Parameters::None).await }, || Ok(()))
}

fn open(session: &Session, query: &str) -> OpenStatement {
    let statement = match begin(session, query).unwrap() {
        Begun::Open(statement) => Some(statement),
        Begun::Done(_) => None,
    };
    statement.unwrap()
}

/// Runs `query` with `df`, a table of one row.
fn lent(session: &Session, query: &str, value: i64) -> Result<DataFrame> {
    let statement = open(session, query);
    let variables = Variables::new().with_table("df", &frame(session, value)).unwrap();
    wait(async move { statement.finish(variables).await }, || Ok(()))
}

#[test]
fn a_statement_whose_names_are_known_is_done_at_once() {
    let session = session(1);
    sql(&session, "CREATE TABLE t (n BIGINT)").unwrap();
    for query in ["SELECT * FROM t", "SELECT * FROM T", "WITH c AS (SELECT 1 AS n) SELECT * FROM C", "SELECT 1 AS n"] {
        assert!(matches!(begin(&session, query).unwrap(), Begun::Done(_)), "{query}");
    }
    let statement = open(&session, "SELECT * FROM t JOIN df ON t.n = df.n, Other, range(1, 2)");
    assert_eq!(statement.names(), ["df", "Other"]);
}

#[test]
fn a_plan_over_a_variable_is_never_kept() {
    let session = session(2);
    for value in 0..5 {
        assert!(text(&lent(&session, "SELECT SUM(n) AS s FROM df", value).unwrap()).contains(&format!("| {value} ")));
    }
    assert_eq!(sql(&session, "SELECT SUM(n) AS s FROM df").unwrap_err().code(), ErrorCode::TableNotFound);
    sql(&session, "CREATE TABLE df AS SELECT 40 AS n").unwrap();
    for _ in 0..3 {
        assert!(text(&sql(&session, "SELECT SUM(n) AS s FROM df").unwrap()).contains("| 40 "));
    }
    sql(&session, "DROP TABLE df").unwrap();
    assert!(text(&lent(&session, "SELECT SUM(n) AS s FROM df", 9).unwrap()).contains("| 9 "));
}

#[test]
fn statements_at_the_same_time_have_their_own() {
    let session = session(2);
    thread::scope(|scope| {
        for value in 0..4 {
            let session = &session;
            scope.spawn(move || {
                for _ in 0..20 {
                    let seen = text(&lent(session, "SELECT n FROM df", value).unwrap());
                    assert!(seen.contains(&format!("| {value} ")), "{seen}");
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                assert!(sql(&session, "SELECT n FROM df").is_err());
            }
        });
    });
}

#[test]
fn what_a_statement_makes_is_made_in_the_session_and_views_are_refused() {
    let session = session(1);
    lent(&session, "CREATE TABLE t AS SELECT n FROM df", 3).unwrap();
    lent(&session, "INSERT INTO t SELECT n FROM df", 4).unwrap();
    assert!(text(&sql(&session, "SELECT SUM(n) AS s FROM t").unwrap()).contains("| 7 "));
    let error = lent(&session, "CREATE VIEW v AS SELECT n FROM df", 3).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::InvalidStatement, "a view cannot read the variable df"));
    assert_eq!(sql(&session, "SELECT * FROM v").unwrap_err().code(), ErrorCode::TableNotFound);
}

#[test]
fn an_insert_into_a_variable_finds_no_table() {
    let session = session(1);
    // A target is no name that a statement reads.
    assert_eq!(begin(&session, "INSERT INTO df VALUES (1)").unwrap_err().code(), ErrorCode::TableNotFound);
    let error = lent(&session, "INSERT INTO df SELECT n FROM df", 3).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TableNotFound);
}

#[test]
fn a_name_that_is_not_lent_is_not_found_with_what_is_known_about_it() {
    let session = session(1);
    let hint = |variables: Variables| {
        let statement = open(&session, "SELECT * FROM dff");
        let error = wait(async move { statement.finish(variables).await }, || Ok(())).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::TableNotFound, "view not found: dff"));
        assert_eq!(error.position().unwrap().column, 15);
        error.hint().map(str::to_owned).unwrap()
    };
    assert_eq!(hint(Variables::new()), "the session has no views or tables yet");
    assert_eq!(hint(Variables::new().with_hint("dff", "it is a number")), "it is a number");
    assert_eq!(hint(Variables::new().with_candidates(vec!["df".to_owned()])), "did you mean \"df\"?");
    let note = Variables::new().with_candidates(vec!["other".to_owned()]).with_note("look there");
    assert_eq!(hint(note), "variables that are tables: other; look there");
}

#[test]
fn a_long_statement_that_is_not_finished_is_dropped_on_a_small_stack() {
    let session = session(1);
    let terms: Vec<String> = (0..20_000).map(|n| format!("(n = {n} AND n < {})", n + 1)).collect();
    let query = format!("SELECT * FROM df WHERE {}", terms.join(" OR "));
    let statement = open(&session, &query);
    thread::Builder::new().stack_size(128 << 10).spawn(move || drop(statement)).unwrap().join().unwrap();
}
