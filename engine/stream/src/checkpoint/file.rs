//! The files of a checkpoint: how they are called, how they begin, and how they come to be.
//!
//! A file is written under another name, synced, and then renamed: one that has its name was whole.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::buffer::Buffer;
use serde::{Deserialize, Serialize};
use velaria_connector::{DurableFile, DurableFs};
use velaria_contract::Result;

use super::frame::{FORMAT_VERSION, Frame, PRELUDE_BYTES, Place, prelude, read, version};
use super::{Identity, fault};

const TEMPORARY: &str = "tmp";

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileKind {
    /// The commits after an epoch.
    Log,
    /// The state at an epoch.
    Snapshot,
}

impl FileKind {
    fn extension(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Snapshot => "snap",
        }
    }

    /// The path of the file that begins at the epoch `base`.
    pub(super) fn path(self, dir: &Path, base: u64) -> PathBuf {
        dir.join(format!("{base:020}.{}", self.extension()))
    }

    /// The epoch that a file of this kind and name begins at.
    pub(super) fn base(self, name: &str) -> Option<u64> {
        let (digits, extension) = name.split_once('.')?;
        let is_ours = extension == self.extension() && digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        if is_ours { digits.parse().ok() } else { None }
    }
}

/// Whether a file of this name is one of ours that was never finished.
pub(super) fn is_temporary(name: &str) -> bool {
    let finished = name.strip_suffix(TEMPORARY).and_then(|name| name.strip_suffix('.'));
    finished.is_some_and(|name| [FileKind::Log, FileKind::Snapshot].iter().any(|kind| kind.base(name).is_some()))
}

/// `path` until the file is finished.
pub(super) fn temporary(path: &Path) -> PathBuf {
    path.with_added_extension(TEMPORARY)
}

/// The first frame of a file.
#[derive(Serialize, Deserialize)]
struct FileHeader {
    kind: FileKind,
    base: u64,
    engine_version: String,
    identity: Vec<(String, String)>,
}

/// A file that is being written.
pub(super) struct FileWriter {
    path: PathBuf,
    file: Box<dyn DurableFile>,
    end: u64,
    durable: u64,
}

impl FileWriter {
    /// Begins a file, under its temporary name.
    pub(super) fn begin(
        fs: &dyn DurableFs,
        dir: &Path,
        kind: FileKind,
        base: u64,
        identity: &Identity,
    ) -> Result<Self> {
        let path = kind.path(dir, base);
        let file = fs.create(&temporary(&path)).map_err(|error| fault::refused("create", &path, error))?;
        let mut writer = Self { path, file, end: 0, durable: 0 };
        writer.write_header(FileHeader {
            kind,
            base,
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
            identity: identity.parts.clone(),
        })?;
        Ok(writer)
    }

    fn write_header(&mut self, header: FileHeader) -> Result<()> {
        let json = serde_json::to_vec(&header).map_err(fault::internal)?;
        let written = self.file.write_all(&prelude(FORMAT_VERSION));
        written.map_err(|error| fault::refused("write", &self.path, error))?;
        self.end = PRELUDE_BYTES;
        self.append(&Frame::new(json, Vec::new()))
    }

    /// Adds a frame. After an error nothing may be added any more.
    pub(super) fn append(&mut self, frame: &Frame) -> Result<()> {
        let place = Place { offset: self.end, durable: self.durable };
        let written = frame.write(place, &mut self.file);
        written.map_err(|error| fault::refused("write", &self.path, error))?;
        self.end += frame.bytes();
        Ok(())
    }

    /// Returns when all is on the disk. After an error nothing may be added any more.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.sync().map_err(|error| fault::refused("sync", &self.path, error))?;
        self.durable = self.end;
        Ok(())
    }

    /// Someone else has synced the file when it was at least `bytes` long.
    pub(super) fn note_durable(&mut self, bytes: u64) {
        self.durable = self.durable.max(bytes.min(self.end));
    }

    /// Gives the file its name.
    pub(super) fn publish(&self, fs: &dyn DurableFs) -> Result<()> {
        let renamed = fs.rename(&temporary(&self.path), &self.path);
        renamed.map_err(|error| fault::refused("rename", &self.path, error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }
}

/// A file that was read, its beginning checked.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) content: Buffer,
    /// Where the first frame after the header stands.
    pub(super) start: u64,
}

/// Reads a file of this query.
pub(super) fn open(fs: &dyn DurableFs, dir: &Path, kind: FileKind, base: u64, identity: &Identity) -> Result<Opened> {
    let path = kind.path(dir, base);
    let content = Buffer::from(fs.read(&path).map_err(|error| fault::refused("read", &path, error))?);
    check_version(&content, &path)?;
    let frame = read(&content, PRELUDE_BYTES).map_err(|why| fault::corrupt(&path, PRELUDE_BYTES, why))?;
    let header: FileHeader =
        serde_json::from_slice(&frame.json).map_err(|error| fault::corrupt(&path, PRELUDE_BYTES, error))?;
    identity.check(&Identity { parts: header.identity }, &path)?;
    if (header.kind, header.base) != (kind, base) {
        return Err(fault::corrupt(&path, PRELUDE_BYTES, "the file had another name when it was written"));
    }
    Ok(Opened { path, content, start: frame.end })
}

fn check_version(content: &[u8], path: &Path) -> Result<()> {
    match version(content) {
        Some(FORMAT_VERSION) => Ok(()),
        Some(other) => {
            let why = format!("its format is version {other}, and this engine reads version {FORMAT_VERSION}");
            Err(fault::mismatch(path, why))
        }
        None => Err(fault::corrupt(path, 0, "its first bytes are not those of a checkpoint")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        let path = FileKind::Log.path(Path::new("c"), 42);
        assert_eq!(path, Path::new("c/00000000000000000042.log"));
        assert_eq!(FileKind::Log.base("00000000000000000042.log"), Some(42));
        for name in
            ["00000000000000000042.snap", "42.log", "+0000000000000000042.log", "99999999999999999999.log", "log"]
        {
            assert_eq!(FileKind::Log.base(name), None, "{name}");
        }
        for name in ["00000000000000000042.log.tmp", "00000000000000000042.snap.tmp"] {
            assert!(is_temporary(name), "{name}");
        }
        for name in ["tmp", ".tmp", "mine.tmp", "00000000000000000042.logtmp", "00000000000000000042.log"] {
            assert!(!is_temporary(name), "{name}");
        }
        assert_eq!(temporary(&path), Path::new("c/00000000000000000042.log.tmp"));
    }
}
