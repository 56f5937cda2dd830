//! Deleting runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use velaria_contract::ErrorCode;
use velaria_workspace::{Cleanup, Files, Outcome, Run, RunFilter, RunStatus};

use crate::support::{TestHome, artifact, new_run, texts};

fn ended(test: &TestHome) -> Run {
    let run = test.run();
    let record = run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap();
    test.index().upsert_run(&record).unwrap();
    test.clock.advance(Duration::from_secs(60));
    run
}

fn keep_last(count: usize) -> Cleanup {
    Cleanup { keep_last_n: Some(count), ..Cleanup::default() }
}

fn ids(test: &TestHome) -> Vec<String> {
    texts(&test.index().list_runs(&RunFilter::default()).unwrap(), "run_id")
}

#[test]
fn nothing_is_deleted_without_a_condition() {
    let test = TestHome::new();
    let run = ended(&test);
    let report = test.index().cleanup_runs(&Cleanup { files: Files::Delete, ..Cleanup::default() }).unwrap();
    assert_eq!(
        Value::Object(report.object()),
        json!({"deleted_run_ids": [], "deleted_run_dirs": [], "backend": "sqlite"})
    );
    assert_eq!(ids(&test), [run.id().as_str()]);
}

#[test]
fn the_newest_runs_are_kept_and_rows_go_with_their_artifacts() {
    let test = TestHome::new();
    let runs: Vec<Run> = (0..4).map(|_| ended(&test)).collect();
    let index = test.index();
    for run in &runs {
        index.insert_artifact(&artifact(&test.home, run.id().as_str(), &[])).unwrap();
    }
    let report = index.cleanup_runs(&keep_last(2)).unwrap();
    assert_eq!(report.deleted_run_ids, [runs[1].id().to_string(), runs[0].id().to_string()]);
    assert!(report.deleted_run_dirs.is_empty() && runs[0].dir().is_dir());
    assert_eq!(index.list_artifacts(&Default::default()).unwrap().len(), 2);
    assert_eq!(ids(&test), [runs[3].id().as_str(), runs[2].id().as_str()]);
}

#[test]
fn directories_without_a_row_can_still_be_deleted() {
    let test = TestHome::new();
    let runs: Vec<Run> = (0..3).map(|_| ended(&test)).collect();
    let index = test.index();
    index.cleanup_runs(&keep_last(1)).unwrap();
    let report = index.cleanup_runs(&Cleanup { files: Files::Delete, ..keep_last(1) }).unwrap();
    assert_eq!(report.deleted_run_dirs, [runs[1].dir(), runs[0].dir()]);
    assert!(!runs[0].dir().exists() && runs[2].dir().is_dir());
}

#[test]
fn only_runs_that_have_ended_are_deleted() {
    let test = TestHome::new();
    let running = test.run();
    for (place, status) in
        ["succeeded", "failed", "timed_out", "cancelled", "aborted", "running", "paused"].iter().enumerate()
    {
        test.row(&format!("row-{place}"), "2026-01-01T00:00:00Z", status);
    }
    let report = test.index().cleanup_runs(&keep_last(0)).unwrap();
    assert_eq!(report.deleted_run_ids, ["row-4", "row-3", "row-2", "row-1", "row-0"]);
    assert_eq!(ids(&test), [running.id().as_str(), "row-6", "row-5"]);
}

#[test]
fn old_runs_are_deleted_and_kept_ones_never() {
    let test = TestHome::new();
    test.row("old", "2026-11-10T07:38:07Z", "failed");
    test.row("edge", "2026-11-11T07:38:07Z", "failed");
    test.row("new", "2026-11-21T00:00:00Z", "failed");
    let old = |days: f64| Cleanup { ttl_days: Some(days), ..Cleanup::default() };
    let index = test.index();
    assert!(index.cleanup_runs(&old(1e300)).unwrap().deleted_run_ids.is_empty());
    assert_eq!(index.cleanup_runs(&old(10.0)).unwrap().deleted_run_ids, ["old"]);
    let both = Cleanup { keep_last_n: Some(2), ..old(0.0) };
    assert!(index.cleanup_runs(&both).unwrap().deleted_run_ids.is_empty());
    for days in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(index.cleanup_runs(&old(days)).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    assert_eq!(index.cleanup_runs(&old(0.0)).unwrap().deleted_run_ids, ["new", "edge"]);
}

#[test]
fn nothing_outside_of_the_home_is_deleted() {
    let test = TestHome::new();
    let outside = test.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("keep"), "").unwrap();
    let index = test.index();
    for id in ["linked", "..", ".", "../../outside", "/etc", "a/b", ""] {
        let mut row = crate::support::run_row(id, "2026-01-01T00:00:00Z", "failed");
        row.insert("run_dir".to_owned(), json!(outside.to_str().unwrap()));
        let _ = index.upsert_run(&row);
    }
    symlink(&outside, test.home.runs_dir().join("linked")).unwrap();
    fs::write(test.home.runs_dir().join("file"), "").unwrap();
    test.row("file", "2026-01-01T00:00:00Z", "failed");
    let report = index.cleanup_runs(&Cleanup { files: Files::Delete, ..keep_last(0) }).unwrap();
    assert_eq!((report.deleted_run_ids.len(), report.deleted_run_dirs.len()), (7, 0));
    assert!(outside.join("keep").exists());
    assert!(test.home.runs_dir().join("linked").exists() && test.home.index_dir().exists());
}

