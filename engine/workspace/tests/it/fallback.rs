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
fn a_damaged_index_is_an_error_and_not_a_second_index() {
    let test = TestHome::new();
    let run = test.run();
    let sqlite = test.home.index_dir().join("artifacts.sqlite");
    let text = "not a database, but long enough to be looked at ".repeat(40);
    fs::write(&sqlite, &text).unwrap();
    let index = test.index();
    assert_eq!((index.backend(), index.fallback_reason()), (Backend::Sqlite, None));
    let new = artifact(&test.home, run.id().as_str(), &["t"]);
    for refused in [
        index.list_runs(&RunFilter::default()).map(drop),
        index.run(run.id().as_str()).map(drop),
        index.list_artifacts(&ArtifactFilter::default()).map(drop),
        index.upsert_run(&run.record().unwrap()),
        index.insert_artifact(&new),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedFile, "{error}");
        assert!(error.hint().unwrap().contains("velaria-cli index rebuild"), "{error}");
    }
    assert!(!index.fallback_path().exists());
    assert_eq!(fs::read_to_string(&sqlite).unwrap(), text);
    // Nothing of the run is lost.
    ArtifactIndex::rebuild(&test.home).unwrap();
    assert_eq!(texts(&test.index().list_runs(&RunFilter::default()).unwrap(), "run_id"), [run.id().as_str()]);
    assert_eq!(test.index().list_artifacts(&ArtifactFilter::default()).unwrap().len(), 1);
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

/// The events of a fallback in the form of `lines`, moved into SQLite.
fn moved(lines: &[&str]) -> (TestHome, ArtifactIndex) {
    let test = TestHome::new();
    test.home.ensure_dirs().unwrap();
    fs::write(test.home.index_dir().join("artifacts.jsonl"), lines.join("\n")).unwrap();
    let index = test.index();
    assert_eq!(index.backend(), Backend::Sqlite);
    assert!(!index.fallback_path().exists());
    (test, index)
}

fn kept(test: &TestHome) -> Vec<String> {
    let names = fs::read_dir(test.home.index_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.contains(".jsonl"));
    names.sort();
    names
}

const RUN: &str = r#"{"kind":"run_upsert","run_id":"run-a","status":"failed"}"#;

#[test]
fn a_fallback_that_is_not_understood_is_kept() {
    let lines = [RUN, "", r#"{"kind":"from_the_future","x":1}"#, r#"{"kind":"run_ups"#];
    let (test, index) = moved(&lines);
    assert_eq!(texts(&index.list_runs(&RunFilter::default()).unwrap(), "run_id"), ["run-a"]);
    assert_eq!(kept(&test), ["artifacts.jsonl.imported-20261121T073807Z"]);
    // A second one at the same moment does not replace the first.
    fs::write(index.fallback_path(), "?").unwrap();
    drop(test.index());
    assert_eq!(
        kept(&test),
        ["artifacts.jsonl.imported-20261121T073807Z", "artifacts.jsonl.imported-20261121T073807Z-2"]
    );
    let first = fs::read_to_string(test.home.index_dir().join(&kept(&test)[0])).unwrap();
    assert_eq!(first, lines.join("\n"));
    let (test, _) = moved(&[RUN, " ", RUN]);
    assert!(kept(&test).is_empty());
}

#[test]
fn what_an_event_is_about_may_stand_in_an_object() {
    let (test, index) = moved(&[
        r#"{"kind":"run_upsert","run":{"run_id":"run-a","status":"failed","cli_args":{"a":1}}}"#,
        r#"{"kind":"run_upsert","meta":{"run_id":"run-b","status":"succeeded"}}"#,
        r#"{"kind":"artifact_upsert","artifact":{"artifact_id":"artifact_1","run_id":"run-a","uri":"/a","format":"csv"}}"#,
        r#"{"kind":"artifact_upsert","meta":{"artifact_id":"artifact_2","run_id":"run-b","uri":"/b","format":"csv"}}"#,
        r#"{"kind":"artifact_preview","artifact_id":"artifact_1","preview":{"rows":[]}}"#,
    ]);
    assert!(kept(&test).is_empty());
    assert_eq!(index.run("run-a").unwrap().unwrap()["cli_args"]["a"], 1);
    assert_eq!(index.run("run-b").unwrap().unwrap()["status"], "succeeded");
    assert!(index.artifact("artifact_1").unwrap().unwrap()["preview_json"]["rows"].is_array());
    assert_eq!(index.artifact("artifact_2").unwrap().unwrap()["uri"], "/b");
}

#[test]
fn an_index_of_events_follows_them_into_sqlite() {
    let test = TestHome::new();
    test.home.ensure_dirs().unwrap();
    let sqlite = test.home.index_dir().join("artifacts.sqlite");
    fs::create_dir(&sqlite).unwrap();
    let long_lived = test.index();
    assert_eq!(long_lived.backend(), Backend::Jsonl);
    let new = artifact(&test.home, "run-a", &["t"]);
    let id = new["artifact_id"].as_str().unwrap();
    long_lived.insert_artifact(&new).unwrap();
    long_lived.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "failed")).unwrap();
    fs::remove_dir(&sqlite).unwrap();
    let moved = test.index();
    assert_eq!(moved.backend(), Backend::Sqlite);
    assert!(long_lived.artifact(id).unwrap().is_some());
    assert_eq!(long_lived.list_artifacts(&ArtifactFilter::default()).unwrap().len(), 1);
    assert_eq!(long_lived.run("run-a").unwrap().unwrap()["status"], "failed");
    long_lived.upsert_run(&run_row("run-b", "2026-01-02T00:00:00Z", "failed")).unwrap();
    assert_eq!(texts(&moved.list_runs(&RunFilter::default()).unwrap(), "run_id"), ["run-b", "run-a"]);
    assert!(!moved.fallback_path().exists());
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
