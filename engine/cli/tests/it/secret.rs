//! A secret that was planted everywhere is found nowhere: not in the home, and in nothing that is printed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The value of a variable of the environment.
const KNOWN: &str = "canary-5up3r-s3cret";
/// A value that nothing but its name gives away.
const NAMED: &str = "canary-0nly-n4med";

fn call(place: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.args(args).env("VELARIA_HOME", place.path().join("home")).env("BITABLE_APP_SECRET", KNOWN);
    command.current_dir(place.path()).stdin(Stdio::null()).output().unwrap()
}

/// The files below `folder` that hold `text`, also in their names.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if fs::read(&path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            found.push(path.display().to_string());
        }
        if path.file_name().unwrap().to_string_lossy().contains(text) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn assert_silent(place: &TempDir, args: &[&str]) -> Output {
    let output = call(place, args);
    for secret in [KNOWN, NAMED] {
        for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains(secret), "{args:?} tells {secret} on {stream}: {text}");
        }
        let home = place.path().join("home");
        let found = if home.exists() { holding(&home, secret) } else { Vec::new() };
        assert!(found.is_empty(), "{args:?} writes {secret} down: {found:?}");
    }
    output
}

fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("s.csv"), "name,score\nalice,10\nbob,22.5\n").unwrap();
    fs::create_dir(place.path().join("in")).unwrap();
    fs::write(place.path().join("in/part-000.csv"), "key,value\nu1,1\n").unwrap();
    place
}

#[test]
fn a_secret_of_the_environment_is_written_down_nowhere() {
    let place = place();
    let query = format!("SELECT name FROM input_table WHERE name <> '{KNOWN}'");
    let wrong = format!("SELECT nmae FROM input_table WHERE name <> '{KNOWN}'");
    let (tag, param) = (format!("a,{KNOWN}"), format!("name={KNOWN}"));
    let start = ["run", "start", "--run-name", KNOWN, "--description", KNOWN, "--tag", &tag, "--"];
    let sql = |query: &str| -> Vec<String> {
        let more = ["csv-sql", "--csv", "s.csv", "--query", query, "--param", &param];
        start.iter().chain(&more).map(|&word| word.to_owned()).collect()
    };
    for query in [query.as_str(), wrong.as_str(), "SELECT name FROM input_table WHERE name <> :name"] {
        let args = sql(query);
        assert_silent(&place, &args.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let insert = format!("INSERT INTO output_sink SELECT key, value FROM input_stream WHERE key <> '{KNOWN}'");
    let more =
        ["stream-sql-once", "--source-csv-dir", "in", "--sink-schema", "key STRING, value INT", "--query", &insert];
    let output = assert_silent(&place, &[&start[..], &more].concat());
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["status"], "succeeded", "{run}");
    let id = run["run_id"].as_str().unwrap();
    for args in [&["run", "list"][..], &["run", "show", "--run-id", id], &["run", "result", "--run-id", id]] {
        assert_silent(&place, args);
    }
}

#[test]
fn a_secret_that_only_its_name_gives_away_is_written_down_nowhere() {
    let place = place();
    let (param, option) = (format!("api_key={NAMED}"), format!("password={NAMED}"));
    let query = "SELECT name FROM input_table WHERE name <> :api_key";
    let args = ["run", "start", "--", "csv-sql", "--csv", "s.csv", "--query", query, "--param", &param];
    let output = assert_silent(&place, &args);
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_silent(&place, &[&args[..], &["--option", &option]].concat());
    assert_silent(&place, &["run", "list"]);
}
