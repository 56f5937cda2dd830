//! What a person sees on a terminal: bars, colours, and Ctrl-C.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Regex, Session};

use crate::support::{ENDLESS, PATIENCE};

const CTRL_C: &str = "\u{3}";

/// Arguments, and variables of the environment.
type Call<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

/// A command without what the environment of the tests says about terminals.
fn cli(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "VELARIA_PROGRESS", "VELARIA_LOG"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm").args(args).envs(variables.iter().copied());
    command
}

fn terminal(args: &[&str], variables: &[(&str, &str)]) -> OsSession {
    let mut session = Session::spawn(cli(args, variables)).unwrap();
    session.set_expect_timeout(Some(PATIENCE));
    session
}

/// What else is shown, and the exit code.
fn ended(mut session: OsSession) -> (String, i32) {
    let rest = session.expect(Eof).unwrap();
    let text = String::from_utf8_lossy(rest.as_bytes()).into_owned();
    match session.get_process().wait().unwrap() {
        WaitStatus::Exited(_, code) => (text, code),
        other => panic!("{other:?}: {text}"),
    }
}

fn piped(args: &[&str], variables: &[(&str, &str)]) -> Output {
    cli(args, variables).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_bar_stands_while_a_query_runs_and_ctrl_c_ends_both() {
    let mut session = terminal(&["sql", ENDLESS], &[]);
    session.expect(Regex(r"[0-9.]+.? rows  [0-9.]+ .?i?B  [0-9.]+.? rows/s")).unwrap();
    session.send(CTRL_C).unwrap();
    let (shown, code) = ended(session);
    // The bar is gone before the error stands there.
    let (before, after) = shown.rsplit_once("\r\u{1b}[K").unwrap();
    assert!(after.starts_with("\u{1b}[1;31merror:\u{1b}[0m interrupted [VEL-8002]"), "{before:?} {after:?}");
    assert_eq!(code, 130);
}

#[test]
fn a_bar_stands_while_a_run_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let csv = home.path().join("s.csv");
    fs::write(&csv, "a\n1\n").unwrap();
    let (csv, home) = (csv.to_string_lossy(), home.path().to_string_lossy());
    let args = ["run", "start", "--", "csv-sql", "--csv", &csv, "--query", ENDLESS];
    let mut session = terminal(&args, &[("VELARIA_HOME", &home)]);
    session.expect("rows/s").unwrap();
    session.send(CTRL_C).unwrap();
    let (shown, code) = ended(session);
    assert!(shown.contains("\"status\": \"cancelled\""), "{shown}");
    assert_eq!(code, 130);
    assert!(progress(Path::new(&*home)).starts_with("{\"kind\":\"batch\",\"rows\":"));
}

#[test]
fn a_stream_says_its_micro_batches_and_its_lag() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("in");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("1.csv"), "k,v\na,1\n").unwrap();
    let (folder, home) = (folder.to_string_lossy(), home.path().to_string_lossy());
    let start = ["run", "start", "--", "stream-sql-once", "--source-csv-dir", &folder, "--max-batches", "2"];
    let query = "INSERT INTO output_sink SELECT k, SUM(v) AS s FROM input_stream GROUP BY k";
    let args = [start.as_slice(), &["--sink-schema", "k STRING, s INT", "--query", query]].concat();
    let mut session = terminal(&args, &[("VELARIA_HOME", &home)]);
    session.expect(Regex("batch [0-9]+  [0-9]+ rows .*lag [0-9]+ batch")).unwrap();
    session.send(CTRL_C).unwrap();
    let (shown, code) = ended(session);
    assert!(shown.contains("\"status\": \"cancelled\""), "{shown}");
    assert_eq!(code, 130);
}

fn progress(home: &Path) -> String {
    let run = fs::read_dir(home.join("runs")).unwrap().next().unwrap().unwrap().path();
    fs::read_to_string(run.join("progress.jsonl")).unwrap()
}

#[test]
fn a_terminal_that_wants_no_bar_gets_none() {
    let endless = ["sql", ENDLESS, "--timeout", "1.5"];
    let without = [endless.as_slice(), &["--no-progress"]].concat();
    let calls: [Call<'_>; 3] =
        [(&endless, &[("TERM", "dumb")]), (&endless, &[("VELARIA_PROGRESS", "0")]), (&without, &[])];
    for (args, variables) in calls {
        let (shown, code) = ended(terminal(args, variables));
        assert!(!shown.contains("rows/s") && !shown.contains("\u{1b}[K"), "{variables:?} {shown:?}");
        assert!(shown.contains("the time limit of 1.5s was reached"), "{shown:?}");
        assert_eq!(code, 1);
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let calls: [&[&str]; 2] = [&["sql", "SELECT nope", "-o", "table"], &["--help"]];
    for args in calls {
        assert!(ended(terminal(args, &[])).0.contains("\u{1b}["), "{args:?}");
        for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let (shown, _) = ended(terminal(args, &[plain]));
            assert!(!shown.contains('\u{1b}'), "{plain:?} {shown:?}");
        }
        let output = piped(args, &[]);
        assert!(!text(&output.stdout).contains('\u{1b}') && !text(&output.stderr).contains('\u{1b}'), "{args:?}");
        let output = piped(args, &[("CLICOLOR_FORCE", "1")]);
        assert!(text(&output.stdout).contains('\u{1b}') || text(&output.stderr).contains('\u{1b}'), "{args:?}");
    }
    let document = piped(&["sql", "SELECT nope"], &[("CLICOLOR_FORCE", "1")]);
    assert!(!text(&document.stdout).contains('\u{1b}') && document.stderr.is_empty());
}

#[test]
fn a_log_is_written_where_it_is_asked_for() {
    assert!(piped(&["sql", "SELECT 1"], &[]).stderr.is_empty());
    let calls: [Call<'_>; 3] = [
        (&["-vv", "sql", "SELECT 1"], &[]),
        (&["sql", "SELECT 1", "-v", "-v"], &[]),
        (&["sql", "SELECT 1"], &[("VELARIA_LOG", "off,velaria.query=debug")]),
    ];
    for (args, variables) in calls {
        let output = piped(args, variables);
        assert!(text(&output.stderr).contains(" DEBUG velaria.query: statement: SELECT 1\n"), "{output:?}");
        assert_eq!(output.stdout, piped(&["sql", "SELECT 1"], &[]).stdout);
    }
    let output = piped(&["sql", "SELECT 1", "-vv", "--log-format", "json"], &[]);
    for line in text(&output.stderr).lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "debug");
    }
    let output = piped(&["sql", "SELECT 1"], &[("VELARIA_LOG", "loud")]);
    assert!(text(&output.stdout).contains("environment variable VELARIA_LOG: invalid value: 'loud'"), "{output:?}");
}

#[test]
fn a_worker_logs_into_its_run_and_no_secret() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("s.csv"), "a\n1\n").unwrap();
    let (csv, home_text) = (home.path().join("s.csv"), home.path().to_string_lossy());
    let secret = "planted-5ecret-value";
    let query = format!("SELECT '{secret}' AS s");
    let args = ["run", "start", "-vv", "--", "csv-sql", "--csv", &csv.to_string_lossy(), "--query", &query];
    let output = piped(&args, &[("VELARIA_HOME", &home_text), ("MY_API_TOKEN", secret)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = fs::read_dir(home.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    let log = fs::read_to_string(run.join("stderr.log")).unwrap();
    assert!(log.contains("DEBUG velaria.query: "), "{log}");
    assert!(!log.contains(secret) && !text(&output.stderr).contains(secret), "{log}");
}
