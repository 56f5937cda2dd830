//! Files through the engine: laziness, quoted line ends under parallel reading, faults with their line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use velaria::{CsvOptions, DataFrame, ErrorCode, Result, Session, wait};

use crate::{rows, session, sql, text};

fn read_csv(session: &Session, path: &Path) -> Result<DataFrame> {
    let (session, path) = (session.clone(), path.to_str().unwrap().to_owned());
    wait(async move { session.read_csv(&path, &CsvOptions::default()).await }, || Ok(()))
}

fn read_csv_with(session: &Session, path: &Path, options: CsvOptions) -> Result<DataFrame> {
    let (session, path) = (session.clone(), path.to_str().unwrap().to_owned());
    wait(async move { session.read_csv(&path, &options).await }, || Ok(()))
}

/// Twice the size from which on a file is read in parallel.
fn large_csv(mut record: impl FnMut(usize) -> String) -> String {
    let mut content = String::from("id,note\n");
    for id in 0.. {
        writeln!(content, "{id},{}", record(id)).unwrap();
        if content.len() > 22_000_000 {
            break;
        }
    }
    content
}

#[test]
fn line_ends_in_quotes_survive_parallel_reading() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.csv");
    let content = large_csv(|id| format!("\"first line of {id}\n{id},second line that looks like a record\""));
    let records = content.matches("first line").count();
    fs::write(&path, content).unwrap();
    let session = session(4);
    session.create_temp_view("notes", &read_csv(&session, &path).unwrap()).unwrap();
    let counted =
        text(&sql(&session, "SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids, SUM(id) AS total FROM notes").unwrap());
    let total = records * (records - 1) / 2;
    assert!(counted.contains(&format!("| {records} | {records} | {total} |")), "{counted}");
}

#[test]
fn parallel_and_serial_reading_give_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain.csv");
    fs::write(&path, large_csv(|id| format!("note {}", id % 13))).unwrap();
    let results: Vec<String> = [1, 4]
        .map(|threads| {
            let session = session(threads);
            session.create_temp_view("plain", &read_csv(&session, &path).unwrap()).unwrap();
            text(
                &sql(&session, "SELECT note, COUNT(*) AS n, SUM(id) AS total FROM plain GROUP BY note ORDER BY note")
                    .unwrap(),
            )
        })
        .to_vec();
    assert_eq!(results[0], results[1]);
}

#[test]
fn a_limit_reads_only_the_head_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken_later.csv");
    let mut content = large_csv(|id| format!("note {id}"));
    content.push_str("this,record,is,ragged\n");
    fs::write(&path, content).unwrap();
    let frame = read_csv(&session(4), &path).unwrap();
    assert_eq!(rows(&frame.limit(5).unwrap()).unwrap()[0].num_rows(), 5);
    let fault = rows(&frame).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::RaggedRow);
    assert!(fault.message().ends_with("expected 2 fields, found 4"), "{fault}");
}

#[test]
fn a_fault_far_into_the_file_is_named_by_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("late.csv");
    let mut content: String = large_csv(|_| "x".to_owned());
    let line = content.lines().count() + 1;
    content.push_str("not a number,x\n");
    fs::write(&path, content).unwrap();
    let mut options = CsvOptions::default();
    options.on_type_error = velaria::OnTypeError::Error;
    let frame = read_csv_with(&session(4), &path, options).unwrap();
    let fault = rows(&frame).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::Cast);
    assert!(fault.message().contains(&format!("late.csv:{line}: cannot read 'not a number' in column id")), "{fault}");
}

#[test]
fn a_file_that_changes_is_read_as_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("growing.csv");
    fs::write(&path, "id\n1\n").unwrap();
    let frame = read_csv(&session(1), &path).unwrap();
    fs::write(&path, "id\n1\n2\n3\n").unwrap();
    assert_eq!(rows(&frame).unwrap().iter().map(|batch| batch.num_rows()).sum::<usize>(), 3);
    fs::remove_file(&path).unwrap();
    assert_eq!(rows(&frame).unwrap_err().code(), ErrorCode::FileNotFound);
}
