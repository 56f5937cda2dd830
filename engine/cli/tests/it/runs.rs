//! Tracked runs when the world is not as it should be: commands that are ended, full disks, many at once, homes that cannot be.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ENDLESS, document, wait_for};

/// A home with a file beside it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("s.csv"), "name,score\nalice,10\nbob,22.5\n").unwrap();
        Self { folder }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
        command.args(args).env("VELARIA_HOME", self.home()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn start(&self, query: &str) -> Command {
        self.command(&["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", query])
    }

    fn call(&self, args: &[&str]) -> Value {
        document(&self.command(args).output().unwrap())
    }

    /// The directory of the one run, once a worker has made it its own.
    #[cfg(unix)]
    fn begun(&self, parent: u32) -> PathBuf {
        wait_for(|| {
            let run = fs::read_dir(self.home().join("runs")).ok()?.next()?.ok()?.path();
            let owner: Value = serde_json::from_slice(&fs::read(run.join("_owner.json")).ok()?).ok()?;
            (owner["pid"].as_u64()? != u64::from(parent)).then_some(run)
        })
    }
}

fn id(run: &Path) -> String {
    run.file_name().unwrap().to_string_lossy().into_owned()
}

#[cfg(unix)]
#[test]
fn a_command_that_is_ended_cancels_its_run() {
    let place = Place::new();
    let mut command = place.start(ENDLESS).stdout(Stdio::null()).spawn().unwrap();
    let run = place.begun(command.id());
    assert!(Command::new("kill").args(["-TERM", &command.id().to_string()]).status().unwrap().success());
    assert!(!command.wait().unwrap().success());
    let status = wait_for(|| {
        let status = place.call(&["run", "status", "--run-id", &id(&run)]);
        (status["status"] != "running").then(|| status["status"].clone())
    });
    assert_eq!(status, "cancelled");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_does_not_spoil_the_run() {
    let place = Place::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = place.start("SELECT 1 AS one").stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(74));
    assert_eq!(place.call(&["run", "list"])["runs"][0]["status"], "succeeded");
}

#[test]
fn many_runs_at_once_are_all_there() {
    let place = Place::new();
    let starts: Vec<_> = (0..8)
        .map(|number| place.start(&format!("SELECT {number} AS n")).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    for start in starts {
        assert_eq!(document(&start.wait_with_output().unwrap())["status"], "succeeded");
    }
    let runs = place.call(&["run", "list"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 8);
    assert_eq!(place.call(&["artifacts", "list"])["artifacts"].as_array().unwrap().len(), 8);
    assert!(!place.home().join("index/artifacts.jsonl").exists());
}

#[test]
fn a_home_that_is_a_file_is_an_error() {
    let place = Place::new();
    fs::write(place.home(), "").unwrap();
    for args in [&["run", "list"][..], &["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", "SELECT 1"]] {
        let output = place.command(args).output().unwrap();
        assert_eq!((output.status.code(), &document(&output)["ok"]), (Some(1), &Value::Bool(false)));
    }
}

#[test]
fn a_worker_without_an_order_says_so() {
    let place = Place::new();
    let output = place.command(&["__worker"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: a worker reads its order from standard input"));
}

#[test]
fn a_document_that_was_begun_stays_the_only_one() {
    let place = Place::new();
    let mut command = place
        .start("SELECT value FROM range(200000) AS t(value)")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = command.stdout.take().unwrap();
    let mut printed = vec![0];
    stdout.read_exact(&mut printed).unwrap();
    // The rest does not fit into the pipe.
    let run = fs::read_dir(place.home().join("runs")).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(run).unwrap();
    stdout.read_to_end(&mut printed).unwrap();
    let output = Output { stdout: printed, ..command.wait_with_output().unwrap() };
    assert_eq!((&document(&output)["status"], output.status.code()), (&"succeeded".into(), Some(0)));
}

#[test]
fn a_result_that_cannot_be_printed_was_never_a_success() {
    let place = Place::new();
    let rows: String = (0..100).map(|number| format!("{number}\n")).collect();
    fs::write(place.folder.path().join("s.csv"), format!("k\n{rows}")).unwrap();
    let late = "SELECT to_timestamp_seconds(CASE WHEN k=80 THEN 92233720368547758 ELSE 1 END) AS t FROM input_table";
    let ended = document(&place.start(late).output().unwrap());
    assert_eq!((&ended["ok"], &ended["status"]), (&false.into(), &"failed".into()), "{ended}");
    assert_eq!(place.call(&["artifacts", "list"])["artifacts"].as_array().unwrap().len(), 0);
    let run = &place.call(&["run", "list"])["runs"][0];
    assert_eq!((&run["status"], &run["artifact_count"]), (&"failed".into(), &0.into()));
    let run_dir = PathBuf::from(ended["run_dir"].as_str().unwrap());
    assert!(!run_dir.join("_action_result.part").exists());
}

#[test]
fn a_result_does_not_replace_its_input() {
    let place = Place::new();
    let input = place.folder.path().join("s.csv");
    let whole = fs::read_to_string(&input).unwrap();
    let mut paths = vec!["s.csv".to_owned(), "./s.csv".to_owned(), input.to_string_lossy().into_owned()];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&input, place.folder.path().join("link.csv")).unwrap();
        paths.push("link.csv".to_owned());
    }
    for path in paths {
        for action in [["csv-sql", "--csv"], ["file-sql", "--input-path"]] {
            let start = ["run", "start", "--"];
            let asked = ["s.csv", "--query", "SELECT 1 AS one", "--output-path", &path];
            let refused = place.call(&[&start[..], &action, &asked].concat());
            assert_eq!((&refused["ok"], &refused["code"]), (&false.into(), &"VEL-7001".into()), "{refused}");
            assert_eq!(fs::read_to_string(&input).unwrap(), whole);
        }
    }
}

#[cfg(unix)]
#[test]
fn what_a_run_leaves_behind_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("v.csv"), "id,v\n1,\"[1,0]\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.current_dir(folder.path()).env("VELARIA_HOME", folder.path().join("home")).stdin(Stdio::null());
    command.args(["run", "start", "--", "vector-search", "--csv", "v.csv", "--vector-column", "v"]);
    let started = command.args(["--query-vector", "1 0"]).output().unwrap();
    let document: Value = serde_json::from_slice(&started.stdout).unwrap();
    let mut folders = vec![folder.path().join("home/runs")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o77, 0, "{}", folder.display());
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o77, 0, "{}", path.display());
            }
        }
    }
    assert!(files > 8, "{document}");
}
