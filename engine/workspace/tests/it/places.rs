//! Homes that cannot be written: refusals with a name, and nothing that was there is changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use velaria_contract::ErrorCode;
use velaria_workspace::{ArtifactIndex, Home, Object, Outcome, Run, RunFilter, RunStatus};

use crate::support::{TestHome, artifact, new_run, object, process, task};

const TASK: &str = "VELARIA_TEST_PLACES";
/// A user who owns nothing.
const NOBODY: u32 = 65_534;

/// The processes that the tests below start.
#[test]
fn acts() {
    let Some((task, home)) = task(TASK) else { return };
    match task.as_str() {
        "makes" => {
            let run = Run::create(&home, &new_run("csv-sql")).unwrap();
            let index = ArtifactIndex::open(&home).unwrap();
            index.upsert_run(&run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap()).unwrap();
            index.insert_artifact(&artifact(&home, run.id().as_str(), &["result"])).unwrap();
            println!("run={}", run.id());
        }
        "writes" => println!("said={}", json!(writes(&home, &std::env::var("VELARIA_TEST_RUN").unwrap()))),
        other => panic!("{other}"),
    }
}

/// What becomes of everything that writes.
fn writes(home: &Home, id: &str) -> Vec<String> {
    let said = |result: Result<(), velaria_contract::Error>| match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{} {error}", error.code()),
    };
    let mut all = vec![said(Run::create(home, &new_run("csv-sql")).map(drop))];
    match Run::open(home, id) {
        Err(error) => all.push(said(Err(error))),
        Ok(run) => {
            all.push(said(run.record().map(drop)));
            all.push(said(run.update(&object(json!({"details": {"x": 1}}))).map(drop)));
            all.push(said(run.write_inputs(&object(json!({"x": 1}))).map(drop)));
            all.push(said(run.append_progress_snapshot("{\"x\": 1}").map(drop)));
        }
    }
    let index = ArtifactIndex::open(home);
    all.push(said(index.and_then(|index| index.insert_artifact(&artifact(home, id, &[])))));
    all.push(said(ArtifactIndex::rebuild(home).map(drop)));
    all
}

/// A line of what a process said.
fn line(command: &mut Command, name: &str) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find_map(|line| line.split_once(name)).map(|(_, found)| found.to_owned());
    found.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn said(command: &mut Command) -> Vec<String> {
    serde_json::from_str(&line(command, "said=")).unwrap()
}

/// Every file below `dir`, and what is in it.
fn picture(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(picture(&entry.path()));
        } else {
            all.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    all.sort();
    all
}

fn set_mode(dir: &Path, write: bool) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            set_mode(&entry.path(), write);
        } else {
            fs::set_permissions(entry.path(), Permissions::from_mode(if write { 0o600 } else { 0o400 })).unwrap();
        }
    }
    fs::set_permissions(dir, Permissions::from_mode(if write { 0o700 } else { 0o500 })).unwrap();
}

/// This test binary as a process that permissions hold for, which those of root do not.
struct Unprivileged {
    folder: tempfile::TempDir,
}

impl Unprivileged {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(std::env::current_exe().unwrap(), folder.path().join("it")).unwrap();
        // Whoever it is has to get there.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(folder.path().join("it"), Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn command(&self, task: &str, run: &str) -> Command {
        let mut command = Command::new(self.folder.path().join("it"));
        command.args(["--exact", "places::acts", "--nocapture"]).current_dir(self.folder.path());
        command.env(TASK, task).env("VELARIA_HOME", self.home()).env("VELARIA_TEST_RUN", run);
        // Permissions say nothing to root, who owns what it makes.
        if fs::metadata(self.folder.path()).unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

#[test]
fn a_home_that_cannot_be_written_is_refused_and_stays_as_it_is() {
    let place = Unprivileged::new();
    let run = line(&mut place.command("makes", ""), "run=");
    set_mode(&place.home(), false);
    let before = picture(&place.home());
    let said = said(&mut place.command("writes", &run));
    let after = picture(&place.home());
    set_mode(&place.home(), true);
    assert_eq!(after, before);
    let (reads, writes): (Vec<_>, Vec<_>) = said.iter().partition(|said| *said == "ok");
    // The record of a run can still be read.
    assert_eq!(reads.len(), 1, "{said:?}");
    assert!(writes.iter().all(|said| said.starts_with("VEL-6003 cannot")), "{said:?}");
}

#[test]
fn a_full_disk_leaves_whole_files_and_no_half_runs() {
    let test = TestHome::new();
    let run = test.run();
    let index = test.index();
    index.upsert_run(&run.finalize(&Outcome::of(RunStatus::Succeeded)).unwrap()).unwrap();
    let before = (run.record().unwrap(), index.list_runs(&RunFilter::default()).unwrap());
    // No file may grow: what a full disk answers, this does.
    let inner = process("places::acts", &[]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args());
    limited.env(TASK, "writes").env("VELARIA_HOME", test.home.root()).env("VELARIA_TEST_RUN", run.id().as_str());
    let said = said(&mut limited);
    assert_eq!(said[1], "ok", "{said:?}");
    for refused in [0, 2, 3, 4] {
        assert!(said[refused].starts_with("VEL-6003 "), "{said:?}");
    }
    assert_eq!((run.record().unwrap(), test.index().list_runs(&RunFilter::default()).unwrap()), before);
    assert_eq!(fs::read_dir(test.home.runs_dir()).unwrap().count(), 1, "a half run stays");
    ArtifactIndex::rebuild(&test.home).unwrap();
    assert_eq!(test.index().list_runs(&RunFilter::default()).unwrap(), before.1);
}

#[test]
fn places_that_cannot_be_a_home_are_named() {
    for place in ["/dev/null/home", "/proc/velaria", "/dev/full/x"] {
        let home = Home::at(place).unwrap();
        for error in [Run::create(&home, &new_run("a")).unwrap_err(), ArtifactIndex::open(&home).unwrap_err()] {
            let named = matches!(error.code(), ErrorCode::Io | ErrorCode::NotAFile | ErrorCode::FileNotFound);
            assert!(named && error.message().contains(place), "{error:?}");
        }
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_makes_nobody_wait() {
    let test = TestHome::new();
    let run = test.run();
    for name in ["_owner.json", "inputs.json", "_artifacts.jsonl"] {
        let path = run.dir().join(name);
        let _ = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    }
    assert_eq!(run.record().unwrap()["status"], "running");
    assert_eq!(run.inputs().unwrap_err().code(), ErrorCode::NotAFile);
    assert_eq!(ArtifactIndex::rebuild(&test.home).unwrap().skipped, [run.id().to_string()]);
}

#[test]
fn a_directory_that_somebody_holds_is_not_waited_for_without_end() {
    let test = TestHome::new();
    let run = test.run();
    let holder = fs::File::open(run.dir()).unwrap();
    holder.lock().unwrap();
    let error = run.update(&Object::new()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::IndexLocked, "{error}");
    assert!(error.hint().is_some());
    drop(holder);
    run.update(&Object::new()).unwrap();
}
