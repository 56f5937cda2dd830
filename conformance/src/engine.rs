//! The surfaces: each one answers a statement with typed columns and canonical cell texts, or with the whole text of
//! an error report.

mod cli;
mod directive;
mod emissions;
mod jsonl;
mod python;
mod replay;
mod velaria;

use crate::corpus::DataFile;
use crate::render::Letter;

// The surfaces themselves.
pub use self::cli::{CliSurface, default_cli};
pub use self::directive::{Directive, Verb, split};
pub use self::python::{PythonSurface, default_python};
pub use self::replay::ReplaySurface;
pub use self::velaria::EngineSurface;

/// A way to reach the engine.
pub trait Surface {
    /// The name in suites, reports and `skipif` lines.
    fn name(&self) -> &str;

    /// A connection to a session that nobody used before.
    ///
    /// # Errors
    /// [`SurfaceError::Broken`] when the surface cannot be started.
    fn connect(&self) -> Result<Box<dyn Connection>, SurfaceError>;

    /// What a report should say besides what passed and failed.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One session on a surface.
pub trait Connection: Send {
    /// Runs one statement to its end.
    ///
    /// # Errors
    /// [`SurfaceError::Report`] when the engine refuses, [`SurfaceError::Broken`] when the surface does not answer.
    fn execute(&mut self, sql: &str) -> Result<Table, SurfaceError>;

    /// Does what `directive` says with a statement over streams.
    ///
    /// # Errors
    /// Like [`Connection::execute`].
    fn stream(&mut self, directive: &Directive, sql: &str) -> Result<Table, SurfaceError>;

    /// Makes the rows of a file known under a view name.
    ///
    /// # Errors
    /// Like [`Connection::execute`].
    fn register(&mut self, file: &DataFile) -> Result<(), SurfaceError>;
}

/// The result of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Column names.
    pub names: Vec<String>,
    /// Column types.
    pub letters: Vec<Letter>,
    /// The canonical cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The number of affected rows, if this is the result frame of a statement that returns no rows.
    #[must_use]
    pub fn affected_rows(&self) -> Option<u64> {
        match self.rows.as_slice() {
            [row] if self.names == ["ok", "message", "affected_rows"] => row.last()?.parse().ok(),
            _ => None,
        }
    }
}

/// Why a statement has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SurfaceError {
    /// The engine answered with an error: the whole text of its report.
    #[error("{0}")]
    Report(String),
    /// The surface does not do what the protocol says. No record may expect this.
    #[error("the surface is broken: {0}")]
    Broken(String),
}