#[test]
fn what_a_run_links_to_stays() {
    let test = TestHome::new();
    let outside = test.dir.path().join("outside");
    fs::write(&outside, "keep").unwrap();
    let run = ended(&test);
    symlink(&outside, run.artifacts_dir().join("link")).unwrap();
    test.index().delete_run(run.id().as_str(), Files::Delete).unwrap();
    assert!(!run.dir().exists());
    assert_eq!(fs::read_to_string(&outside).unwrap(), "keep");
}

#[test]
fn one_run_is_deleted_when_it_has_ended() {
    let test = TestHome::new();
    let running = test.run();
    let ended = ended(&test);
    let index = test.index();
    assert_eq!(index.delete_run(running.id().as_str(), Files::Delete).unwrap_err().code(), ErrorCode::RunActive);
    assert_eq!(index.delete_run("missing-run", Files::Keep).unwrap_err().code(), ErrorCode::RunNotFound);
    assert_eq!(index.delete_run("../runs", Files::Delete).unwrap_err().code(), ErrorCode::RunNotFound);
    let kept = index.delete_run(ended.id().as_str(), Files::Keep).unwrap();
    assert_eq!(Value::Object(kept.object()), json!({"run_id": ended.id().as_str(), "deleted_run_dir": null}));
    assert_eq!(index.delete_run(ended.id().as_str(), Files::Keep).unwrap_err().code(), ErrorCode::RunNotFound);
    assert_eq!(index.delete_run(ended.id().as_str(), Files::Delete).unwrap().deleted_run_dir.unwrap(), ended.dir());
    assert!(!ended.dir().exists() && running.dir().is_dir());
}

#[test]
fn a_run_that_goes_on_is_not_deleted_whatever_its_row_says() {
    let test = TestHome::new();
    let [on, damaged] = [0; 2].map(|_| ended(&test));
    on.finalize(&Outcome::of(RunStatus::Failed)).unwrap();
    let record = on.record().unwrap();
    on.reopen().unwrap();
    test.index().upsert_run(&record).unwrap();
    fs::write(damaged.file(), "{").unwrap();
    for files in [Files::Keep, Files::Delete] {
        let report = test.index().cleanup_runs(&Cleanup { files, ..keep_last(0) }).unwrap();
        assert_eq!((report.deleted_run_ids.len(), report.deleted_run_dirs.len()), (0, 0));
        test.index().upsert_run(&record).unwrap();
        let error = test.index().delete_run(on.id().as_str(), files).unwrap_err();
        assert_eq!(error.code(), ErrorCode::RunActive);
    }
    assert!(on.file().is_file() && damaged.file().is_file());
    assert_eq!(test.index().run(on.id().as_str()).unwrap().unwrap()["status"], "running");
    assert_eq!(ids(&test).len(), 2);
    // Nothing is left of the process of this one.
    fs::remove_file(damaged.dir().join("_owner.json")).unwrap();
    let report = test.index().cleanup_runs(&Cleanup { files: Files::Delete, ..keep_last(0) }).unwrap();
    assert_eq!(report.deleted_run_dirs, [damaged.dir()]);
}

#[test]
fn the_beginning_of_a_run_that_a_crash_left_is_deleted_after_a_day() {
    let test = TestHome::new();
    let run = ended(&test);
    let dir = |name: &str| {
        let dir = test.home.runs_dir().join(name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("stdout.log"), "").unwrap();
        dir
    };
    let [old, fresh, other] = ["20261121T073807Z_0000000a", "20261121T073807Z_0000000b", "not-a-run"].map(dir);
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    for dir in [&old, &other] {
        for path in [&dir.join("stdout.log"), dir] {
            fs::File::open(path).unwrap().set_modified(yesterday).unwrap();
        }
    }
    let cleanup = |cleanup| test.index().cleanup_runs(&cleanup).unwrap();
    assert!(cleanup(Cleanup { files: Files::Delete, ..Cleanup::default() }).deleted_run_dirs.is_empty());
    assert!(cleanup(keep_last(1)).deleted_run_dirs.is_empty());
    let report = cleanup(Cleanup { files: Files::Delete, ..keep_last(1) });
    assert_eq!((report.deleted_run_ids.len(), report.deleted_run_dirs), (0, vec![old]));
    assert!(fresh.is_dir() && other.is_dir() && run.dir().is_dir());
}

#[test]
fn a_run_can_be_made_after_everything_was_deleted() {
    let test = TestHome::new();
    ended(&test);
    fs::remove_dir_all(test.home.root()).unwrap();
    assert!(test.index().list_runs(&RunFilter::default()).unwrap().is_empty());
    Run::create(&test.home, &new_run("csv-sql")).unwrap();
}
