//! Progress as it is read while it is written: only lines that are whole, and only what is new.
//!
//! The file of a stream that runs for weeks is large, so neither its last line nor its next ones need the whole of it.
//! What a report draws of all of it is the affair of `snapshots.rs`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;
use velaria_contract::Result;

use crate::failure::refused;
use crate::run::Run;
use crate::{exact, portion};

/// What is read of the file at a time, as long as no line is larger.
const WINDOW_BYTES: u64 = 64 * 1024;

/// The lines of a run's `progress.jsonl`, one after the other as they are written.
#[derive(Debug)]
pub struct ProgressTail {
    path: PathBuf,
    /// Where the first line begins that was not given yet.
    place: u64,
}

impl ProgressTail {
    /// The lines of `run` from the first one on.
    #[must_use]
    pub fn new(run: &Run) -> Self {
        Self { path: run.progress_path(), place: 0 }
    }

    /// The next whole lines that are JSON, none when nothing was written since the last call. There may be more of them
    /// as long as some are given.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn next_lines(&mut self) -> Result<Vec<String>> {
        self.read().map_err(|source| refused("cannot read", &self.path, source))
    }

    fn read(&mut self) -> io::Result<Vec<String>> {
        let Some((mut file, end)) = opened(&self.path)? else { return Ok(Vec::new()) };
        if end < self.place {
            // It is another file than before.
            self.place = 0;
        }
        let mut window = WINDOW_BYTES;
        while self.place < end {
            let bytes = part(&mut file, self.place, window)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
                self.place += last as u64 + 1;
                let lines = lines(&bytes[..last]);
                if lines.is_empty() && self.place < end {
                    continue;
                }
                return Ok(lines);
            }
            if self.place + window >= end {
                break;
            }
            window = window.saturating_mul(4);
        }
        Ok(Vec::new())
    }
}

/// The last whole line of the file at `path` that is JSON.
pub(crate) fn latest(path: &Path) -> Result<Option<Value>> {
    last(path).map_err(|source| refused("cannot read", path, source))
}

fn last(path: &Path) -> io::Result<Option<Value>> {
    let Some((mut file, end)) = opened(path)? else { return Ok(None) };
    let mut window = WINDOW_BYTES;
    loop {
        let start = end.saturating_sub(window);
        let bytes = part(&mut file, start, end - start)?;
        // Within the file, what stands before the first end of a line is a part of one.
        let whole = if start == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()) };
        if let Some(line) = lines(&bytes[whole..]).last() {
            return Ok(exact::parse(line).ok());
        }
        if start == 0 {
            return Ok(None);
        }
        window = window.saturating_mul(4);
    }
}

/// The file at `path`, and its length; a run may not have one.
fn opened(path: &Path) -> io::Result<Option<(File, u64)>> {
    match portion::open(path) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn part(file: &mut File, start: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The lines of `bytes` that are JSON; a crash may have cut others.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && exact::parse(line).is_ok());
    lines.map(str::to_owned).collect()
}
