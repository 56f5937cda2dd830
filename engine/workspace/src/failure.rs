//! Refusals of the file system as errors of the contract.

use std::io;
use std::path::Path;

use velaria_contract::{Error, ErrorCode};

/// What is said when `action` on `path` did not work, such as `cannot write`.
pub(crate) fn refused(action: &str, path: &Path, source: io::Error) -> Error {
    let code = match source.kind() {
        io::ErrorKind::NotFound => ErrorCode::FileNotFound,
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => ErrorCode::NotAFile,
        _ => ErrorCode::Io,
    };
    Error::new(code, format!("{action} {}: {source}", path.display())).with_source(source)
}

/// `path` holds something that is not what we write there.
pub(crate) fn damaged(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::MalformedFile, format!("{} is damaged: {reason}", path.display()))
}

/// No run has the id `id`, or it is no id at all.
pub(crate) fn run_not_found(id: &str) -> Error {
    Error::new(ErrorCode::RunNotFound, format!("run not found: {id}"))
}

/// No artifact has the id `id`.
pub(crate) fn artifact_not_found(id: &str) -> Error {
    Error::new(ErrorCode::ArtifactNotFound, format!("artifact not found: {id}"))
}

/// An argument is not what the call takes.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}
