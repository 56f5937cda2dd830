//! The Python package, through a driver script that speaks the line protocol.
//!
//! Starting an interpreter for each file costs more than the file, so a process that is done is kept and told to open
//! a new session by `{"reset": true}`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use super::directive::Verb;
use super::jsonl::{Process, register_request};
use super::{Connection, Directive, Surface, SurfaceError, Table};
use crate::corpus::DataFile;

/// The installed package of one interpreter.
#[derive(Clone)]
pub struct PythonSurface {
    python: PathBuf,
    driver: PathBuf,
    idle: Idle,
}

type Idle = Arc<Mutex<Vec<Process>>>;

impl PythonSurface {
    /// The interpreter at `python`; the driver lies in the repository at `root`.
    #[must_use]
    pub fn new(python: PathBuf, root: &Path) -> Self {
        Self { python, driver: root.join("conformance/drivers/python_surface.py"), idle: Idle::default() }
    }

    fn start(&self) -> Result<Process, SurfaceError> {
        let mut command = Command::new(&self.python);
        // The installed package is what is tested, whatever folder or variables the runner is started with.
        command.arg("-I").arg(&self.driver);
        Process::start(command)
    }
}

impl Surface for PythonSurface {
    fn name(&self) -> &str {
        "python"
    }

    fn connect(&self) -> Result<Box<dyn Connection>, SurfaceError> {
        let idle = lock(&self.idle).pop();
        let mut process = idle.map_or_else(|| self.start(), Ok)?;
        process.ask(&serde_json::json!({ "reset": true }))?;
        Ok(Box::new(PythonConnection { process: Some(process), idle: Arc::clone(&self.idle) }))
    }
}

struct PythonConnection {
    /// `None` once the process broke.
    process: Option<Process>,
    idle: Idle,
}

impl PythonConnection {
    fn ask<T>(
        &mut self,
        request: &serde_json::Value,
        read: impl FnOnce(super::jsonl::Answer) -> Result<T, SurfaceError>,
    ) -> Result<T, SurfaceError> {
        let process =
            self.process.as_mut().ok_or_else(|| SurfaceError::Broken("the interpreter is gone".to_owned()))?;
        let answer = process.ask(request);
        if matches!(answer, Err(SurfaceError::Broken(_))) {
            self.process = None;
        }
        read(answer?)
    }
}

impl Connection for PythonConnection {
    fn execute(&mut self, sql: &str) -> Result<Table, SurfaceError> {
        self.ask(&serde_json::json!({ "sql": sql }), |answer| answer.table())
    }

    fn stream(&mut self, directive: &Directive, sql: &str) -> Result<Table, SurfaceError> {
        self.ask(&stream_request(directive, sql), |answer| answer.table())
    }

    fn register(&mut self, file: &DataFile) -> Result<(), SurfaceError> {
        self.ask(&register_request(file), |_| Ok(()))
    }
}

fn stream_request(directive: &Directive, sql: &str) -> serde_json::Value {
    let (verb, argument) = match &directive.verb {
        Verb::Stream(name) => ("stream", serde_json::json!(name)),
        Verb::Run => ("run", serde_json::Value::Null),
        Verb::Last => ("last", serde_json::Value::Null),
        Verb::Progress(fields) => ("progress", serde_json::json!(fields)),
        Verb::Explain => ("explain", serde_json::Value::Null),
        Verb::Start => ("start", serde_json::Value::Null),
    };
    let options: serde_json::Map<String, serde_json::Value> =
        directive.options.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    serde_json::json!({ "stream": verb, "argument": argument, "options": options, "sql": sql })
}

impl Drop for PythonConnection {
    fn drop(&mut self) {
        lock(&self.idle).extend(self.process.take());
    }
}

/// A list of processes is whole whatever happened to the thread that held it.
fn lock(idle: &Idle) -> std::sync::MutexGuard<'_, Vec<Process>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the interpreter is: `VELARIA_PYTHON_BIN`, or the virtual environment of the repository at `root`.
#[must_use]
pub fn default_python(root: &Path) -> PathBuf {
    std::env::var_os("VELARIA_PYTHON_BIN").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from)
}
