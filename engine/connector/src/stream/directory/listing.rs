//! One look at a folder: the files that count, and whether they are complete.
//!
//! A file counts when it is a regular one (or a link to one) with content and its name does not say that it is being written. It is
//! complete when it has not been changed for a while, or looks as it did a while ago.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use glob::Pattern;
use velaria_contract::{Error, ErrorCode, Result};

use super::DirectorySettings;
use super::progress::Stamp;

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    pattern: Option<Pattern>,
    settle: Duration,
}

/// One file, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) stamp: Stamp,
    modified: Option<SystemTime>,
}

/// What one look has found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// By name.
    pub(super) entries: Vec<Entry>,
    /// Files whose name is no text.
    pub(super) unreadable_names: u64,
}

impl Folder {
    pub(super) fn new(path: PathBuf, settings: &DirectorySettings) -> Result<Self> {
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(not_a_folder(&path));
        }
        Ok(Self { path, pattern: settings.pattern.clone(), settle: Duration::from_millis(settings.settle_ms) })
    }

    /// The path of the file called `name`, as text.
    pub(super) fn file(&self, name: &str) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }

    /// The path of the first file by name.
    pub(super) fn first(&self) -> Result<Option<String>> {
        Ok(self.look()?.entries.into_iter().find(|entry| entry.stamp.bytes > 0).map(|entry| self.file(&entry.name)))
    }

    /// Everything that counts now. A folder that is not there has nothing.
    pub(super) fn look(&self) -> Result<Look> {
        let listed = match fs::read_dir(&self.path) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::default()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(not_a_folder(&self.path)),
            Err(error) => return Err(self.unreadable(error)),
        };
        let mut look = Look::default();
        for entry in listed {
            let name = entry.map_err(|error| self.unreadable(error))?.file_name();
            match name.into_string() {
                Ok(name) if self.is_wanted(&name) => look.entries.extend(self.stat(name)),
                Ok(_) => {}
                Err(_) => look.unreadable_names += 1,
            }
        }
        look.entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(look)
    }

    /// The file called `name`, if it is a file. Links that lead nowhere, loops, pipes and devices are none, and nothing is opened here.
    pub(super) fn stat(&self, name: String) -> Option<Entry> {
        let metadata = fs::metadata(self.path.join(&name)).ok().filter(Metadata::is_file)?;
        Some(Entry { name, stamp: stamp(&metadata), modified: metadata.modified().ok() })
    }

    fn is_wanted(&self, name: &str) -> bool {
        let is_unfinished = name.starts_with(['.', '_'])
            || [".tmp", ".part", ".crdownload"].iter().any(|ending| name.ends_with(ending));
        !is_unfinished && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::new(ErrorCode::Io, format!("cannot read directory: {}", self.path.display()))
            .with_hint(error.to_string())
            .with_source(error)
    }
}

fn not_a_folder(path: &Path) -> Error {
    Error::new(ErrorCode::NotAFile, format!("not a directory: {}", path.display()))
        .with_hint("a stream reads the files of a directory")
}

fn nanos(time: io::Result<SystemTime>) -> Option<i64> {
    let since = time.ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn stamp(metadata: &Metadata) -> Stamp {
    let modified_ns = nanos(metadata.modified()).unwrap_or_default();
    Stamp { bytes: metadata.len(), modified_ns, inode: inode(metadata) }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Elsewhere size and time have to do.
#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

/// Remembers files that may still be written.
#[derive(Debug, Default)]
pub(super) struct Settling {
    seen: HashMap<String, (Stamp, Instant)>,
}

impl Settling {
    /// Whether `entry` is complete at `now`.
    pub(super) fn is_complete(&mut self, folder: &Folder, entry: &Entry, now: (Instant, SystemTime)) -> bool {
        if entry.stamp.bytes == 0 {
            return false;
        }
        // A time in the future says nothing.
        let age = entry.modified.and_then(|modified| now.1.duration_since(modified).ok());
        if folder.settle.is_zero() || age.is_some_and(|age| age >= folder.settle) {
            self.seen.remove(&entry.name);
            return true;
        }
        let stays = self.seen.get(&entry.name).filter(|(stamp, _)| *stamp == entry.stamp);
        match stays {
            Some((_, since)) if now.0.duration_since(*since) >= folder.settle => {
                self.seen.remove(&entry.name);
                true
            }
            Some(_) => false,
            None => {
                self.seen.insert(entry.name.clone(), (entry.stamp, now.0));
                false
            }
        }
    }

    /// Forgets files that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.seen.retain(|name, _| is_there(name));
    }
}
