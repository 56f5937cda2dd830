//! The history of what was typed, in the home directory of runs and for its user alone. Secrets are not in it.

use std::path::PathBuf;

use rustyline::Editor;
use rustyline::history::FileHistory;
use velaria::Result;
use velaria_workspace::{Home, Redactor};

use super::helper::Helper;

/// The file in the home directory.
const FILE: &str = "history";

/// Where what is typed is kept.
pub(super) struct History {
    path: PathBuf,
    redactor: Redactor,
}

impl History {
    /// The history of the home that the environment names.
    pub(super) fn of_home() -> Result<Self> {
        let home = Home::from_env()?;
        home.ensure_dirs()?;
        Ok(Self { path: home.root().join(FILE), redactor: Redactor::from_env() })
    }

    /// Gives `editor` what was typed before.
    pub(super) fn load(&self, editor: &mut Editor<Helper, FileHistory>) -> rustyline::Result<()> {
        if self.path.exists() { editor.load_history(&self.path) } else { Ok(()) }
    }

    /// Keeps `typed`, without its secrets.
    pub(super) fn keep(&self, editor: &mut Editor<Helper, FileHistory>, typed: &str) -> rustyline::Result<()> {
        editor.add_history_entry(self.redactor.statement(typed))?;
        // At once, so that nothing is lost with the process.
        editor.append_history(&self.path)
    }
}
