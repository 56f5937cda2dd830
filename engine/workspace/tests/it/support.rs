//! What the tests share: a home of their own, records, and other processes.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use velaria_contract::ManualClock;
use velaria_workspace::{ArtifactIndex, Home, NewArtifact, NewRun, Object, Run};

/// 2026-11-21T07:38:07Z.
pub(crate) const MOMENT_MS: i64 = 1_795_246_687_000;

/// A home in a directory that goes away with the test.
pub(crate) struct TestHome {
    pub(crate) home: Home,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: TempDir,
}

impl TestHome {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(MOMENT_MS));
        let home = Home::at(dir.path().join("home")).unwrap().with_clock(clock.clone());
        Self { home, clock, dir }
    }

    pub(crate) fn index(&self) -> ArtifactIndex {
        ArtifactIndex::open(&self.home).unwrap()
    }

    /// A new run that is in the index.
    pub(crate) fn run(&self) -> Run {
        let run = Run::create(&self.home, &new_run("csv-sql")).unwrap();
        self.index().upsert_run(&run.record().unwrap()).unwrap();
        run
    }

    /// A run of the index alone, which began at `created_at`.
    pub(crate) fn row(&self, id: &str, created_at: &str, status: &str) {
        self.index().upsert_run(&run_row(id, created_at, status)).unwrap();
    }
}

pub(crate) fn new_run(action: &str) -> NewRun {
    NewRun {
        action: action.to_owned(),
        args: object(json!({"csv": "a.csv", "output_path": null})),
        velaria_version: "0.1.0".to_owned(),
        ..NewRun::default()
    }
}

pub(crate) fn run_row(id: &str, created_at: &str, status: &str) -> Object {
    object(json!({
        "run_id": id, "created_at": created_at, "action": "csv-sql", "cli_args": {"csv": "x"}, "velaria_version": "0.1.0",
        "run_dir": format!("/elsewhere/{id}"), "status": status, "finished_at": null, "run_name": null, "error": null,
        "details": {},
    }))
}

/// An artifact record of `run_id` with `tags`.
pub(crate) fn artifact(home: &Home, run_id: &str, tags: &[&str]) -> Object {
    let mut new = NewArtifact::file(&home.root().join("a b.csv"), "csv").unwrap();
    new.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    new.row_count = Some(3);
    new.schema = Some(vec!["x".to_owned()]);
    let id = velaria_workspace::RunId::new(&ManualClock::new(MOMENT_MS)).unwrap();
    let mut record = new.record(home, &id).unwrap();
    record.insert("run_id".to_owned(), json!(run_id));
    record
}

pub(crate) fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

pub(crate) fn texts(rows: &[Object], key: &str) -> Vec<String> {
    rows.iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
}

/// This test binary, told to run `test` alone with `variables`.
pub(crate) fn process(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a parent asked this process to do, and the home to do it in.
pub(crate) fn task(name: &str) -> Option<(String, Home)> {
    let task = env::var(name).ok()?;
    Some((task, Home::at(PathBuf::from(env::var_os("VELARIA_HOME")?)).unwrap()))
}
