//! `COPY … TO`: what is written reads back as it was, and a statement that fails leaves no file.

use std::fs;
use std::path::Path;

use velaria::{CsvOptions, DataFrame, ErrorCode, Result, Session, SessionConfig, wait};

use crate::{rows, session, sql, text};

fn read(session: &Session, path: &Path) -> Result<DataFrame> {
    let (session, path) = (session.clone(), path.to_str().unwrap().to_owned());
    wait(
        async move {
            match path.rsplit('.').next() {
                Some("csv") => session.read_csv(&path, &CsvOptions::default()).await,
                Some("json") => session.read_json(&path).await,
                _ => session.read_parquet(&path).await,
            }
        },
        || Ok(()),
    )
}

#[test]
fn what_is_written_reads_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(2);
    let query = "SELECT value AS id, 'n' || value AS name, value / 4.0 AS part FROM range(1, 20001)";
    sql(&session, &format!("CREATE TABLE Numbers AS {query}")).unwrap();
    for name in ["a.csv", "a.json", "a.parquet"] {
        let path = dir.path().join(name);
        let done = sql(&session, &format!("COPY numbers TO '{}'", path.display())).unwrap();
        assert!(text(&done).contains("| 1  | copy done | 20000         |"), "{}", text(&done));
        session.create_temp_view("back", &read(&session, &path).unwrap()).unwrap();
        let sums = "SELECT COUNT(*) AS n, SUM(id) AS ids, SUM(part) AS parts, MAX(name) AS name FROM ";
        let written = text(&sql(&session, &format!("{sums} Numbers")).unwrap());
        assert_eq!(text(&sql(&session, &format!("{sums} back")).unwrap()), written, "{name}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn a_copy_that_fails_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(2);
    let path = dir.path().join("a.csv");
    for (query, format, code) in [
        ("SELECT 1 / (value - 90000) AS x FROM range(100000)", "csv", ErrorCode::DivisionByZero),
        ("SELECT 1 AS x, 2 AS x", "json", ErrorCode::DuplicateColumn),
    ] {
        let statement = format!("COPY ({query}) TO '{}' (FORMAT {format})", path.display());
        let error = sql(&session, &statement).unwrap_err();
        assert_eq!(error.code(), code, "{}", error.report());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{query}");
    }
}

#[test]
fn a_file_is_replaced_only_when_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(1);
    let path = dir.path().join("a.csv");
    let copy =
        |options: &str| sql(&session, &format!("COPY (SELECT 1 AS a, ';' AS b) TO '{}' {options}", path.display()));
    copy("").unwrap();
    assert_eq!(copy("").unwrap_err().code(), ErrorCode::Io);
    assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\n1,;\n");
    copy("(OVERWRITE, HEADER false, DELIMITER ';')").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "1;\";\"\n");
}

#[test]
fn a_file_is_written_only_where_the_session_may() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("in");
    fs::create_dir(&inside).unwrap();
    let config = SessionConfig::default().with_allowed_paths([inside.clone()]);
    let copy = |config: SessionConfig, path: &Path| {
        sql(&Session::new(config).unwrap(), &format!("COPY (SELECT 1 AS a) TO '{}'", path.display())).map(|_| ())
    };
    for path in [dir.path().join("a.csv"), inside.join("../a.csv")] {
        assert_eq!(copy(config.clone(), &path).unwrap_err().code(), ErrorCode::AccessDenied);
    }
    let read_only = SessionConfig::default().with_read_only();
    assert_eq!(copy(read_only, &inside.join("a.csv")).unwrap_err().code(), ErrorCode::AccessDenied);
    copy(config, &inside.join("a.csv")).unwrap();
    assert_eq!(rows(&read(&session(1), &inside.join("a.csv")).unwrap()).unwrap()[0].num_rows(), 1);
}
