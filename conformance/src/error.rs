//! What can stop the runner itself. A failing record never does: it is counted and reported.

use std::io;
use std::path::{Path, PathBuf};

/// The result of the runner's own work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the runner cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of the repository cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A suite, workload or case file is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The command was asked for something that does not exist.
    #[error("{0}")]
    Usage(String),
    /// The report cannot be written.
    #[error("cannot write the report: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// For `map_err`: an input or output error with its path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// A file of the repository whose content is wrong.
    pub fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), message: message.into() }
    }
}
