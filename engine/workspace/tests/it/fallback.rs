//! What happens where SQLite cannot be used.

use std::fs;

use rusqlite::Connection;
use velaria_contract::ErrorCode;
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Backend, RunFilter};

use crate::support::{TestHome, artifact, run_row, texts};

#[test]
fn events_are_written_where_sqlite_cannot_be_used_and_go_into_it_later() {
    let test = TestHome::new();
    test.home.ensure_dirs().unwrap();
    let sqlite = test.home.index_dir().join("artifacts.sqlite");
    fs::create_dir(&sqlite).unwrap();
    let index = test.index();
    assert_eq!(index.backend(), Backend::Jsonl);
    assert!(index.fallback_reason().unwrap().contains("artifacts.sqlite"), "{:?}", index.fallback_reason());
    index.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "running")).unwrap();
    index.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "failed")).unwrap();
    index.insert_artifact(&artifact(&test.home, "run-a", &["t"])).unwrap();
    let text = fs::read_to_string(index.fallback_path()).unwrap();
    let kinds: Vec<&str> = text.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!(kinds, ["run_upsert", "run_upsert", "artifact_upsert"]);
    fs::remove_dir(&sqlite).unwrap();

    let index = test.index();
    assert_eq!((index.backend(), index.fallback_reason()), (Backend::Sqlite, None));
    assert!(!index.fallback_path().exists());
    assert_eq!(index.run("run-a").unwrap().unwrap()["status"], "failed");
    assert_eq!(texts(&index.list_artifacts(&ArtifactFilter::default()).unwrap(), "run_id"), ["run-a"]);
}

#[test]
fn a_file_that_is_no_index_is_left_as_it_is() {
    let test = TestHome::new();
    test.home.ensure_dirs().unwrap();
    let sqlite = test.home.index_dir().join("artifacts.sqlite");
    let text = "not a database, but long enough to be looked at ".repeat(40);
    fs::write(&sqlite, &text).unwrap();
    let index = test.index();
    assert_eq!(index.backend(), Backend::Jsonl);
    index.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "failed")).unwrap();
    assert_eq!(texts(&index.list_runs(&RunFilter::default()).unwrap(), "run_id"), ["run-a"]);
    assert_eq!(fs::read_to_string(&sqlite).unwrap(), text);
}

#[test]
fn an_event_that_a_crash_has_cut_is_passed_over() {
    let test = TestHome::new();
    test.home.ensure_dirs().unwrap();
    let index = ArtifactIndex::with_backend(&test.home, Backend::Jsonl);
    index.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "failed")).unwrap();
    let mut text = fs::read_to_string(index.fallback_path()).unwrap();
    text.push_str("{\"kind\":\"run_upsert\",\"run_id\":\"run-");
    fs::write(index.fallback_path(), text).unwrap();
    index.upsert_run(&run_row("run-b", "2026-01-02T00:00:00Z", "failed")).unwrap();
    assert_eq!(texts(&index.list_runs(&RunFilter::default()).unwrap(), "run_id"), ["run-b", "run-a"]);
}

#[test]
fn a_locked_index_is_an_error_and_not_a_second_index() {
    let test = TestHome::new();
    let index = test.index();
    let other = Connection::open(index.sqlite_path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = index.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "failed")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::IndexLocked, "{error}");
    assert!(error.hint().is_some());
    // Readers are not in the way of a writer.
    assert!(test.index().list_runs(&RunFilter::default()).unwrap().is_empty());
    assert!(!index.fallback_path().exists());
    other.execute_batch("ROLLBACK").unwrap();
    index.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "failed")).unwrap();
}
