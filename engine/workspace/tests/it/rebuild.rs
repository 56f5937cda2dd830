//! An index made anew from the directories.

use std::fs;

use serde_json::json;
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Files, NewRun, Outcome, Run, RunFilter, RunStatus};

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

#[test]
fn a_bad_line_or_record_is_in_no_other_runs_way() {
    let test = TestHome::new();
    let [lines, typed, copied, whole] = [0; 4].map(|_| test.run());
    let kept = artifact(&test.home, lines.id().as_str(), &["t"]);
    test.index().insert_artifact(&kept).unwrap();
    let path = lines.dir().join("_artifacts.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    let mut bad = kept.clone();
    bad.insert("row_count".to_owned(), json!(-1));
    let other = artifact(&test.home, whole.id().as_str(), &[]);
    for line in
        [json!({"artifact_id": "x"}), json!(bad), json!(other), json!([1]), json!({"artifact_id": "y", "run_id": 7})]
    {
        text.push_str(&format!("{line}\n"));
    }
    fs::write(&path, text).unwrap();
    let rewrite = |run: &Run, key: &str, value: serde_json::Value| {
        let mut record = run.record().unwrap();
        record.insert(key.to_owned(), value);
        fs::write(run.file(), json!(record).to_string()).unwrap();
    };
    rewrite(&typed, "action", json!(["csv-sql"]));
    rewrite(&copied, "run_id", json!(whole.id().as_str()));
    fs::remove_dir_all(test.home.index_dir()).unwrap();
    let rebuilt = ArtifactIndex::rebuild(&test.home).unwrap();
    assert_eq!((rebuilt.runs, rebuilt.artifacts), (2, 1));
    let mut skipped = [typed.id().to_string(), copied.id().to_string()];
    let mut told = rebuilt.skipped;
    skipped.sort();
    told.sort();
    assert_eq!(told, skipped);
    assert_eq!(test.index().list_artifacts(&ArtifactFilter::default()).unwrap(), [kept]);
}

/// Every row of the index, as its file has them.
fn rows(test: &TestHome) -> Vec<Vec<rusqlite::types::Value>> {
    let connection = rusqlite::Connection::open(test.index().sqlite_path()).unwrap();
    let mut all = Vec::new();
    for table in ["runs", "artifacts"] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        all.extend(statement.query_map([], row).unwrap().map(Result::unwrap));
    }
    all.sort_by_key(|row| format!("{row:?}"));
    all
}

#[test]
fn a_rebuilt_index_equals_the_old_one_after_any_history() {
    for seed in 1..=8_u64 {
        let test = TestHome::new();
        let mut random = seed;
        let mut next = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let mut runs: Vec<Run> = Vec::new();
        let mut artifacts: Vec<String> = Vec::new();
        for _ in 0..60 {
            let index = test.index();
            let some = (!runs.is_empty()).then(|| runs[next(runs.len() as u64) as usize].clone());
            match (next(6), some) {
                (0, _) | (_, None) => {
                    let new = NewRun {
                        action: "file-sql".to_owned(),
                        args: object(
                            json!({"query": "SELECT 'ü\"\\' -- \u{1}", "score_threshold": next(1000) as f64 / 7.0}),
                        ),
                        run_name: (next(2) == 0).then(|| "name, \n ❤".to_owned()),
                        description: (next(2) == 0).then(String::new),
                        tags: (0..next(3)).map(|tag| format!("t{tag}")).collect(),
                        ..NewRun::default()
                    };
                    let run = Run::create(&test.home, &new).unwrap();
                    index.upsert_run(&run.record().unwrap()).unwrap();
                    runs.push(run);
                }
                (1, Some(run)) => {
                    let outcome = Outcome {
                        error: (next(2) == 0).then(|| "it's \"broken\"".to_owned()),
                        details: (next(2) == 0).then(|| object(json!({"x": [1, 0.1, null]}))),
                        ..Outcome::of(RunStatus::ALL[1 + next(5) as usize])
                    };
                    index.upsert_run(&run.finalize(&outcome).unwrap()).unwrap();
                }
                (2 | 3, Some(run)) => {
                    let new = artifact(&test.home, run.id().as_str(), &["result"][..next(2) as usize]);
                    index.insert_artifact(&new).unwrap();
                    artifacts.push(new["artifact_id"].as_str().unwrap().to_owned());
                }
                (4, Some(_)) if !artifacts.is_empty() => {
                    let id = &artifacts[next(artifacts.len() as u64) as usize];
                    let preview = object(json!({"rows": [{"v": next(1000) as f64 / 3.0}], "truncated": false}));
                    if index.artifact(id).unwrap().is_some() {
                        index.update_artifact_preview(id, &preview).unwrap();
                    }
                }
                (_, Some(run)) => {
                    if RunStatus::ended(run.record().unwrap()["status"].as_str().unwrap()) {
                        index.delete_run(run.id().as_str(), Files::Delete).unwrap();
                        runs.retain(|kept| kept.id() != run.id());
                    }
                }
            }
            test.clock.advance(std::time::Duration::from_millis(next(3000)));
        }
        let before = rows(&test);
        fs::remove_dir_all(test.home.index_dir()).unwrap();
        let rebuilt = ArtifactIndex::rebuild(&test.home).unwrap();
        assert_eq!((rebuilt.runs, rebuilt.skipped.len()), (runs.len(), 0), "seed {seed}");
        assert_eq!(rows(&test), before, "seed {seed}");
        ArtifactIndex::rebuild(&test.home).unwrap();
        assert_eq!(rows(&test), before, "seed {seed}, twice");
    }
}
