//! Ways out of the home, none of which leads out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use velaria_contract::{Error, ErrorCode};
use velaria_workspace::{ArtifactIndex, Cleanup, Files, Outcome, ProgressTail, Run, RunStatus, file_path};

use crate::support::{TestHome, artifact, object, run_row};

const ID: &str = "20261121T073807Z_41f61f86";

/// Texts that are no ids of runs, among them every usual way to climb.
pub(crate) const BAD_IDS: [&str; 30] = [
    "",
    " ",
    ".",
    "..",
    "/",
    "//",
    "../..",
    "../../outside",
    "../runs",
    "../index",
    "../../../../../../etc",
    "/etc",
    "/etc/passwd",
    "~",
    "~root",
    "$HOME",
    "%2e%2e%2f",
    "..%2f..%2foutside",
    "..\\..\\outside",
    "C:\\",
    "file:///etc",
    "20261121T073807Z_41f61f86/../../../outside",
    "20261121T073807Z_41f61f86/artifacts",
    "20261121T073807Z_41f61f86/",
    "20261121T073807Z_41f61f86\0",
    "20261121T073807Z_41f61f86\n",
    "./20261121T073807Z_41f61f86",
    "20261121T073807Z_41F61F86",
    "20261121T073807Z_../../x",
    "２０261121T073807Z_41f61f86",
];

/// A home with a run, and a directory outside of it that looks like a run and must stay as it is and unread.
struct Walls {
    test: TestHome,
    run: Run,
}

impl Walls {
    fn new() -> Self {
        let test = TestHome::new();
        let run = test.run();
        run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap();
        let outside = test.dir.path().join("outside");
        fs::create_dir_all(outside.join("artifacts")).unwrap();
        let record = json!({"run_id": ID, "status": "succeeded", "created_at": "2026-01-01T00:00:00Z", "canary": 1});
        fs::write(outside.join("run.json"), record.to_string()).unwrap();
        fs::write(outside.join("inputs.json"), record.to_string()).unwrap();
        fs::write(outside.join("progress.jsonl"), "{\"canary\": 1}\n").unwrap();
        Self { test, run }
    }

    fn outside(&self) -> std::path::PathBuf {
        self.test.dir.path().join("outside")
    }

    /// What is outside, with every byte of it.
    fn picture(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        let mut dirs = vec![self.outside()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
                let path = entry.path();
                all.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
                if entry.file_type().unwrap().is_dir() {
                    dirs.push(path);
                }
            }
        }
        all.sort();
        all
    }
}

fn is_refused<T>(result: Result<T, Error>, attempt: &str) -> Error {
    match result {
        Ok(_) => panic!("it went through: {attempt}"),
        Err(error) => error,
    }
}

#[test]
fn no_id_is_a_way_out() {
    let walls = Walls::new();
    let before = walls.picture();
    let (home, index) = (&walls.test.home, walls.test.index());
    for id in BAD_IDS {
        assert_eq!(is_refused(Run::open(home, id), id).code(), ErrorCode::RunNotFound, "{id}");
        assert_eq!(is_refused(index.delete_run(id, Files::Delete), id).code(), ErrorCode::RunNotFound, "{id}");
        // A row may have such an id; what it names on disk is nobody's.
        let mut row = run_row(id, "2026-01-01T00:00:00Z", "failed");
        row.insert("run_dir".to_owned(), json!(walls.outside().to_str().unwrap()));
        let _ = index.upsert_run(&row);
        let mut stray = artifact(home, id, &["result"]);
        stray.insert("run_id".to_owned(), json!(id));
        let _ = index.insert_artifact(&stray);
    }
    let report = index.cleanup_runs(&Cleanup { keep_last_n: Some(1), files: Files::Delete, ..Cleanup::default() });
    assert!(report.unwrap().deleted_run_dirs.is_empty());
    assert!(walls.run.file().is_file());
    assert_eq!(walls.picture(), before);
}

#[test]
fn a_link_in_the_place_of_a_run_is_no_run() {
    let walls = Walls::new();
    let before = walls.picture();
    let (home, index) = (&walls.test.home, walls.test.index());
    let relative = Path::new("../../outside");
    for (number, target) in [walls.outside().as_path(), relative, Path::new(".."), walls.run.dir()].iter().enumerate() {
        let id = format!("20261121T073807Z_0000000{number}");
        symlink(target, home.runs_dir().join(&id)).unwrap();
        index.upsert_run(&run_row(&id, "2026-01-01T00:00:00Z", "failed")).unwrap();
        is_refused(Run::open(home, &id), &id);
        assert_eq!(index.delete_run(&id, Files::Delete).unwrap().deleted_run_dir, None, "{id}");
        assert!(home.runs_dir().join(&id).symlink_metadata().is_ok(), "{id}");
    }
    ArtifactIndex::rebuild(home).unwrap();
    assert_eq!(walls.picture(), before);
    assert!(walls.run.file().is_file());
}

