//! The one door to files that must survive a crash.
//!
//! What a query has promised depends on the order of writes, syncs and renames, so all of them go through this trait; tests
//! put a file system behind it that loses, tears and reorders what was not synced.

pub mod simulated;

use std::any::Any;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A file that is being written.
pub trait DurableFile: Write + Send {
    /// Returns when everything written so far is on the disk.
    ///
    /// # Errors
    /// Those of the disk. After one, what was written before may be lost although a later call succeeds.
    fn sync(&mut self) -> io::Result<()>;
}

/// Holds a lock until it is dropped.
pub type LockGuard = Box<dyn Any + Send + Sync>;

/// The operations on durable files. A new, renamed or removed name is on the disk only after [`DurableFs::sync_dir`].
pub trait DurableFs: fmt::Debug + Send + Sync {
    /// Creates `dir` and the folders above it.
    ///
    /// # Errors
    /// Those of the operating system, as everywhere here.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Opens `path` for writing from its start; what was in it is gone.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DurableFile>>;

    /// Opens `path` for writing at its end, and creates it if it is not there.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DurableFile>>;

    /// The whole content of `path`.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The bytes of `path` from `start` to before `end`, or fewer when the file ends there.
    fn read_range(&self, path: &Path, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let content = self.read(path)?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        Ok(content.get(place(start)..place(end)).unwrap_or_default().to_vec())
    }

    /// The length of the file `path` in bytes; `None` when there is no such file.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Cuts `path` to `length` bytes.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Returns when the content of `path` is on the disk.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in `dir` are on the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Gives `from` the name `to`, in one step; a file of that name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the file `path`.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names of the files in `dir`, sorted; none when it is not there. Names that are not UTF-8 are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Locks `path` against other processes and other queries; `None` when it is locked.
    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>>;
}

/// Creates `dir` and the folders above it, and returns when their names are on the disk.
///
/// # Errors
/// Those of the operating system.
pub fn create_dir_durably(fs: &dyn DurableFs, dir: &Path) -> io::Result<()> {
    let levels: Vec<&Path> = dir.ancestors().filter(|level| !level.as_os_str().is_empty()).collect();
    let missing = levels.iter().take_while(|level| matches!(fs.length(level), Ok(None))).count();
    if let Some(known) = levels.get(missing) {
        sync_known(fs, known)?;
    }
    for level in levels.iter().take(missing).rev() {
        fs.create_dir_all(level)?;
        fs.sync_dir(above(level))?;
    }
    Ok(())
}

/// The folder that a name is in.
fn above(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A crash may have come between making the folder and syncing its name. Who may not read the folder above it has not made it.
fn sync_known(fs: &dyn DurableFs, dir: &Path) -> io::Result<()> {
    if dir.parent().is_none() {
        return Ok(());
    }
    match fs.sync_dir(above(dir)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// The files of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFs;

impl DurableFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl DurableFs for OsFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DurableFile>> {
        Ok(Box::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DurableFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn read_range(&self, path: &Path, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(end.saturating_sub(start)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Err(io::Error::other("not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
