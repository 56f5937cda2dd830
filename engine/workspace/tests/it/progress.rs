//! Progress, read while it is written.

use std::fs::{self, OpenOptions};
use std::io::Write;

use serde_json::{Value, json};
use velaria_workspace::{ProgressTail, Run};

use crate::support::TestHome;

fn append(run: &Run, text: &str) {
    OpenOptions::new().append(true).open(run.progress_path()).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Everything that there is now.
fn drained(tail: &mut ProgressTail) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let lines = tail.next_lines().unwrap();
        if lines.is_empty() {
            return all;
        }
        all.extend(lines);
    }
}

#[test]
fn each_line_is_given_once_and_when_it_is_whole() {
    let test = TestHome::new();
    let run = test.run();
    let mut tail = ProgressTail::new(&run);
    assert!(drained(&mut tail).is_empty());
    append(&run, "{\"n\": 1}\n{\"n\": 2}\n{\"n\":");
    assert_eq!(drained(&mut tail), ["{\"n\": 1}", "{\"n\": 2}"]);
    assert!(drained(&mut tail).is_empty());
    append(&run, " 3}\n");
    assert_eq!(drained(&mut tail), ["{\"n\": 3}"]);
    assert_eq!(drained(&mut ProgressTail::new(&run)).len(), 3);
}

#[test]
fn lines_that_are_not_json_are_passed_over() {
    let test = TestHome::new();
    let run = test.run();
    append(&run, "{\"cut\n\n   \n\u{fffd}\n[1]\n{\"n\": 1}\n{\"cut");
    assert_eq!(drained(&mut ProgressTail::new(&run)), ["[1]", "{\"n\": 1}"]);
    assert_eq!(run.latest_progress().unwrap(), Some(json!({ "n": 1 })));
}

#[test]
fn long_files_and_long_lines_are_read_whole() {
    let test = TestHome::new();
    let run = test.run();
    let long = json!({ "n": 0, "text": "x".repeat(300_000) }).to_string();
    let lines: Vec<String> = std::iter::once(long).chain((1..20_000).map(|n| json!({ "n": n }).to_string())).collect();
    append(&run, &format!("{}\n", lines.join("\n")));
    assert_eq!(drained(&mut ProgressTail::new(&run)), lines);
    assert_eq!(run.latest_progress().unwrap(), Some(json!({ "n": 19_999 })));
    // The last line is larger than what is looked at first.
    let large = json!({ "text": "ü".repeat(200_000) });
    append(&run, &format!("{large}\n"));
    assert_eq!(run.latest_progress().unwrap(), Some(large));
}

#[test]
fn a_file_that_was_replaced_is_read_from_its_beginning() {
    let test = TestHome::new();
    let run = test.run();
    let mut tail = ProgressTail::new(&run);
    append(&run, "{\"n\": 1}\n{\"n\": 2}\n");
    assert_eq!(drained(&mut tail).len(), 2);
    fs::write(run.progress_path(), "{\"n\": 3}\n").unwrap();
    assert_eq!(drained(&mut tail), ["{\"n\": 3}"]);
    fs::remove_file(run.progress_path()).unwrap();
    assert!(drained(&mut tail).is_empty());
    assert_eq!(run.latest_progress().unwrap(), None::<Value>);
}
