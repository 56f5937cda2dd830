//! A file that is written: it has its name only once all of it is there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use velaria_contract::{Error, ErrorCode, Result};

use crate::FileAccess;

/// What happens to a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new one is an error.
    Keep,
    /// It is replaced in one step.
    Replace,
}

/// A file beside its place. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    target: PathBuf,
    existing: Existing,
}

impl NewFile {
    /// A new file for `path`, relative to the working directory.
    ///
    /// # Errors
    /// `VEL-6004` when the session may not write there, `VEL-6001` when the directory does not exist, `VEL-6002` for a
    /// path that is no regular file, `VEL-6003` when the file exists and shall stay or the system refuses.
    pub fn create(access: &FileAccess, path: &str, existing: Existing) -> Result<Self> {
        access.check_change("COPY")?;
        let absolute = std::path::absolute(path).map_err(|error| cannot_write(Path::new(path), &error))?;
        access.check_path(&absolute)?;
        check_target(&absolute, existing)?;
        let parent = absolute.parent().unwrap_or(Path::new("/"));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".velaria-");
        // As for any new file, the user's mask decides.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(parent).map_err(|error| cannot_write(&absolute, &error))?;
        // The directory may have become a link since it was checked.
        access.check_beside(file.as_file(), file.path(), &absolute)?;
        Ok(Self { file, target: absolute, existing })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// `VEL-6003` when the system refuses, or another file took the name in between.
    pub fn commit(self) -> Result<()> {
        let Self { file, target, existing } = self;
        let refused = |error: &io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&target),
            _ => cannot_write(&target, error),
        };
        file.as_file().sync_all().map_err(|error| refused(&error))?;
        let named = match existing {
            Existing::Keep => file.persist_noclobber(&target),
            Existing::Replace => file.persist(&target),
        };
        named.map(|_| ()).map_err(|error| refused(&error.error))
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

fn check_target(target: &Path, existing: Existing) -> Result<()> {
    match fs::metadata(target) {
        Ok(found) if !found.is_file() => Err(Error::new(
            ErrorCode::NotAFile,
            format!("cannot write file: {} is not a regular file", target.display()),
        )),
        Ok(_) if existing == Existing::Keep => Err(exists(target)),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn exists(target: &Path) -> Error {
    Error::new(ErrorCode::Io, format!("file already exists: {}", target.display()))
        .with_hint("remove it first, or add OVERWRITE to the options")
}

fn cannot_write(target: &Path, error: &io::Error) -> Error {
    let code = if error.kind() == io::ErrorKind::NotFound { ErrorCode::FileNotFound } else { ErrorCode::Io };
    let hint = match code {
        ErrorCode::FileNotFound => "its directory does not exist".to_owned(),
        _ => error.to_string(),
    };
    Error::new(code, format!("cannot write file: {}", target.display())).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let create = |existing| NewFile::create(&FileAccess::default(), path.to_str().unwrap(), existing);
        let names = || fs::read_dir(dir.path()).unwrap().count();
        let mut file = create(Existing::Keep).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(), 0);

        let mut file = create(Existing::Keep).unwrap();
        file.write_all(b"whole").unwrap();
        fs::write(&path, "another").unwrap();
        assert_eq!(file.commit().unwrap_err().code(), ErrorCode::Io);
        assert_eq!(create(Existing::Keep).unwrap_err().message(), format!("file already exists: {}", path.display()));
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("another", 1));

        let mut file = create(Existing::Replace).unwrap();
        file.write_all(b"whole").unwrap();
        file.commit().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names()), ("whole", 1));
    }

    #[test]
    fn a_session_writes_only_where_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("in");
        fs::create_dir(&inside).unwrap();
        let access = FileAccess::new(false, Some(std::slice::from_ref(&inside))).unwrap();
        let code = |access: &FileAccess, path: &Path| {
            NewFile::create(access, path.to_str().unwrap(), Existing::Replace).map(|_| ()).map_err(|error| error.code())
        };
        assert_eq!(code(&access, &inside.join("a.csv")), Ok(()));
        assert_eq!(code(&access, &dir.path().join("a.csv")), Err(ErrorCode::AccessDenied));
        assert_eq!(code(&access, &inside.join("none/a.csv")), Err(ErrorCode::FileNotFound));
        assert_eq!(code(&access, &inside), Err(ErrorCode::NotAFile));
        let read_only = FileAccess::new(true, None).unwrap();
        assert_eq!(code(&read_only, &inside.join("a.csv")), Err(ErrorCode::AccessDenied));
    }
}
