//! Standard input as a file: it is copied once, so that it can be read more often than once.
//!
//! The copy has no name: it goes with the process. One process has one standard input, so there is one copy, and who asks a
//! second time is told so instead of being given nothing.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use velaria_contract::{Error, ErrorCode, Result};

use crate::{FileAccess, LocalFile};

/// The path that means standard input.
pub(crate) const NAME: &str = "-";

/// Who reads standard input.
enum Reader {
    /// Nobody until now.
    Nobody,
    /// Something else than a query, such as a session of statements.
    Reserved,
    /// A query: the copy is there or on its way.
    Copied,
}

static READER: Mutex<Reader> = Mutex::new(Reader::Nobody);
static COPY: OnceLock<Copy> = OnceLock::new();

/// The copy, kept open.
struct Copy {
    path: PathBuf,
    #[cfg(target_os = "linux")]
    _file: File,
    #[cfg(not(target_os = "linux"))]
    _file: tempfile::TempPath,
}

/// Keeps `-` from being read as a file: standard input is read by the caller.
pub fn reserve_standard_input() {
    *reader() = Reader::Reserved;
}

/// Whether `path` is that of the copy.
pub(crate) fn is_copy(path: &Path) -> bool {
    COPY.get().is_some_and(|copy| copy.path == path)
}

/// Standard input, copied from its start to its end.
///
/// # Errors
/// `VEL-6004` when the session may not read it, `VEL-6003` when somebody read it already or the system refuses, `VEL-5007`
/// when it is empty.
pub(crate) fn open(access: &FileAccess) -> Result<LocalFile> {
    access.check_standard_input()?;
    take()?;
    let copy = copy(&mut io::stdin().lock())
        .map_err(|error| Error::new(ErrorCode::Io, "cannot read standard input").with_hint(error.to_string()))?;
    let copy = COPY.get_or_init(|| copy);
    LocalFile::spooled(access, &copy.path).map_err(|error| match error.code() {
        ErrorCode::EmptyFile => {
            Error::new(ErrorCode::EmptyFile, "standard input is empty").with_hint("pipe the content of a file into it")
        }
        _ => error,
    })
}

fn take() -> Result<()> {
    let mut reader = reader();
    let hint = match *reader {
        Reader::Nobody => {
            *reader = Reader::Copied;
            return Ok(());
        }
        Reader::Reserved => "it carries the statements of this session",
        Reader::Copied => "name it once, and keep its rows: CREATE TABLE t AS SELECT * FROM '-'",
    };
    Err(Error::new(ErrorCode::Io, "standard input was read already").with_hint(hint))
}

#[cfg(target_os = "linux")]
fn copy(input: &mut dyn io::Read) -> io::Result<Copy> {
    use std::os::fd::AsRawFd;
    let mut file = tempfile::tempfile()?;
    io::copy(input, &mut file)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok(Copy { path, _file: file })
}

/// Elsewhere a file without a name cannot be opened again: the copy keeps its name until the process ends.
#[cfg(not(target_os = "linux"))]
fn copy(input: &mut dyn io::Read) -> io::Result<Copy> {
    let mut file = tempfile::NamedTempFile::new()?;
    io::copy(input, file.as_file_mut())?;
    let path = file.into_temp_path();
    Ok(Copy { path: path.to_path_buf(), _file: path })
}

// A poisoned lock still holds a whole word.
fn reader() -> MutexGuard<'static, Reader> {
    READER.lock().unwrap_or_else(PoisonError::into_inner)
}
