//! Tracked runs and their index, with records as dicts.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{
    ArtifactFilter, ArtifactIndex, Cleanup, Files, Home, NewRun, Object, Outcome, PREVIEW_LIMIT_BYTES,
    PREVIEW_LIMIT_ROWS, Run, RunFilter, RunStatus, SQLITE_SCHEMA,
};

use crate::error::to_py;
use crate::json::{object, object_to_python};
use crate::runtime::wait;

/// How many.
struct Count(usize);

impl FromPyObject<'_, '_> for Count {
    type Error = PyErr;

    fn extract(obj: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = obj.py();
        obj.extract::<usize>().map(Self).map_err(|error| match error.is_instance_of::<PyOverflowError>(py) {
            true => {
                let message = format!("a number of runs or artifacts cannot be {}", *obj);
                to_py(py, &Error::new(ErrorCode::InvalidArgument, message).with_hint("pass 0 or more"))
            }
            false => error,
        })
    }
}

/// The home of runs that the environment names.
#[pyclass(module = "velaria._velaria", frozen)]
pub(crate) struct Workspace {
    home: Home,
}

#[pymethods]
impl Workspace {
    #[classattr]
    const PREVIEW_LIMIT_ROWS: usize = PREVIEW_LIMIT_ROWS;
    #[classattr]
    const PREVIEW_LIMIT_BYTES: usize = PREVIEW_LIMIT_BYTES;
    #[classattr]
    const SQLITE_SCHEMA: &'static str = SQLITE_SCHEMA;

    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        Home::from_env().map(|home| Self { home }).map_err(|error| to_py(py, &error))
    }

    #[getter]
    fn home(&self) -> PathBuf {
        self.home.root().to_owned()
    }

    #[getter]
    fn runs_dir(&self) -> PathBuf {
        self.home.runs_dir()
    }

    #[getter]
    fn index_dir(&self) -> PathBuf {
        self.home.index_dir()
    }

    fn ensure_dirs(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |home| home.ensure_dirs())
    }

    fn utc_now(&self) -> String {
        self.home.now()
    }

    fn run_dir(&self, py: Python<'_>, run_id: &str) -> PyResult<PathBuf> {
        run_id.parse().map(|id| self.home.run_dir(&id)).map_err(|error| to_py(py, &error))
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the contract")]
    fn create_run(
        &self,
        py: Python<'_>,
        action: String,
        args: &Bound<'_, PyAny>,
        velaria_version: Option<String>,
        run_name: Option<String>,
        description: Option<String>,
        tags: Option<Vec<String>>,
    ) -> PyResult<(String, PathBuf)> {
        let (args, tags) = (object(args, "args")?, tags.unwrap_or_default());
        let velaria_version = velaria_version.unwrap_or_default();
        let new = NewRun { action, args, velaria_version, run_name, description, tags };
        let run = self.call(py, move |home| Run::create(home, &new))?;
        Ok((run.id().to_string(), run.dir().to_owned()))
    }

    fn read_run<'py>(&self, py: Python<'py>, run_id: String) -> PyResult<Bound<'py, PyDict>> {
        self.record(py, run_id, |run| run.record())
    }

    fn update_run<'py>(
        &self,
        py: Python<'py>,
        run_id: String,
        updates: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let updates = object(updates, "updates")?;
        self.record(py, run_id, move |run| run.update(&updates))
    }

    fn finalize_run<'py>(
        &self,
        py: Python<'py>,
        run_id: String,
        status: &str,
        finished_at: Option<String>,
        error: Option<String>,
        details: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let status = RunStatus::named(status).map_err(|error| to_py(py, &error))?;
        let details = details.map(|details| object(details, "details")).transpose()?;
        let outcome = Outcome { status, finished_at, error, details };
        self.record(py, run_id, move |run| run.finalize(&outcome))
    }

    fn write_inputs(&self, py: Python<'_>, run_id: String, inputs: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
        let inputs = object(inputs, "inputs")?;
        self.with_run(py, run_id, move |run| run.write_inputs(&inputs))
    }

    fn write_explain(&self, py: Python<'_>, run_id: String, explain: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
        let explain = object(explain, "explain")?;
        self.with_run(py, run_id, move |run| run.write_explain(&explain))
    }

    fn append_progress_snapshot(&self, py: Python<'_>, run_id: String, snapshot: String) -> PyResult<PathBuf> {
        self.with_run(py, run_id, move |run| run.append_progress_snapshot(&snapshot))
    }

    fn append_stdout(&self, py: Python<'_>, run_id: String, text: String) -> PyResult<PathBuf> {
        self.with_run(py, run_id, move |run| run.append_stdout(&text))
    }

    fn append_stderr(&self, py: Python<'_>, run_id: String, text: String) -> PyResult<PathBuf> {
        self.with_run(py, run_id, move |run| run.append_stderr(&text))
    }

    /// Makes the index anew from the directories of the runs.
    fn rebuild_index<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let rebuilt = self.call(py, ArtifactIndex::rebuild)?;
        object_to_python(py, &rebuilt.object())
    }

    fn open_index(&self, py: Python<'_>) -> PyResult<WorkspaceIndex> {
        let index = self.call(py, ArtifactIndex::open)?;
        Ok(WorkspaceIndex { index, closed: AtomicBool::new(false) })
    }
}

