//! Statements made to bring an engine down: each is answered or refused by a typed error, soon.

use std::thread;
use std::time::{Duration, Instant};

use velaria::{ErrorCode, Session, SessionConfig, wait};

/// Generous, because tests run without optimization beside other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// A statement of a size.
type Shape = (&'static str, fn(usize) -> String);

fn repeat(size: usize, joint: &str, term: impl Fn(usize) -> String) -> String {
    (0..size).map(term).collect::<Vec<_>>().join(joint)
}

fn nest(size: usize, open: &str, core: &str, close: &str) -> String {
    format!("{}{core}{}", open.repeat(size), close.repeat(size))
}

const ONE_ROW: &str = "(VALUES (1, 2)) AS t(a, b)";

const SHAPES: [Shape; 40] = [
    ("OR of equalities", |n| {
        format!("SELECT COUNT(*) FROM {ONE_ROW} WHERE {}", repeat(n, " OR ", |i| format!("a = {i}")))
    }),
    ("OR of anything", |n| {
        format!("SELECT COUNT(*) FROM {ONE_ROW} WHERE {}", repeat(n, " OR ", |i| format!("a + {i} = b")))
    }),
    ("AND of inequalities", |n| {
        format!("SELECT COUNT(*) FROM {ONE_ROW} WHERE {}", repeat(n, " AND ", |i| format!("a <> {i}")))
    }),
    ("AND of anything", |n| {
        format!("SELECT COUNT(*) FROM {ONE_ROW} WHERE {}", repeat(n, " AND ", |i| format!("a + {i} <> b")))
    }),
    ("IN of integers", |n| format!("SELECT a IN ({}) AS x FROM {ONE_ROW}", repeat(n.max(1), ", ", |i| i.to_string()))),
    ("IN of text", |n| format!("SELECT 'a' NOT IN ({}) AS x", repeat(n.max(1), ", ", |i| format!("'{i}'")))),
    ("sum", |n| format!("SELECT a{} AS x FROM {ONE_ROW}", repeat(n, "", |i| format!(" + {i}")))),
    ("concatenation", |n| format!("SELECT 'x'{} AS x FROM {ONE_ROW}", " || a".repeat(n))),
    ("casts", |n| format!("SELECT 1{} AS x", "::int".repeat(n))),
    ("subscripts", |n| format!("SELECT a{} FROM {ONE_ROW}", "[1]".repeat(n))),
    ("comparisons", |n| format!("SELECT true{} AS x", " = true".repeat(n))),
    ("BETWEEN", |n| format!("SELECT 1{} AS x", " BETWEEN 0 AND 1".repeat(n))),
    ("IS NULL", |n| format!("SELECT 1{} AS x", " IS NULL".repeat(n))),
    ("parentheses", |n| format!("SELECT {}", nest(n, "(", "1", ")"))),
    ("open parentheses", |n| format!("SELECT {}", "(".repeat(n))),
    ("closing parentheses", |n| format!("SELECT 1{}", ")".repeat(n))),
    ("sums in parentheses", |n| format!("SELECT {} AS x", nest(n, "(1 + ", "1", ")"))),
    ("parentheses in FROM", |n| format!("SELECT * FROM {}", nest(n, "(", "VALUES (1)", ")"))),
    ("derived tables", |n| format!("SELECT * FROM {}", nest(n, "(SELECT * FROM ", "(VALUES (1)) AS t", ")"))),
    ("scalar subqueries", |n| format!("SELECT {} AS x", nest(n, "(SELECT ", "1", ")"))),
    ("EXISTS", |n| format!("SELECT 1 WHERE {}", nest(n, "EXISTS (SELECT 1 WHERE ", "true", ")"))),
    ("calls", |n| format!("SELECT {} AS x", nest(n, "abs(", "1", ")"))),
    ("CASE in CASE", |n| format!("SELECT {} AS x", nest(n, "CASE WHEN true THEN ", "1", " END"))),
    ("NOT", |n| format!("SELECT {}true AS x", "NOT ".repeat(n))),
    ("minus", |n| format!("SELECT {}1 AS x", "- ".repeat(n))),
    ("lists in lists", |n| format!("SELECT {} AS x", nest(n, "[", "1", "]"))),
    ("types in types", |n| format!("SELECT CAST(NULL AS {})", nest(n, "ARRAY<", "INT", ">"))),
    ("INTERVAL", |n| format!("SELECT {}'1' DAY", "INTERVAL ".repeat(n))),
    ("columns", |n| format!("SELECT {}", repeat(n.max(1), ", ", |i| format!("a + {i} AS c{i}")) + " FROM " + ONE_ROW)),
    ("WHEN", |n| {
        format!("SELECT CASE {} END AS x FROM {ONE_ROW}", repeat(n.max(1), " ", |i| format!("WHEN a = {i} THEN b")))
    }),
    ("WITH names", |n| {
        format!(
            "WITH c0 AS (SELECT 1 AS a){} SELECT COUNT(*) FROM c0",
            repeat(n, "", |i| format!(", c{} AS (SELECT a FROM c{i})", i + 1))
        )
    }),
    ("WITH names used twice", |n| {
        format!(
            "WITH c0 AS (SELECT 1 AS a){} SELECT COUNT(*) FROM c{n}",
            repeat(n, "", |i| format!(", c{} AS (SELECT x.a FROM c{i} AS x, c{i} AS y)", i + 1))
        )
    }),
    ("joins", |n| {
        format!(
            "WITH t AS (SELECT 1 AS a) SELECT COUNT(*) FROM t AS t0 {}",
            repeat(n, " ", |i| format!("JOIN t AS t{} USING (a)", i + 1))
        )
    }),
    ("tables", |n| {
        format!(
            "WITH t AS (SELECT 1 AS a) SELECT COUNT(*) FROM t AS t0{}",
            repeat(n, "", |i| format!(", t AS t{}", i + 1))
        )
    }),
    ("UNION ALL", |n| repeat(n.max(1), " UNION ALL ", |i| format!("SELECT {i} AS a"))),
    ("EXCEPT", |n| repeat(n.max(1), " EXCEPT ", |i| format!("SELECT {i} AS a"))),
    ("a long name", |n| format!("SELECT 1 AS {}", "x".repeat(n.max(1)))),
    ("a long text", |n| format!("SELECT '{}' AS x", "x".repeat(n))),
    ("comments in comments", |n| format!("SELECT 1 {}", nest(n, "/*", "", "*/"))),
    ("semicolons", |n| format!("SELECT 1{}", ";".repeat(n))),
];

const SIZES: [usize; 5] = [0, 1, 30, 1_000, 20_000];

#[test]
fn hostile_statements_are_answered_or_refused() {
    let session = Session::new(SessionConfig::default()).unwrap();
    for (name, shape) in SHAPES {
        for size in SIZES {
            let text = shape(size);
            let started = Instant::now();
            let session = session.clone();
            let answer = wait(async move { session.sql(&text).await?.collect().await }, || {
                assert!(started.elapsed() < PATIENCE, "{name} of {size} takes too long");
                Ok(())
            });
            if let Err(error) = answer {
                assert_ne!(error.code(), ErrorCode::Internal, "{name} of {size}: {error}");
            }
        }
    }
}

#[test]
fn what_must_work_works() {
    let session = Session::new(SessionConfig::default()).unwrap();
    let works = [
        ("OR of equalities", 100_000),
        ("AND of inequalities", 100_000),
        ("IN of integers", 100_000),
        ("OR of anything", 20_000),
        ("parentheses", 1_000),
        ("sums in parentheses", 1_000),
        ("UNION ALL", 3_000),
    ];
    for (name, size) in works {
        let (_, shape) = SHAPES.iter().find(|(known, _)| *known == name).unwrap();
        let (session, text) = (session.clone(), shape(size));
        let answer = wait(async move { session.sql(&text).await?.collect().await }, || Ok(()));
        assert!(answer.is_ok(), "{name} of {size}: {}", answer.unwrap_err());
    }
}

#[test]
fn a_small_stack_is_enough() {
    let deep = nest(900, "(1 + ", "1", ")");
    for text in [format!("SELECT {deep} AS x"), format!("SELECT {} AS x", nest(150, "(", "1", ")"))] {
        let small = thread::Builder::new().stack_size(256 << 10).spawn(move || {
            let session = Session::new(SessionConfig::default()).unwrap();
            let planned = velaria::plan(async move { session.sql(&text).await }, || Ok(())).unwrap();
            drop(planned);
        });
        small.unwrap().join().unwrap();
    }
}
