//! Standard output that cannot be written: the exit code says so, and nothing else does.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const ACTION: [&str; 6] = ["--", "csv-sql", "--csv", "v.csv", "--query", "SELECT 1 AS one"];

/// One call of each command, and each way to end: a result, an error, help.
fn calls() -> Vec<Vec<&'static str>> {
    let query = "SELECT * FROM input_table";
    let search = ["vector-search", "--csv", "v.csv", "--vector-column", "e", "--query-vector", "1 0"];
    let start: Vec<&str> = ["run", "start"].into_iter().chain(ACTION).collect();
    vec![
        vec!["csv-sql", "--csv", "v.csv", "--query", query],
        vec!["csv-sql", "--csv", "v.csv", "--query", query, "-o", "parquet"],
        vec!["csv-sql", "--csv", "nowhere.csv", "--query", query],
        vec!["file-sql", "--input-path", "v.csv", "--query", query, "-o", "csv"],
        vec!["sql", "SELECT 1 AS one"],
        vec!["sql", "SELECT 1 AS one", "-o", "arrow"],
        vec!["sql", "SELECT repeat('x', 1000000) AS t", "-o", "ndjson"],
        vec!["sql", "SELECT wibble"],
        search.to_vec(),
        vec!["sniff", "v.csv"],
        start,
        vec!["run", "list"],
        vec!["run", "show", "--run-id", "wibble"],
        vec!["artifacts", "list"],
        vec!["wibble"],
        vec!["--help"],
        vec!["run", "--help"],
        vec!["--version"],
    ]
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("v.csv"), "e\n[1 0]\n[0 1]\n").unwrap();
    folder
}

fn call(folder: &Path, args: &[&str], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.args(args).env("VELARIA_HOME", folder.join("home")).current_dir(folder).stdin(Stdio::null());
    command.stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_exit_code_74() {
    let folder = folder();
    for args in calls() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = call(folder.path(), &args, full.into());
        assert_eq!((output.status.code(), output.stderr), (Some(74), Vec::new()), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_went_away_is_exit_code_141() {
    let folder = folder();
    for args in calls() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = call(folder.path(), &args, writer.into());
        assert_eq!((output.status.code(), output.stderr), (Some(141), Vec::new()), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_warning_that_cannot_be_written_is_not_missed() {
    let folder = folder();
    fs::write(folder.path().join("late.csv"), format!("a\n{0}x\n{0}", "1\n".repeat(300_000))).unwrap();
    let args = ["csv-sql", "--csv", "late.csv", "--query", "SELECT MAX(a) AS m FROM input_table", "-o", "csv"];
    let heard = call(folder.path(), &args, Stdio::piped());
    assert!(String::from_utf8_lossy(&heard.stderr).starts_with("warning: "), "{heard:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let unheard = command.args(args).current_dir(folder.path()).stdin(Stdio::null()).stderr(full).output().unwrap();
    assert_eq!((unheard.status.code(), unheard.stdout), (Some(0), heard.stdout));
}
