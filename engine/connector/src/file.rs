//! The one door to local files: a path is checked here before any decoder sees it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::datasource::listing::ListingTableUrl;
use url::Url;
use velaria_contract::{Error, ErrorCode, Result};

use crate::FileAccess;
use crate::access::OpenError;
use crate::counted_file::CountedFile;

/// A regular file that existed and had content when it was opened.
#[derive(Debug, Clone)]
pub struct LocalFile {
    path: PathBuf,
    bytes: u64,
    access: FileAccess,
    /// What was read of it, by all that have it from here.
    read_bytes: Arc<AtomicU64>,
}

impl LocalFile {
    /// Checks `path`, relative to the working directory, without reading from it.
    ///
    /// # Errors
    /// `VEL-6004` when the session may not open it, whether it exists or not. `VEL-6001` for a missing file, `VEL-6002` for anything that is not a regular file (a pipe or device could block
    /// for ever), `VEL-6003` when the operating system refuses, `VEL-5007` for a file of zero bytes.
    pub fn open(access: &FileAccess, path: &str) -> Result<Self> {
        let absolute = std::path::absolute(path).map_err(|error| io_error(Path::new(path), &error))?;
        access.check_path(&absolute)?;
        let metadata = fs::metadata(&absolute).map_err(|error| io_error(&absolute, &error))?;
        if metadata.is_dir() {
            return Err(not_a_file(&absolute, "is a directory").with_hint("name one file inside it"));
        }
        if !metadata.is_file() {
            return Err(not_a_file(&absolute, "is not a regular file"));
        }
        // Opening finds out about missing permission now and not in the middle of a query.
        access.open(&absolute).map_err(|error| open_error(&absolute, error))?;
        if metadata.len() == 0 {
            return Err(Error::new(ErrorCode::EmptyFile, format!("file is empty: {}", absolute.display()))
                .with_hint("a file needs at least a header line to have columns"));
        }
        Ok(Self { path: absolute, bytes: metadata.len(), access: access.clone(), read_bytes: Arc::default() })
    }

    /// The copy of standard input at `path`.
    pub(crate) fn spooled(access: &FileAccess, path: &Path) -> Result<Self> {
        Self::open(access, &path.to_string_lossy())
    }

    /// When the file was changed last, and how many bytes it has now; `None` when it is gone.
    #[must_use]
    pub fn version(&self) -> Option<(u64, std::time::SystemTime)> {
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    }

    /// Checks that the file is still there: a listing of a missing file would be a table without rows.
    ///
    /// # Errors
    /// Those of [`LocalFile::open`].
    pub(crate) fn check(&self) -> Result<()> {
        Self::open(&self.access, &self.path.to_string_lossy()).map(|_| ())
    }

    /// The content, from its start.
    ///
    /// # Errors
    /// `VEL-6001`, `VEL-6003` and `VEL-6004` as for [`LocalFile::open`].
    pub(crate) fn reader(&self) -> Result<fs::File> {
        self.access.open(&self.path).map_err(|error| open_error(&self.path, error))
    }

    /// The content as of [`LocalFile::reader`], counted in [`LocalFile::read_bytes`].
    pub(crate) fn counted(&self) -> Result<CountedFile> {
        Ok(CountedFile::new(self.reader()?, Arc::clone(&self.read_bytes)))
    }

    /// How many bytes have been read of it since it was opened: the scans of text and of Arrow files count them.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Counts what was read of it in another way.
    pub(crate) fn count(&self, bytes: u64) {
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The rules of the session that opened it.
    pub(crate) fn access(&self) -> &FileAccess {
        &self.access
    }

    /// The absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size in bytes when the file was opened.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The address for DataFusion. Characters that would be a pattern in a glob stand for themselves.
    pub(crate) fn url(&self) -> Result<ListingTableUrl> {
        listing_url(&self.path)
    }
}

fn listing_url(path: &Path) -> Result<ListingTableUrl> {
    let refused = || Error::new(ErrorCode::Io, format!("cannot read source file: {}", path.display()));
    let url = Url::from_file_path(path).map_err(|()| refused())?;
    ListingTableUrl::try_new(url, None).map_err(|error| refused().with_source(error))
}

fn not_a_file(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::NotAFile, format!("cannot read source file: {} {why}", path.display()))
}

fn open_error(path: &Path, error: OpenError) -> Error {
    match error {
        OpenError::Denied(error) => error,
        OpenError::Io(error) => io_error(path, &error),
    }
}

fn io_error(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorCode::FileNotFound, format!("cannot stat source file: {}", path.display()))
                .with_hint("the file does not exist; relative paths start at the working directory")
        }
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorCode::Io, format!("cannot read source file: {}", path.display()))
                .with_hint("permission denied")
        }
        _ => Error::new(ErrorCode::Io, format!("cannot stat source file: {}", path.display()))
            .with_hint(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str) -> Result<LocalFile> {
        LocalFile::open(&FileAccess::default(), path)
    }

    #[test]
    fn missing_files_directories_and_empty_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("empty.csv"), "").unwrap();
        assert_eq!(open(&at("missing.csv")).unwrap_err().code(), ErrorCode::FileNotFound);
        assert_eq!(open(&at(".")).unwrap_err().code(), ErrorCode::NotAFile);
        assert_eq!(open(&at("empty.csv")).unwrap_err().code(), ErrorCode::EmptyFile);
        assert_eq!(open("/dev/null").unwrap_err().code(), ErrorCode::NotAFile);
    }

    #[test]
    fn pattern_characters_in_a_name_stand_for_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a[1]*? %.csv");
        fs::write(&path, "a\n1\n").unwrap();
        let file = open(path.to_str().unwrap()).unwrap();
        assert_eq!(file.bytes(), 4);
        assert!(file.url().unwrap().get_glob().is_none());
    }
}
