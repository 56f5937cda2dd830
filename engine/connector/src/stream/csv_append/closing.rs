//! How long the file was when the query let go of it: what is longer later was not written by the query.
//!
//! The note stands beside the checkpoint. It is gone while the query writes, so that after a crash there is none.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::DurableFs;

const NAME: &str = "sink.closed";

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    path: String,
    length: u64,
}

/// The note of one checkpoint.
#[derive(Debug)]
pub(super) struct Closing {
    dir: PathBuf,
    is_there: bool,
    length: Option<u64>,
}

impl Closing {
    /// What the query before has left in `dir` about the file at `path`.
    pub(super) fn read(fs: &dyn DurableFs, dir: &Path, path: &Path) -> io::Result<Self> {
        let file = dir.join(NAME);
        let is_there = fs.length(&file)?.is_some();
        // One that is cut off says as much as none.
        let note: Option<Note> = if is_there { serde_json::from_slice(&fs.read(&file)?).ok() } else { None };
        let length = note.filter(|note| Path::new(&note.path) == path).map(|note| note.length);
        Ok(Self { dir: dir.to_path_buf(), is_there, length })
    }

    /// The length that the query before has left, when it did not crash.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Takes the note away, before anything is written.
    pub(super) fn forget(&mut self, fs: &dyn DurableFs) -> io::Result<()> {
        if self.is_there {
            fs.remove(&self.dir.join(NAME))?;
            fs.sync_dir(&self.dir)?;
        }
        (self.is_there, self.length) = (false, None);
        Ok(())
    }

    /// The file at `path` is left with `length` bytes.
    pub(super) fn leave(&self, fs: &dyn DurableFs, path: &Path, length: u64) -> io::Result<()> {
        if self.length == Some(length) {
            return Ok(());
        }
        let note = serde_json::to_vec(&Note { path: path.to_string_lossy().into_owned(), length })?;
        let mut file = fs.create(&self.dir.join(NAME))?;
        file.write_all(&note)?;
        file.flush()
    }
}
