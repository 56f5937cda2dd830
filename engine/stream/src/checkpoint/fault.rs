//! What can go wrong with a checkpoint, in words.

use std::io;
use std::path::Path;

use velaria_contract::{Error, ErrorCode};

/// The operating system did not read or write `path`.
pub(super) fn refused(doing: &str, path: &Path, error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::FileNotFound,
        _ => ErrorCode::Io,
    };
    let hint = match error.kind() {
        io::ErrorKind::StorageFull => "make room on the disk, then start the query again",
        io::ErrorKind::PermissionDenied => "the folder of the checkpoint and its files must be readable and writable",
        _ => "start the query again: it goes on from the last commit that is whole",
    };
    let message = format!("cannot {doing} checkpoint file {}: {error}", path.display());
    Error::new(code, message).with_hint(hint).with_source(error)
}

/// The bytes of `path` at `offset` are not what was written.
pub(super) fn corrupt(path: &Path, offset: u64, why: impl std::fmt::Display) -> Error {
    let message = format!("checkpoint file {} is damaged at byte {offset}: {why}", path.display());
    Error::new(ErrorCode::CheckpointCorrupt, message).with_hint(CORRUPT_HINT)
}

/// Commits that were made are not there.
pub(super) fn lost(dir: &Path, why: impl std::fmt::Display) -> Error {
    let message = format!("checkpoint {} is damaged: {why}", dir.display());
    Error::new(ErrorCode::CheckpointCorrupt, message).with_hint(CORRUPT_HINT)
}

const CORRUPT_HINT: &str = "bring the folder back from a copy, or remove it to begin anew";

/// The checkpoint was made by something else.
pub(super) fn mismatch(path: &Path, why: impl std::fmt::Display) -> Error {
    let message = format!("checkpoint {} cannot be used: {why}", path.display());
    Error::new(ErrorCode::CheckpointMismatch, message)
        .with_hint("name another checkpoint_path, or remove this one to begin anew")
}

/// Another query holds the lock.
pub(super) fn locked(dir: &Path) -> Error {
    Error::new(ErrorCode::CheckpointLocked, format!("checkpoint {} is in use", dir.display()))
        .with_hint("a query writes to it: stop that one, or name another checkpoint_path")
}

/// The engine has called in the wrong order, or made something that it cannot write.
pub(super) fn internal(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, format!("cannot write a checkpoint: {why}"))
}
