//! The snapshots of `progress.jsonl`: all of them, or of a long file as many as are wanted, evenly from its beginning to
//! its end, in a time that does not grow with the file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use velaria_contract::Result;

use crate::failure::refused;
use crate::run::Run;
use crate::{Object, exact, portion};

/// A file of at most so many bytes is read whole.
const WHOLE_BYTES_MAX: u64 = 8 << 20;
/// A longer line is no snapshot.
const LINE_BYTES_MAX: u64 = 256 << 10;

/// Snapshots in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshots {
    /// The snapshots.
    pub lines: Vec<Object>,
    /// Whether others between them were left out.
    pub sampled: bool,
}

/// The snapshots of `run`; of a long file about `samples`, with the first one and the last one.
///
/// Lines that are no JSON object, such as one that is being written, are passed over.
///
/// # Errors
/// `VEL-6003` when the file system refuses, or `progress.jsonl` is not a file.
pub fn read_snapshots(run: &Run, samples: u64) -> Result<Snapshots> {
    let path = run.progress_path();
    let read = portion::open(&path).and_then(|(file, length)| {
        if length <= WHOLE_BYTES_MAX { all(file, length) } else { some(file, length, samples.max(2)) }
    });
    match read {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Snapshots::default()),
        read => read.map_err(|source| refused("cannot read", &path, source)),
    }
}

fn all(file: File, length: u64) -> io::Result<Snapshots> {
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text)?;
    let lines = text.split(|byte| *byte == b'\n').filter_map(snapshot).collect();
    Ok(Snapshots { lines, sampled: false })
}

/// One line after each of so many places.
fn some(file: File, length: u64, samples: u64) -> io::Result<Snapshots> {
    let mut reader = BufReader::new(file);
    let mut lines = Vec::new();
    let mut read_to = 0;
    for sample in 0..samples {
        let place = length / samples * sample;
        if place >= read_to {
            read_to = place + line_after(&mut reader, place, &mut lines)?;
        }
    }
    last(&mut reader, length, read_to, &mut lines)?;
    Ok(Snapshots { lines, sampled: true })
}

/// Reads the first whole line from `place` on; gives how many bytes that were.
fn line_after(reader: &mut BufReader<File>, place: u64, lines: &mut Vec<Object>) -> io::Result<u64> {
    reader.seek(SeekFrom::Start(place))?;
    let mut line = Vec::new();
    // What stands at a place is the end of a line, other than at the beginning of the file.
    let passed = if place == 0 { 0 } else { reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? };
    line.clear();
    let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    lines.extend(snapshot(&line));
    Ok((passed + read) as u64)
}

/// Reads the last whole line, unless it lies before `read_to`.
fn last(reader: &mut BufReader<File>, length: u64, read_to: u64, lines: &mut Vec<Object>) -> io::Result<()> {
    let begin = length.saturating_sub(LINE_BYTES_MAX).max(read_to);
    reader.seek(SeekFrom::Start(begin))?;
    let mut end = Vec::new();
    reader.by_ref().take(LINE_BYTES_MAX).read_to_end(&mut end)?;
    lines.extend(end.split(|byte| *byte == b'\n').rev().find_map(snapshot));
    Ok(())
}

fn snapshot(line: &[u8]) -> Option<Object> {
    exact::object(&String::from_utf8_lossy(line)).filter(|object| !object.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use serde_json::json;

    use super::*;
    use crate::{Home, NewRun};

    fn run(folder: &tempfile::TempDir) -> Run {
        let new = NewRun { action: "stream-sql".to_owned(), ..NewRun::default() };
        Run::create(&Home::at(folder.path().join("home")).unwrap(), &new).unwrap()
    }

    fn numbers(snapshots: &Snapshots) -> Vec<u64> {
        snapshots.lines.iter().map(|line| line["n"].as_u64().unwrap()).collect()
    }

    #[test]
    fn a_short_file_is_read_whole_and_its_broken_lines_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&folder);
        assert_eq!(read_snapshots(&run, 10).unwrap(), Snapshots::default());
        fs::write(run.progress_path(), "{\"n\":0}\n\n[]\nnot\n{\"n\":1}\n{\"n\":2").unwrap();
        let read = read_snapshots(&run, 10).unwrap();
        assert_eq!((numbers(&read), read.sampled), (vec![0, 1], false));
        fs::remove_file(run.progress_path()).unwrap();
        assert_eq!(read_snapshots(&run, 10).unwrap(), Snapshots::default());
    }

    #[test]
    fn of_a_long_file_lines_are_taken_evenly_from_the_first_to_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&folder);
        let mut file = File::create(run.progress_path()).unwrap();
        let fill = "x".repeat(1000);
        let count = WHOLE_BYTES_MAX / 1000 + 1000;
        for number in 0..count {
            writeln!(file, "{}", json!({ "n": number, "fill": fill })).unwrap();
        }
        write!(file, "{{\"n\": 9").unwrap();
        let read = read_snapshots(&run, 100).unwrap();
        let numbers = numbers(&read);
        assert!(read.sampled && (90..=101).contains(&numbers.len()), "{}", numbers.len());
        assert_eq!((numbers[0], numbers[numbers.len() - 1]), (0, count - 1));
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1] && pair[1] - pair[0] < count / 100 * 2));
    }

    #[test]
    fn a_long_line_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&folder);
        let long = json!({ "n": 7, "fill": "x".repeat(WHOLE_BYTES_MAX as usize) });
        fs::write(run.progress_path(), format!("{{\"n\":0}}\n{long}\n{{\"n\":1}}\n")).unwrap();
        assert_eq!(numbers(&read_snapshots(&run, 10).unwrap()), [0, 1]);
    }
}
