//! Signals: the first one ends what runs, with its document; the second one ends the process.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{ENDLESS, PATIENCE, document};

const TICK: Duration = Duration::from_millis(10);
const SIGINT: u32 = 2;
/// What shells add to the number of a signal.
const SHELL_BASE: u32 = 128;

/// Starts the binary, and waits until it hears signals.
fn start(command: &mut Command) -> Child {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while !is_heard(child.id(), SIGINT) {
        assert!(began.elapsed() < PATIENCE, "it does not listen");
        thread::sleep(TICK);
    }
    child
}

fn cli(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velaria-cli"));
    command.args(args).stdin(Stdio::null());
    command
}

fn is_heard(pid: u32, signal: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

fn ended(mut child: Child) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "it goes on");
        thread::sleep(TICK);
    }
    child.wait_with_output().unwrap()
}

// Proves RC-CLI-10.
#[test]
fn a_signal_ends_a_query_and_leaves_its_document() {
    let signals =
        [("-INT", 130, "interrupted"), ("-TERM", 143, "terminated"), ("-HUP", 129, "the terminal was closed")];
    for (signal, code, word) in signals.into_iter().filter(|(_, code, _)| !crate::is_ignored(code - SHELL_BASE)) {
        let child = start(&mut cli(&["sql", ENDLESS]));
        send(&child, signal);
        let output = ended(child);
        let document = document(&output);
        assert_eq!(
            (output.status.code(), &document["ok"]),
            (i32::try_from(code).ok(), &Value::Bool(false)),
            "{signal}"
        );
        assert_eq!((&document["error"], &document["code"]), (&word.into(), &"VEL-8002".into()));
    }
}

#[test]
fn a_signal_ends_the_wait_for_standard_input() {
    for args in [&["sql"][..], &["sql", "--jsonl"]] {
        let mut child = start(cli(args).stdin(Stdio::piped()));
        let input = child.stdin.take();
        send(&child, "-INT");
        let output = ended(child);
        assert_eq!((output.status.code(), &document(&output)["error"]), (Some(130), &"interrupted".into()), "{args:?}");
        drop(input);
    }
}

#[test]
fn standard_input_is_read_whole_however_it_comes() {
    let mut child = start(cli(&["sql", "-o", "csv"]).stdin(Stdio::piped()));
    let mut input = child.stdin.take().unwrap();
    let text = format!("SELECT length('{}') AS n", "x".repeat(100_000));
    for piece in text.as_bytes().chunks(4099) {
        input.write_all(piece).unwrap();
    }
    drop(input);
    assert_eq!(String::from_utf8_lossy(&ended(child).stdout), "n\n100000\n");
}

#[test]
fn a_second_signal_ends_a_command_that_cannot_be_asked() {
    let mut child = start(&mut cli(&["sql", "SELECT repeat('x', 10000000) AS t", "-o", "csv"]));
    // The command writes, and nobody reads on.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let began = Instant::now();
    let status: ExitStatus = loop {
        send(&child, "-INT");
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < PATIENCE, "it goes on");
        thread::sleep(TICK);
    };
    assert_eq!(status.code(), Some(130));
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" sql \"$1\"", env!("CARGO_BIN_EXE_velaria-cli"), ENDLESS]);
    let child = start(command.stdin(Stdio::null()));
    assert!(!is_heard(child.id(), 1));
    send(&child, "-HUP");
    send(&child, "-TERM");
    let output = ended(child);
    assert_eq!((output.status.code(), &document(&output)["error"]), (Some(143), &"terminated".into()));
}

#[test]
fn a_signal_cancels_a_run() {
    let home = tempfile::tempdir().unwrap();
    let csv = home.path().join("s.csv");
    fs::write(&csv, "a\n1\n").unwrap();
    let csv = csv.to_string_lossy();
    let mut command = cli(&["run", "start", "--", "csv-sql", "--csv", &csv, "--query", ENDLESS]);
    let child = start(command.env("VELARIA_HOME", home.path()));
    let runs = home.path().join("runs");
    let began = Instant::now();
    while fs::read_dir(&runs).map_or(0, Iterator::count) == 0 {
        assert!(began.elapsed() < PATIENCE, "no run");
        thread::sleep(TICK);
    }
    send(&child, "-INT");
    let output = ended(child);
    let document = document(&output);
    assert_eq!((output.status.code(), &document["status"]), (Some(130), &"cancelled".into()), "{document}");
}
