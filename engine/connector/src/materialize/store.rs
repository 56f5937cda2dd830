//! One cache: finding rows in it, publishing rows into it.
//!
//! Data and description are two files, each of which gets its name in one step; a lock keeps two writers apart. Readers take
//! no lock: a description that does not fit the data is seen by its sum.

use std::fs::{self, File, FileTimes, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use arrow::datatypes::SchemaRef;
use tempfile::NamedTempFile;
use velaria_contract::Result;

use super::evict;
use super::meta::{self, DataFacts};
use super::private;
use super::table::CachedTable;
use super::write::CacheWriter;
use super::{DataFormat, Materialization, SourceIdentity};
use crate::FileAccess;

pub(super) const META: &str = "meta.txt";
/// What the names of files begin with that are not published.
pub(super) const TEMPORARY: &str = ".new-";
const LOCK: &str = ".lock";
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const LOCK_TRIES: usize = 200;
/// A description is some lines long; a longer file is none.
const META_BYTES_MAX: u64 = 1 << 16;

/// A directory of kept sources that is safe to use.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    format: DataFormat,
    bytes_max: u64,
    writable: bool,
}

impl Store {
    /// The cache that `settings` describe, as far as the session may use it. `None` when it may not, or when there is none
    /// and none can be made.
    ///
    /// # Errors
    /// `VEL-6004` when the directory is a symbolic link, belongs to another user, or is open for others to write.
    pub fn open(access: &FileAccess, settings: &Materialization) -> Result<Option<Self>> {
        let root = std::path::absolute(&settings.dir).unwrap_or_else(|_| settings.dir.clone());
        let allowed = access.check_path(&root).is_ok();
        let writable = access.check_change("a cache of sources").is_ok();
        if !allowed || (!writable && !root.exists()) {
            return Ok(None);
        }
        let store = Self { root, format: settings.format, bytes_max: settings.bytes_max, writable };
        Ok(private::ensure(&store.root)?.then_some(store))
    }

    /// The rows of `source`, if they are here and whole.
    #[must_use]
    pub fn find(&self, source: &SourceIdentity) -> Option<CachedTable> {
        let entry = self.entry(source);
        let (text, facts) = self.description(source)?;
        if let Some(table) = self.table(&entry, facts) {
            touch(&entry);
            return Some(table);
        }
        if !self.writable {
            return None;
        }
        // Damaged, or just being replaced. Who holds the lock sees which.
        let _lock = self.lock().ok()?;
        match self.description(source) {
            Some((now, facts)) if now != text => self.table(&entry, facts),
            _ => {
                evict::remove(&entry);
                None
            }
        }
    }

    /// A place for the rows of a source with these columns.
    ///
    /// # Errors
    /// When nothing can be written: the source is then used as it is.
    pub fn writer(&self, source: &SourceIdentity, schema: &SchemaRef) -> io::Result<CacheWriter> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let entry = self.entry(source);
        if !private::ensure(&entry).map_err(io::Error::other)? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        CacheWriter::new(temporary(&entry)?, self.format, schema, self.bytes_max)
    }

    /// Publishes what `writer` was given as the rows of `source`, which must be as it was before it was read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish(&self, source: &SourceIdentity, writer: CacheWriter) -> io::Result<CachedTable> {
        let (file, facts) = writer.finish()?;
        let entry = self.entry(source);
        let _lock = self.lock()?;
        // Evicted since the writer was made: its file has no folder to stand in.
        if !private::ensure(&entry).map_err(io::Error::other)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(table) = self.description(source).and_then(|(_, facts)| self.table(&entry, facts)) {
            // Another process was faster.
            return Ok(table);
        }
        file.persist(entry.join(self.format.file_name())).map_err(|error| error.error)?;
        let mut description = temporary(&entry)?;
        description.write_all(meta::text(source, self.format, facts).as_bytes())?;
        description.persist(entry.join(META)).map_err(|error| error.error)?;
        for other in DataFormat::ALL.into_iter().filter(|other| *other != self.format) {
            let _ = fs::remove_file(entry.join(other.file_name()));
        }
        touch(&entry);
        evict::evict(&self.root, self.bytes_max, &entry);
        self.table(&entry, facts).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn entry(&self, source: &SourceIdentity) -> PathBuf {
        self.root.join(source.id())
    }

    fn description(&self, source: &SourceIdentity) -> Option<(String, DataFacts)> {
        let mut text = String::new();
        let file = open_regular(&self.entry(source).join(META))?;
        file.take(META_BYTES_MAX).read_to_string(&mut text).ok()?;
        let facts = meta::facts(&text, source, self.format)?;
        Some((text, facts))
    }

    fn table(&self, entry: &Path, facts: DataFacts) -> Option<CachedTable> {
        let file = open_regular(&entry.join(self.format.file_name()))?;
        CachedTable::open(Arc::new(file), self.format, facts)
    }

    /// Keeps other writers away until it is dropped. Who holds it does so for a moment; one that was stopped meanwhile is not
    /// waited for.
    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.root.join(LOCK))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

/// Opens a file of ours. A pipe would block, and a link would lead elsewhere.
fn open_regular(path: &Path) -> Option<File> {
    let regular = fs::symlink_metadata(path).ok()?.is_file();
    let file = regular.then(|| File::open(path).ok())??;
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && private::is_own(&metadata)).then_some(file)
}

fn temporary(entry: &Path) -> io::Result<NamedTempFile> {
    // Its name is one of a kind, and only we can open it.
    tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(entry)
}

/// Remembers that the rows were used, by the time of access: other times tell that a file was written.
fn touch(entry: &Path) {
    let now = FileTimes::new().set_accessed(SystemTime::now());
    // Without it the rows leave the cache a little too early.
    let _ = File::open(entry.join(META)).and_then(|file| file.set_times(now));
}