impl Workspace {
    fn call<T, F>(&self, py: Python<'_>, run: F) -> PyResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Home) -> Result<T> + Send + 'static,
    {
        let home = self.home.clone();
        blocking(py, move || run(&home))
    }

    fn with_run<T, F>(&self, py: Python<'_>, id: String, run: F) -> PyResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Run) -> Result<T> + Send + 'static,
    {
        self.call(py, move |home| run(&Run::open(home, &id)?))
    }

    fn record<'py, F>(&self, py: Python<'py>, id: String, run: F) -> PyResult<Bound<'py, PyDict>>
    where
        F: FnOnce(&Run) -> Result<Object> + Send + 'static,
    {
        object_to_python(py, &self.with_run(py, id, run)?)
    }
}

/// The index of a home.
#[pyclass(module = "velaria._velaria", frozen)]
pub(crate) struct WorkspaceIndex {
    index: ArtifactIndex,
    closed: AtomicBool,
}

#[pymethods]
impl WorkspaceIndex {
    #[getter]
    fn sqlite_path(&self) -> PathBuf {
        self.index.sqlite_path()
    }

    #[getter]
    fn fallback_path(&self) -> PathBuf {
        self.index.fallback_path()
    }

    #[getter]
    fn backend(&self) -> &'static str {
        self.index.backend().as_str()
    }

    #[getter]
    fn fallback_reason(&self) -> Option<String> {
        self.index.fallback_reason().map(str::to_owned)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn upsert_run(&self, py: Python<'_>, meta: &Bound<'_, PyAny>) -> PyResult<()> {
        let meta = object(meta, "meta")?;
        self.call(py, move |index| index.upsert_run(&meta))
    }

    #[pyo3(name = "get_run")]
    fn run<'py>(&self, py: Python<'py>, run_id: String) -> PyResult<Option<Bound<'py, PyDict>>> {
        let run = self.call(py, move |index| index.run(&run_id))?;
        run.map(|run| object_to_python(py, &run)).transpose()
    }

    fn list_runs<'py>(
        &self,
        py: Python<'py>,
        limit: Count,
        status: Option<String>,
        action: Option<String>,
        tag: Option<String>,
        query: Option<String>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let filter = RunFilter { limit: limit.0, status, action, tag, query };
        dicts(py, &self.call(py, move |index| index.list_runs(&filter))?)
    }

    fn insert_artifact(&self, py: Python<'_>, meta: &Bound<'_, PyAny>) -> PyResult<()> {
        let meta = object(meta, "meta")?;
        self.call(py, move |index| index.insert_artifact(&meta))
    }

    fn update_artifact_preview(&self, py: Python<'_>, artifact_id: String, preview: &Bound<'_, PyAny>) -> PyResult<()> {
        let preview = object(preview, "preview")?;
        self.call(py, move |index| index.update_artifact_preview(&artifact_id, &preview))
    }

    fn list_artifacts<'py>(
        &self,
        py: Python<'py>,
        limit: Count,
        run_id: Option<String>,
        since: Option<String>,
        tag: Option<String>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let filter = ArtifactFilter { limit: limit.0, run_id, since, tag };
        dicts(py, &self.call(py, move |index| index.list_artifacts(&filter))?)
    }

    #[pyo3(name = "get_artifact")]
    fn artifact<'py>(&self, py: Python<'py>, artifact_id: String) -> PyResult<Option<Bound<'py, PyDict>>> {
        let artifact = self.call(py, move |index| index.artifact(&artifact_id))?;
        artifact.map(|artifact| object_to_python(py, &artifact)).transpose()
    }

    fn cleanup_runs<'py>(
        &self,
        py: Python<'py>,
        keep_last_n: Option<Count>,
        ttl_days: Option<f64>,
        delete_files: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let keep_last_n = keep_last_n.map(|count| count.0);
        let cleanup = Cleanup { keep_last_n, ttl_days, files: files(delete_files) };
        object_to_python(py, &self.call(py, move |index| index.cleanup_runs(&cleanup))?.object())
    }

    fn delete_run<'py>(&self, py: Python<'py>, run_id: String, delete_files: bool) -> PyResult<Bound<'py, PyDict>> {
        object_to_python(py, &self.call(py, move |index| index.delete_run(&run_id, files(delete_files)))?.object())
    }
}

impl WorkspaceIndex {
    fn call<T, F>(&self, py: Python<'_>, run: F) -> PyResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&ArtifactIndex) -> Result<T> + Send + 'static,
    {
        if self.closed.load(Ordering::Relaxed) {
            return Err(to_py(py, &Error::new(ErrorCode::Closed, "the index is closed")));
        }
        let index = self.index.clone();
        blocking(py, move || run(&index))
    }
}

fn files(delete: bool) -> Files {
    if delete { Files::Delete } else { Files::Keep }
}

fn dicts<'py>(py: Python<'py>, objects: &[Object]) -> PyResult<Vec<Bound<'py, PyDict>>> {
    objects.iter().map(|object| object_to_python(py, object)).collect()
}

/// Waits for the file system and for locks as for a query: without the interpreter lock, and with Ctrl-C.
fn blocking<T, F>(py: Python<'_>, run: F) -> PyResult<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    wait(py, async {
        let task = tokio::task::spawn_blocking(run);
        task.await.unwrap_or_else(|source| {
            Err(Error::new(ErrorCode::Internal, "the workspace stopped working").with_source(source))
        })
    })
}
