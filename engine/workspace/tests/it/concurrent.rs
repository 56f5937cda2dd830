//! Many processes and threads write one home, and nothing is lost.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use rusqlite::Connection;
use serde_json::json;
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Backend, Home, Outcome, Run, RunFilter, RunStatus};

use crate::support::{TestHome, artifact, new_run, object, process, task};

const TASK: &str = "VELARIA_TEST_WRITER";
const SHARED: &str = "VELARIA_TEST_SHARED_RUN";
const ARTIFACTS_TASK: &str = "VELARIA_TEST_ARTIFACTS";
const RIVAL_TASK: &str = "VELARIA_TEST_RIVAL";
const PROCESSES: usize = 2;
const THREADS: usize = 8;
const ARTIFACTS: usize = 60;
const WRITERS: usize = 32;
const RUNS: usize = 3;

/// The process that the test below starts many times.
#[test]
fn writer() {
    let Some((name, home)) = task(TASK) else { return };
    write(&home, &std::env::var(SHARED).unwrap(), &name);
}

/// Whole runs, and changes of a run that everybody changes.
fn write(home: &Home, shared: &str, name: &str) {
    let shared = Run::open(home, shared).unwrap();
    for round in 0..RUNS {
        let index = ArtifactIndex::open(home).unwrap();
        let run = Run::create(home, &new_run("csv-sql")).unwrap();
        index.upsert_run(&run.record().unwrap()).unwrap();
        index.insert_artifact(&artifact(home, run.id().as_str(), &["result", name])).unwrap();
        let key = format!("{name}-{round}");
        shared.update(&object(json!({ key.clone(): round }))).unwrap();
        shared.append_progress_snapshot(&json!({ "writer": key }).to_string()).unwrap();
        shared.append_stdout(&format!("{key}\n")).unwrap();
        index.upsert_run(&run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap()).unwrap();
    }
}

fn check(test: &TestHome, shared: &Run, names: &[String]) {
    let index = test.index();
    let all = RunFilter { limit: usize::MAX, status: Some("succeeded".to_owned()), ..RunFilter::default() };
    let runs = index.list_runs(&all).unwrap();
    assert_eq!(runs.len(), WRITERS * RUNS);
    assert!(runs.iter().all(|run| run["artifact_count"] == 1));
    for name in names {
        let tagged = ArtifactFilter { tag: Some(name.clone()), ..ArtifactFilter::default() };
        assert_eq!(index.list_artifacts(&tagged).unwrap().len(), RUNS, "{name}");
    }
    let keys: BTreeSet<String> =
        names.iter().flat_map(|name| (0..RUNS).map(move |round| format!("{name}-{round}"))).collect();
    let record = shared.record().unwrap();
    assert!(keys.iter().all(|key| record.contains_key(key)), "an update was lost");
    let lines: BTreeSet<String> =
        fs::read_to_string(shared.stdout_path()).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines, keys);
    let progress = fs::read_to_string(shared.progress_path()).unwrap();
    assert_eq!(progress.lines().count(), keys.len());
    assert!(progress.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let connection = Connection::open(index.sqlite_path()).unwrap();
    let answer: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(answer, "ok");
    assert!(!index.fallback_path().exists());
    // Nothing that was half written stays behind.
    for entry in fs::read_dir(shared.dir()).unwrap().map(Result::unwrap) {
        assert!(!entry.file_name().to_string_lossy().starts_with(".new-"), "{:?}", entry.file_name());
    }
}

// Proves RC-TRACK-6.
#[test]
fn processes_lose_nothing() {
    let test = TestHome::new();
    let shared = Run::create(&test.home, &new_run("shared")).unwrap();
    let names: Vec<String> = (0..WRITERS).map(|number| format!("p{number:02}")).collect();
    let home = test.home.root().to_str().unwrap();
    let start = |name: &String| {
        let variables = [(TASK, name.as_str()), (SHARED, shared.id().as_str()), ("VELARIA_HOME", home)];
        process("concurrent::writer", &variables).spawn().unwrap()
    };
    let writers: Vec<_> = names.iter().map(start).collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    check(&test, &shared, &names);
}

/// A process of the test below, which is in the way of itself and of the other one.
#[test]
fn artifact_writer() {
    let Some((name, home)) = task(ARTIFACTS_TASK) else { return };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (name, home) = (&name, &home);
            scope.spawn(move || {
                for number in 0..ARTIFACTS {
                    let mut new = artifact(home, "run-a", &["t"]);
                    new.insert("artifact_id".to_owned(), json!(format!("{name}-{thread}-{number}")));
                    ArtifactIndex::open(home).unwrap().insert_artifact(&new).unwrap();
                }
            });
        }
    });
}

#[test]
fn threads_of_many_processes_keep_the_locks_of_each_other() {
    let test = TestHome::new();
    let home = test.home.root().to_str().unwrap();
    let start = |number: usize| {
        let name = format!("p{number}");
        let variables = [(ARTIFACTS_TASK, name.as_str()), ("VELARIA_HOME", home)];
        process("concurrent::artifact_writer", &variables).spawn().unwrap()
    };
    let writers: Vec<_> = (0..PROCESSES).map(start).collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let index = test.index();
    assert_eq!(index.backend(), Backend::Sqlite);
    let connection = Connection::open(index.sqlite_path()).unwrap();
    let answer: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(answer, "ok");
    let count: isize = connection.query_row("SELECT count(*) FROM artifacts", [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(count), Ok(PROCESSES * THREADS * ARTIFACTS));
    assert!(!index.fallback_path().exists());
}

/// A process of the test below, which finds that the index is locked.
#[test]
fn rival() {
    let Some((_, home)) = task(RIVAL_TASK) else { return };
    let file = fs::File::options().read(true).write(true).open(home.index_dir().join("artifacts.sqlite")).unwrap();
    let lock = rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    assert!(lock.is_err(), "the locks of the other process are gone");
}

#[test]
fn a_call_leaves_the_locks_of_another_call_of_its_process() {
    let test = TestHome::new();
    let index = test.index();
    // A thread in the middle of a call, and one that waits for it.
    let first = Connection::open(index.sqlite_path()).unwrap();
    first.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| index.insert_artifact(&artifact(&test.home, "run-a", &["t"])));
        let rivals: Vec<_> = (0..10)
            .map(|_| {
                let variables = [(RIVAL_TASK, "r"), ("VELARIA_HOME", test.home.root().to_str().unwrap())];
                process("concurrent::rival", &variables).output().unwrap()
            })
            .collect();
        first.execute_batch("COMMIT").unwrap();
        second.join().unwrap().unwrap();
        for rival in rivals {
            assert!(rival.status.success(), "{}", String::from_utf8_lossy(&rival.stderr));
        }
    });
    assert_eq!(index.list_artifacts(&ArtifactFilter::default()).unwrap().len(), 1);
}

#[test]
fn threads_lose_nothing() {
    let test = TestHome::new();
    let shared = Run::create(&test.home, &new_run("shared")).unwrap();
    let names: Vec<String> = (0..WRITERS).map(|number| format!("t{number:02}")).collect();
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| write(&test.home, shared.id().as_str(), name));
        }
    });
    check(&test, &shared, &names);
}
