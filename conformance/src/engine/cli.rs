//! The command line: `velaria-cli sql --jsonl`, a process for each session.

use std::path::PathBuf;
use std::process::Command;

use super::jsonl::{Process, register_request};
use super::{Connection, Directive, Surface, SurfaceError, Table};
use crate::corpus::DataFile;

/// The command line binary.
#[derive(Debug, Clone)]
pub struct CliSurface {
    program: PathBuf,
}

impl CliSurface {
    /// The binary at `program`.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { program }
    }
}

impl Surface for CliSurface {
    fn name(&self) -> &str {
        "cli"
    }

    fn connect(&self) -> Result<Box<dyn Connection>, SurfaceError> {
        let mut command = Command::new(&self.program);
        command.args(["sql", "--jsonl"]);
        Ok(Box::new(CliConnection { process: Process::start(command)? }))
    }
}

struct CliConnection {
    process: Process,
}

impl Connection for CliConnection {
    fn execute(&mut self, sql: &str) -> Result<Table, SurfaceError> {
        self.process.ask(&serde_json::json!({ "sql": sql }))?.table()
    }

    fn stream(&mut self, _directive: &Directive, _sql: &str) -> Result<Table, SurfaceError> {
        Err(SurfaceError::Broken("the line protocol has no streams".to_owned()))
    }

    fn register(&mut self, file: &DataFile) -> Result<(), SurfaceError> {
        self.process.ask(&register_request(file)).map(|_| ())
    }
}

/// Where the binary is: `VELARIA_CLI_BIN`, or the file of that name in the folder that this program was built into.
#[must_use]
pub fn default_cli() -> PathBuf {
    if let Some(path) = std::env::var_os("VELARIA_CLI_BIN") {
        return PathBuf::from(path);
    }
    let name = format!("velaria-cli{}", std::env::consts::EXE_SUFFIX);
    let program = std::env::current_exe().unwrap_or_default();
    // Test binaries lie one folder deeper, in `deps`.
    let candidates = program.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    candidates.clone().find(|path| path.is_file()).or_else(|| candidates.last()).unwrap_or_else(|| PathBuf::from(name))
}
