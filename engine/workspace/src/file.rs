//! Files that many processes write: replaced as a whole, or appended to in whole lines, and never through a link.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use velaria_contract::{Error, ErrorCode, Result};

use crate::failure::refused;

/// How long a directory is waited for: everybody holds one for a moment, unless it was stopped there.
const LOCK_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether it is free.
const LOCK_TICK: Duration = Duration::from_millis(2);

/// Replaces the file at `path` by `bytes`: a reader sees the old content or the new one, also after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(path, bytes, File::sync_all)
}

/// The same without waiting for the disk, for what nobody misses: after a power cut the file may be empty.
pub(crate) fn replace_lazily(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(path, bytes, |_| Ok(()))
}

fn replace_with(path: &Path, bytes: &[u8], sync: impl Fn(&File) -> io::Result<()>) -> Result<()> {
    let written = || -> io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        // Created with mode 0600.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(bytes)?;
        sync(file.as_file())?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    written().map_err(|source| refused("cannot write", path, source))
}

/// Appends `text` to the file at `path`, which is created for this user alone where it is missing.
pub(crate) fn append(path: &Path, text: &[u8]) -> Result<()> {
    let written = || -> io::Result<()> {
        let mut file = open_append(path)?;
        file.lock()?;
        file.write_all(text)
    };
    written().map_err(|source| refused("cannot write", path, source))
}

/// Appends `line` as a line of its own, also after a line that a crash has cut.
pub(crate) fn append_line(path: &Path, line: &str) -> Result<()> {
    let written = || -> io::Result<()> {
        let mut file = open_append(path)?;
        file.lock()?;
        write_line(&mut file, line)
    };
    written().map_err(|source| refused("cannot write", path, source))
}

/// Writes `line` at the end of `file`, which its caller has locked.
pub(crate) fn write_line(file: &mut File, line: &str) -> io::Result<()> {
    let mut text = Vec::with_capacity(line.len() + 2);
    if cut(file)? {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    file.write_all(&text)
}

/// Whether the last line of `file` has no end.
fn cut(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Creates the file at `path`, empty and for this user alone, unless something is there, which is not opened: the end of
/// any descriptor of a file drops all locks that the process has on it, and SQLite relies on them. For the same reason the
/// new file has its name only when nobody has it open any more.
pub(crate) fn create_unopened(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let created = || -> io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let unnamed = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?.into_temp_path();
        unnamed.persist_noclobber(path).map_err(|error| error.error)
    };
    match created() {
        // Somebody else was faster.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map_err(|source| refused("cannot create", path, source)),
    }
}

/// Creates the file at `path`, empty, unless it is there.
pub(crate) fn touch(path: &Path) -> Result<()> {
    open_append(path).map(drop).map_err(|source| refused("cannot create", path, source))
}

/// The text at `path`, where there is a file; bytes that are no UTF-8 are replaced.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match read_bytes(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(refused("cannot read", path, source)),
    }
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_read(path)?;
    // A pipe would make its reader wait.
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is not a file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Holds the directory `dir` against every other writer until the result is dropped.
///
/// # Errors
/// `VEL-6204` when somebody else holds it for too long.
pub(crate) fn lock_dir(dir: &Path) -> Result<File> {
    let file = File::open(dir).map_err(|source| refused("cannot lock", dir, source))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() >= LOCK_MAX => return Err(locked(dir)),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_TICK),
            Err(TryLockError::Error(source)) => return Err(refused("cannot lock", dir, source)),
        }
    }
}

fn locked(dir: &Path) -> Error {
    Error::new(ErrorCode::IndexLocked, format!("another process holds the directory {}", dir.display()))
        .with_hint("try again when the other process is done")
}

/// The file at `path`, open to append and to read, which is created where it is missing.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).read(true).create(true);
    no_links(private(&mut options)).open(path)
}

/// The file at `path`, which is there, open to append and to read.
pub(crate) fn open_existing(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    no_links(options.append(true).read(true)).open(path)
}

/// The file at `path`, open to read; what is not a file does not make its reader wait.
pub(crate) fn open_read(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    no_links_no_wait(options.read(true)).open(path)
}

/// Waits until the entries of `dir` are on the disk.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| refused("cannot write", dir, source))
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(unix)]
fn no_links(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
}

#[cfg(unix)]
fn no_links_no_wait(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed())
}

#[cfg(not(unix))]
fn no_links_no_wait(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn no_links(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
