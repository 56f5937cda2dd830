//! Directories and files that nobody else can write to.
//!
//! A cache is believed: who can write into it decides what a query returns. So a directory has to be a real one, not a
//! link, belong to us, and be closed for writing to everybody else; what we make ourselves, nobody else can even read.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::path::Path;

use velaria_contract::{Error, ErrorCode, Result};

/// Makes the directory `path` unless it is there.
///
/// `Ok(false)` when it cannot be made, as in a place without write access: there is no cache then.
pub(super) fn ensure(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) => check(path, &found).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parents = path.parent().map_or(Ok(()), fs::create_dir_all);
            if parents.and_then(|()| make(path)).is_err() && fs::symlink_metadata(path).is_err() {
                return Ok(false);
            }
            // Another process may have made it, or something else of that name.
            let found = fs::symlink_metadata(path).map_err(|error| refused(path, &error.to_string()))?;
            check(path, &found).map(|()| true)
        }
        Err(error) => Err(refused(path, &error.to_string())),
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn check(path: &Path, found: &Metadata) -> Result<()> {
    if found.is_symlink() {
        return Err(refused(path, "it is a symbolic link"));
    }
    if !found.is_dir() {
        return Err(refused(path, "it is not a directory"));
    }
    check_owner(path, found)
}

#[cfg(unix)]
fn check_owner(path: &Path, found: &Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    if !is_own(found) {
        return Err(refused(path, "it belongs to another user"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(refused(path, "other users may write into it; chmod 700 closes it"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_path: &Path, _found: &Metadata) -> Result<()> {
    Ok(())
}

/// Whether what `found` describes is ours.
#[cfg(unix)]
pub(super) fn is_own(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    use std::sync::OnceLock;
    // The system says who we are by the owner of what we make.
    static USER: OnceLock<Option<u32>> = OnceLock::new();
    let user = USER.get_or_init(|| tempfile::tempfile().and_then(|file| file.metadata()).ok().map(|made| made.uid()));
    *user == Some(found.uid())
}

#[cfg(not(unix))]
pub(super) fn is_own(_found: &Metadata) -> bool {
    true
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::AccessDenied, format!("cannot use the cache directory {}: {why}", path.display()))
        .with_hint("name another directory with materialization_dir or VELARIA_MATERIALIZATION_DIR")
}