#[test]
fn links_in_a_run_are_not_read_written_or_followed() {
    for name in ["run.json", "inputs.json", "explain.json", "progress.jsonl", "stdout.log", "stderr.log", "_cancel"] {
        let walls = Walls::new();
        let before = walls.picture();
        let run = &walls.run;
        let target = walls.outside().join(if name == "progress.jsonl" { "progress.jsonl" } else { "run.json" });
        let _ = fs::remove_file(run.dir().join(name));
        symlink(&target, run.dir().join(name)).unwrap();
        let shown = [
            format!("{:?}", run.record()),
            format!("{:?}", run.inputs()),
            format!("{:?}", run.latest_progress()),
            format!("{:?}", ProgressTail::new(run).next_lines()),
        ];
        assert!(!shown.concat().contains("canary"), "{name}: {shown:?}");
        let _ = run.update(&object(json!({"details": {"x": 1}})));
        let _ = run.write_inputs(&object(json!({"x": 1})));
        let _ = run.write_explain(&object(json!({"x": 1})));
        let _ = run.append_progress_snapshot("{\"x\": 1}");
        let _ = run.append_stdout("x");
        let _ = run.append_stderr("x");
        let _ = run.request_cancel();
        assert_eq!(walls.picture(), before, "{name}");
    }
}

#[test]
fn links_in_a_run_that_is_deleted_lead_nowhere() {
    let walls = Walls::new();
    let before = walls.picture();
    let run = &walls.run;
    symlink(walls.outside(), run.artifacts_dir().join("dir")).unwrap();
    symlink(walls.outside().join("run.json"), run.artifacts_dir().join("file")).unwrap();
    fs::remove_dir_all(run.artifacts_dir()).unwrap();
    symlink(walls.outside(), run.artifacts_dir()).unwrap();
    let deleted = walls.test.index().delete_run(run.id().as_str(), Files::Delete).unwrap();
    assert_eq!(deleted.deleted_run_dir.as_deref(), Some(run.dir()));
    assert!(!run.dir().exists());
    assert_eq!(walls.picture(), before);
}

#[test]
fn runs_that_a_link_puts_elsewhere_are_not_deleted() {
    let walls = Walls::new();
    let elsewhere = walls.test.dir.path().join("elsewhere");
    fs::rename(walls.test.home.runs_dir(), &elsewhere).unwrap();
    symlink(&elsewhere, walls.test.home.runs_dir()).unwrap();
    let id = walls.run.id().as_str();
    let error = is_refused(walls.test.index().delete_run(id, Files::Delete), "runs is a link");
    assert_eq!(error.code(), ErrorCode::AccessDenied);
    let all = Cleanup { keep_last_n: Some(0), files: Files::Delete, ..Cleanup::default() };
    assert_eq!(is_refused(walls.test.index().cleanup_runs(&all), "cleanup").code(), ErrorCode::AccessDenied);
    assert!(elsewhere.join(id).join("run.json").is_file());
    assert!(walls.test.index().run(id).unwrap().is_some());
}

#[test]
fn what_a_row_says_of_its_directory_deletes_nothing() {
    let walls = Walls::new();
    let before = walls.picture();
    let index = walls.test.index();
    let told =
        [walls.outside(), walls.test.home.root().to_owned(), "/".into(), "..".into(), walls.test.home.index_dir()];
    for dir in told {
        let mut row = index.run(walls.run.id().as_str()).unwrap().unwrap();
        row.insert("run_dir".to_owned(), json!(dir.to_str().unwrap()));
        row.insert("run_id".to_owned(), json!("20261121T073807Z_ffffffff"));
        row.insert("status".to_owned(), json!("failed"));
        index.upsert_run(&row).unwrap();
        assert_eq!(index.delete_run("20261121T073807Z_ffffffff", Files::Delete).unwrap().deleted_run_dir, None);
    }
    assert_eq!(walls.picture(), before);
    assert!(walls.run.file().is_file() && index.sqlite_path().is_file());
}

#[test]
fn no_address_but_that_of_a_local_file_is_one() {
    for uri in [
        "",
        "etc/passwd",
        "../outside/run.json",
        "http://localhost/etc/passwd",
        "https://example.org/",
        "ftp://localhost/etc/passwd",
        "data:text/csv,a",
        "file:etc/passwd",
        "file:/etc/passwd",
        "file://example.org/etc/passwd",
        "file://..//etc/passwd",
        "file://%2Fetc/passwd",
        "file:///etc/pass%00wd",
        "file:///etc/passwd?x",
        "file:///etc/passwd#x",
        "\\\\server\\share",
    ] {
        assert_eq!(is_refused(file_path(uri), uri).code(), ErrorCode::InvalidArgument, "{uri}");
    }
}

#[test]
fn climbing_out_of_the_home_is_not_inside_of_it() {
    let walls = Walls::new();
    let home = &walls.test.home;
    let root = home.root().display().to_string();
    symlink(walls.outside(), walls.run.artifacts_dir().join("link")).unwrap();
    let artifacts = walls.run.artifacts_dir().display().to_string();
    for uri in [
        format!("file://{root}/../outside/run.json"),
        format!("file://{root}/runs/../../outside/run.json"),
        format!("file://{root}/%2e%2e/outside/run.json"),
        format!("file://{root}/.%2e/outside/run.json"),
        format!("file://localhost{root}/../outside/run.json"),
        format!("{root}/../outside/run.json"),
        format!("{root}/runs/./../../outside/run.json"),
        format!("file://{artifacts}/link/run.json"),
        format!("{artifacts}/link/run.json"),
        format!("file://{}/run.json", walls.outside().display()),
        "file:///etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        "file:////etc/passwd".to_owned(),
    ] {
        let path = file_path(&uri).unwrap();
        assert!(path.exists(), "{uri}");
        assert!(!home.contains(&path), "{uri}");
    }
}
