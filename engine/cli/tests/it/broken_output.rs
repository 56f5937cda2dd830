//! Standard output that cannot be written: the exit code says so, and nothing else does.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Stand for what a run before them was and made.
const RUN: &str = "{run}";
const ARTIFACT: &str = "{artifact}";
const QUERY: &str = "SELECT * FROM input_table";

/// One call of each command that ends by itself, and each way to end: a result, an error, help.
const CALLS: &[&[&str]] = &[
    &["csv-sql", "--csv", "v.csv", "--query", QUERY],
    &["csv-sql", "--csv", "v.csv", "--query", QUERY, "-o", "parquet"],
    &["csv-sql", "--csv", "nowhere.csv", "--query", QUERY],
    &["file-sql", "--input-path", "v.csv", "--query", QUERY, "-o", "csv"],
    &["sql", "SELECT 1 AS one"],
    &["sql", "SELECT 1 AS one", "-o", "arrow"],
    &["sql", "SELECT 1 AS one", "-o", "table"],
    &["sql", "SELECT repeat('x', 1000000) AS t", "-o", "ndjson"],
    &["sql", "SELECT wibble"],
    &["vector-search", "--csv", "v.csv", "--vector-column", "e", "--query-vector", "1 0"],
    &["sniff", "v.csv"],
    &["describe", "v.csv"],
    &["functions", "date"],
    &["completions", "bash"],
    &["man"],
    &["run", "start", "--", "csv-sql", "--csv", "v.csv", "--query", QUERY],
    &["run", "list"],
    &["run", "show", "--run-id", RUN],
    &["run", "status", "--run-id", RUN],
    &["run", "watch", "--run-id", RUN],
    &["run", "watch", "--run-id", RUN, "--jsonl"],
    &["run", "result", "--run-id", RUN],
    &["run", "diff", "--run-id", RUN, "--other-run-id", RUN],
    &["run", "report", "--run-id", RUN, "-o", "report.html"],
    &["run", "open", "--run-id", RUN, "--print"],
    &["run", "rerun", "--run-id", RUN],
    &["run", "cancel", "--run-id", RUN],
    &["run", "resume", "--run-id", RUN],
    &["run", "cleanup"],
    &["run", "show", "--run-id", "wibble"],
    &["artifacts", "list"],
    &["artifacts", "preview", "--artifact-id", ARTIFACT],
    &["artifacts", "export", "--artifact-id", ARTIFACT, "-o", "result.csv"],
    &["artifacts", "open", "--artifact-id", ARTIFACT, "--print"],
    &["index", "rebuild"],
    &["wibble"],
    &["--help"],
    &["run", "--help"],
    &["run", "start", "--", "csv-sql", "--help"],
    &["--version"],
    &["--version", "--json"],
];

/// The calls, in a folder where a run has been.
fn calls(folder: &Path) -> Vec<Vec<String>> {
    let start = ["run", "start", "--", "csv-sql", "--csv", "v.csv", "--query", QUERY].map(str::to_owned);
    let document: Value = serde_json::from_slice(&call(folder, &start, Stdio::piped()).stdout).unwrap();
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    let (run, artifact) = (id(&document["run_id"]), id(&document["artifacts"][0]["artifact_id"]));
    let place = |word: &&str| word.replace(RUN, &run).replace(ARTIFACT, &artifact);
    CALLS.iter().map(|words| words.iter().map(place).collect()).collect()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("v.csv"), "e\n[1 0]\n[0 1]\n").unwrap();
    folder
}

fn call(folder: &Path, args: &[String], stdout: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.args(args).env("VELARIA_HOME", folder.join("home")).current_dir(folder).stdin(Stdio::null());
    command.stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

#[cfg(target_os = "linux")]
// Proves RC-CLI-11.
#[test]
fn a_full_disk_is_exit_code_74() {
    let folder = folder();
    for args in calls(folder.path()) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = call(folder.path(), &args, full.into());
        assert_eq!((output.status.code(), output.stderr), (Some(74), Vec::new()), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_went_away_is_exit_code_141() {
    let folder = folder();
    for args in calls(folder.path()) {
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
    let heard = call(folder.path(), &args.map(str::to_owned), Stdio::piped());
    assert!(String::from_utf8_lossy(&heard.stderr).starts_with("warning: "), "{heard:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let unheard = command.args(args).current_dir(folder.path()).stdin(Stdio::null()).stderr(full).output().unwrap();
    assert_eq!((unheard.status.code(), unheard.stdout), (Some(0), heard.stdout));
}
