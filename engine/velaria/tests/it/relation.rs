//! Frames made of frames, through the interface of Rust; what they mean is held against SQL by the tests of the wheel.

use std::thread;

use velaria::relation::{Call, Expression, Item, JoinCondition, JoinKind, Operator, SortDirection, SortKey};
use velaria::{DataFrame, ErrorCode, Parameter, Parameters, Result, Session, wait};

use crate::{session, sql, text};

fn column(name: &str) -> Expression {
    Expression::column(name).unwrap()
}

fn number(value: i64) -> Expression {
    Expression::value(&Parameter::Integer(value)).unwrap()
}

/// Eight rows: `n` from 0, and `k`, which is `n` modulo 3.
fn table(session: &Session) -> DataFrame {
    sql(session, "CREATE OR REPLACE TABLE t AS SELECT value AS n, value % 3 AS k FROM range(8)").unwrap();
    let session = session.clone();
    wait(async move { session.table("T").await }, || Ok(())).unwrap()
}

fn filtered(frame: &DataFrame, condition: Expression) -> Result<DataFrame> {
    let frame = frame.clone();
    wait(async move { frame.filter(&[condition]).await }, || Ok(()))
}

#[test]
fn a_chain_is_the_statement_that_it_says() {
    let session = session(2);
    let frame = table(&session);
    let chain = wait(
        async move {
            let sum = Expression::call(&Call::new("sum", &[column("n")]))?;
            let grouped = frame.filter(&[column("n").binary(Operator::Greater, &number(1))?]).await?;
            let grouped = grouped.group(&[column("k")], &[sum.alias("total")?], None).await?;
            let joined =
                grouped.join(&frame, JoinKind::Semi, &JoinCondition::Using(vec!["k".to_owned()]), None).await?;
            let key = SortKey { direction: SortDirection::Descending, ..column("total").into() };
            joined.order(&[key]).await?.select(&[Item::All]).await
        },
        || Ok(()),
    );
    let told = sql(&session, "SELECT k, sum(n) AS total FROM t WHERE n > 1 GROUP BY k ORDER BY total DESC").unwrap();
    assert_eq!(text(&chain.unwrap()), text(&told));
}

#[test]
fn self_is_before_the_names_of_the_session_for_its_statement_alone() {
    let session = session(1);
    let frame = table(&session);
    sql(&session, "CREATE TABLE self AS SELECT 42 AS answer").unwrap();
    let over = |query: &str| {
        let (frame, query) = (frame.clone(), query.to_owned());
        wait(async move { frame.sql(&query, &Parameters::None).await }, || Ok(()))
    };
    assert!(text(&over("SELECT max(n) AS m FROM SELF").unwrap()).contains("| 7 "));
    assert!(text(&sql(&session, "SELECT * FROM self").unwrap()).contains("| 42 "));
    assert_eq!(over("DELETE FROM self").unwrap_err().code(), ErrorCode::Unsupported);
    assert_eq!(over("SELECT * FROM other").unwrap_err().code(), ErrorCode::TableNotFound);
}

#[test]
fn a_long_chain_ends_in_an_error_and_goes_away_on_a_small_stack() {
    let session = session(1);
    let mut frame = table(&session);
    let error = loop {
        match filtered(&frame, column("n").binary(Operator::Less, &number(5)).unwrap()) {
            Ok(next) => frame = next,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), ErrorCode::StatementTooLarge);
    let dropped = thread::Builder::new().stack_size(256 << 10).spawn(move || drop(frame)).unwrap();
    dropped.join().unwrap();
}
