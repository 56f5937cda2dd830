//! A file that has its name only when all of it is there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use velaria::{Error, ErrorCode, Existing, Result};

/// A file beside its place. Dropping it leaves nothing behind.
pub(super) struct NewFile {
    file: NamedTempFile,
    target: PathBuf,
    existing: Existing,
}

impl NewFile {
    /// A new file for `target`.
    pub(super) fn create(target: &Path, existing: Existing) -> Result<Self> {
        if fs::metadata(target).is_ok_and(|meta| !meta.is_file()) {
            let message = format!("cannot write file: {} is not a regular file", target.display());
            return Err(Error::new(ErrorCode::NotAFile, message));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".velaria-");
        // As for any new file, the user's mask decides.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(target.parent().unwrap_or(Path::new("/")));
        let file = file.map_err(|error| cannot_write(target, &error))?;
        Ok(Self { file, target: target.to_owned(), existing })
    }

    /// Gives the file its name.
    pub(super) fn commit(self) -> Result<()> {
        let Self { file, target, existing } = self;
        file.as_file().sync_all().map_err(|error| cannot_write(&target, &error))?;
        let named = match existing {
            Existing::Keep => file.persist_noclobber(&target),
            Existing::Replace => file.persist(&target),
        };
        named.map(|_| ()).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(&target),
            _ => cannot_write(&target, &error.error),
        })
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// There is a file that shall stay.
pub(super) fn exists(target: &Path) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("file already exists: {}", target.display()))
        .with_hint("--force replaces it")
}

/// The system refuses to write.
pub(super) fn cannot_write(target: &Path, error: &io::Error) -> Error {
    let (code, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorCode::FileNotFound, "its directory does not exist".to_owned()),
        _ => (ErrorCode::Io, error.to_string()),
    };
    Error::new(code, format!("cannot write file: {}", target.display())).with_hint(hint)
}
