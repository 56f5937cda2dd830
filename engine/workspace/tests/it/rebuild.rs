//! An index made anew from the directories.

use std::fs;

use serde_json::json;
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Outcome, RunFilter, RunStatus};

use crate::support::{TestHome, artifact, object, texts};

#[test]
fn a_rebuilt_index_equals_the_old_one() {
    let test = TestHome::new();
    for _ in 0..5 {
        let run = test.run();
        let index = test.index();
        let id = run.id().as_str();
        let new = artifact(&test.home, id, &["result"]);
        index.insert_artifact(&new).unwrap();
        index.insert_artifact(&artifact(&test.home, id, &["explain"])).unwrap();
        index.update_artifact_preview(new["artifact_id"].as_str().unwrap(), &object(json!({"rows": [1]}))).unwrap();
        let record = run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap();
        index.upsert_run(&record).unwrap();
        test.clock.advance(std::time::Duration::from_secs(1));
    }
    let lists = |index: &ArtifactIndex| {
        let mut artifacts = index.list_artifacts(&ArtifactFilter::default()).unwrap();
        artifacts.sort_by_key(|row| row["artifact_id"].to_string());
        (index.list_runs(&RunFilter::default()).unwrap(), artifacts)
    };
    let before = lists(&test.index());
    fs::remove_dir_all(test.home.index_dir()).unwrap();
    let rebuilt = ArtifactIndex::rebuild(&test.home).unwrap();
    assert_eq!((rebuilt.runs, rebuilt.artifacts, rebuilt.skipped.len(), rebuilt.set_aside), (5, 10, 0, None));
    assert_eq!(lists(&test.index()), before);
    // Once more changes nothing.
    ArtifactIndex::rebuild(&test.home).unwrap();
    assert_eq!(lists(&test.index()), before);
}

#[test]
fn an_index_that_cannot_be_read_is_moved_aside() {
    let test = TestHome::new();
    let run = test.run();
    let path = test.index().sqlite_path();
    fs::write(&path, "x".repeat(5000)).unwrap();
    let rebuilt = ArtifactIndex::rebuild(&test.home).unwrap();
    assert_eq!(fs::read_to_string(rebuilt.set_aside.unwrap()).unwrap(), "x".repeat(5000));
    assert_eq!(texts(&test.index().list_runs(&RunFilter::default()).unwrap(), "run_id"), [run.id().as_str()]);
}

#[test]
fn a_damaged_run_is_named_and_rows_without_a_directory_stay() {
    let test = TestHome::new();
    let damaged = test.run();
    fs::write(damaged.file(), "{").unwrap();
    test.row("gone", "2026-01-01T00:00:00Z", "failed");
    fs::create_dir(test.home.runs_dir().join("not-a-run")).unwrap();
    let rebuilt = ArtifactIndex::rebuild(&test.home).unwrap();
    assert_eq!((rebuilt.runs, rebuilt.skipped), (0, vec![damaged.id().to_string()]));
    assert!(test.index().run("gone").unwrap().is_some());
}
