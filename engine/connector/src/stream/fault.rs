//! Errors that several ends share.

use std::io;
use std::path::Path;

use velaria_contract::{Error, ErrorCode};

use crate::SourceOffset;

/// The error for a file that could not be written.
pub(super) fn cannot_write(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot write {}", path.display()))
        .with_hint(error.to_string())
        .with_source(error)
}

/// The error for an offset that this source cannot have given.
pub(super) fn no_offset(of: &str, offset: &SourceOffset) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("not an offset of {of}: {:?}", offset.0))
        .with_hint("the checkpoint was made with another source")
}

/// The error for a position that this sink cannot have given.
pub(super) fn no_position(of: &str) -> Error {
    Error::new(ErrorCode::CheckpointCorrupt, format!("the checkpoint holds no position of {of}"))
}
