//! One tracked run: a directory that says what was asked, what happened and what came of it.
//!
//! `run.json` is replaced as a whole under the lock of the directory, so that no update is lost, whoever writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use velaria_contract::{Error, ErrorCode, Result, json as canonical};

use crate::failure::{damaged, invalid, refused, run_not_found};
use crate::home::{Home, create_new_private_dir, create_private_dir};
use crate::run_id::RunId;
use crate::{Object, Redactor, exact, file, owner, progress, stale};

/// What a run is asked to do.
#[derive(Debug, Clone, Default)]
pub struct NewRun {
    /// The name of the action, such as `csv-sql`.
    pub action: String,
    /// The arguments of the action; secrets in it are not written down.
    pub args: Object,
    /// The version of the engine; empty where it is not known, which is written as null.
    pub velaria_version: String,
    /// A name for people.
    pub run_name: Option<String>,
    /// A sentence for people; the key is in `run.json` only when there is one.
    pub description: Option<String>,
    /// Labels to find the run by; the key is in `run.json` only when there are some.
    pub tags: Vec<String>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It has not ended.
    Running,
    /// It ended with a result.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It was ended because its time was over.
    TimedOut,
    /// It was ended because somebody asked for it.
    Cancelled,
    /// The process that ran it is gone and has not said how it ended.
    Aborted,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Succeeded, Self::Failed, Self::TimedOut, Self::Cancelled, Self::Aborted];

    /// The text in `run.json` and in the index.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Aborted => "aborted",
        }
    }

    /// The status that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The status that `text` names.
    ///
    /// # Errors
    /// `VEL-7001` when there is none of this name.
    pub fn named(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            invalid(format!("unknown run status: {text}")).with_hint(format!("a status is one of {names}"))
        })
    }

    /// Whether `text` says that a run has ended.
    #[must_use]
    pub fn ended(text: &str) -> bool {
        Self::parse(text).is_some_and(|status| status != Self::Running)
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Anything but [`RunStatus::Running`].
    pub status: RunStatus,
    /// `YYYY-MM-DDTHH:MM:SSZ`; now when it is not given.
    pub finished_at: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// What else is to be known; it replaces the details of before.
    pub details: Option<Object>,
}

impl Outcome {
    /// An end of this moment with nothing to say.
    #[must_use]
    pub fn of(status: RunStatus) -> Self {
        Self { status, finished_at: None, error: None, details: None }
    }
}

/// The directory of a run.
#[derive(Debug, Clone)]
pub struct Run {
    home: Home,
    id: RunId,
    dir: PathBuf,
    /// How often it was resumed, when the caller is who does it; see [`Run::in_turn`].
    pub(crate) turn: Option<u64>,
}

impl Run {
    /// Makes the directory of a new run with `run.json` (status `running`), empty `progress.jsonl`, `stdout.log` and
    /// `stderr.log`, and `artifacts`.
    ///
    /// # Errors
    /// `VEL-7001` for an action without a name, `VEL-6003` when the file system refuses.
    pub fn create(home: &Home, new: &NewRun) -> Result<Self> {
        if new.action.trim().is_empty() {
            return Err(invalid("a run needs the name of its action"));
        }
        home.ensure_dirs()?;
        let run = Self::claim(home)?;
        match run.furnish(new) {
            Ok(()) => Ok(run),
            Err(error) => {
                // Half a run is none, and nobody would look for it.
                let _ = fs::remove_dir_all(&run.dir);
                Err(error)
            }
        }
    }

    fn furnish(&self, new: &NewRun) -> Result<()> {
        create_private_dir(&self.artifacts_dir())?;
        [self.progress_path(), self.stdout_path(), self.stderr_path()].iter().try_for_each(|path| file::touch(path))?;
        // Before run.json: a run that can be seen can be told from an abandoned one.
        owner::write(&self.dir, false)?;
        self.write("run.json", &self.first_record(new)).map(drop)
    }

    /// The run with the id `id`.
    ///
    /// # Errors
    /// `VEL-6201` when there is none, or `id` has not the form of an id.
    pub fn open(home: &Home, id: &str) -> Result<Self> {
        let parsed: RunId = id.parse()?;
        let run = Self { dir: home.run_dir(&parsed), home: home.clone(), id: parsed, turn: None };
        // The directory itself, not what a link leads to.
        let there = run.dir.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        if there && run.file().is_file() { Ok(run) } else { Err(run_not_found(id)) }
    }

    /// The home that it is in.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What is not written down of this run.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        self.home.redactor()
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `run.json`.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.dir.join("run.json")
    }

    /// `artifacts`, the directory for what the run makes.
    #[must_use]
    pub fn artifacts_dir(&self) -> PathBuf {
        self.dir.join("artifacts")
    }

    /// `progress.jsonl`.
    #[must_use]
    pub fn progress_path(&self) -> PathBuf {
        self.dir.join("progress.jsonl")
    }

    /// `stdout.log`.
    #[must_use]
    pub fn stdout_path(&self) -> PathBuf {
        self.dir.join("stdout.log")
    }

    /// `stderr.log`.
    #[must_use]
    pub fn stderr_path(&self) -> PathBuf {
        self.dir.join("stderr.log")
    }

    /// `_action_result.json`, which the process of the action leaves behind.
    #[must_use]
    pub fn action_result_path(&self) -> PathBuf {
        self.dir.join("_action_result.json")
    }

    /// What `run.json` says. A run whose process is gone is written down as `aborted` first.
    ///
    /// # Errors
    /// `VEL-6201` when the directory was removed, `VEL-5008` when the file is not a JSON object.
    pub fn record(&self) -> Result<Object> {
        let record = self.read()?;
        if stale::abandoned(&self.dir, &record) { self.abort() } else { Ok(record) }
    }

    /// Sets the fields of `updates` that are not null, and returns the whole record.
    ///
    /// # Errors
    /// `VEL-7001` when the id would change or the status is unknown; otherwise as [`Run::record`].
    pub fn update(&self, updates: &Object) -> Result<Object> {
        self.update_where(|_| true, updates).map(|(record, _)| record)
    }

    /// The same where `wanted` says so of the record as it stands; whether it did.
    pub(crate) fn update_where(
        &self,
        wanted: impl FnOnce(&Object) -> bool,
        updates: &Object,
    ) -> Result<(Object, bool)> {
        self.check(updates)?;
        let _lock = self.lock()?;
        let mut record = self.read()?;
        if !wanted(&record) {
            return Ok((record, false));
        }
        for (key, value) in self.home.redactor().object(updates) {
            if !value.is_null() {
                record.insert(key, value);
            }
        }
        self.write("run.json", &record)?;
        file::sync_dir(&self.dir)?;
        Ok((record, true))
    }

    /// Writes down how the run ended, whatever was written before, and returns the whole record. See [`Run::end`] for who is
    /// not alone with it.
    ///
    /// # Errors
    /// `VEL-7001` for the status `running`; otherwise as [`Run::record`].
    pub fn finalize(&self, outcome: &Outcome) -> Result<Object> {
        self.update(&self.ending(outcome)?)
    }

    /// What `outcome` changes in the record.
    pub(crate) fn ending(&self, outcome: &Outcome) -> Result<Object> {
        if outcome.status == RunStatus::Running {
            return Err(invalid("a run does not end as running"));
        }
        let finished_at = outcome.finished_at.clone().unwrap_or_else(|| self.home.now());
        let mut updates = Object::new();
        updates.insert("status".to_owned(), json!(outcome.status.as_str()));
        updates.insert("finished_at".to_owned(), json!(finished_at));
        updates.insert("error".to_owned(), json!(outcome.error));
        updates.insert("details".to_owned(), json!(outcome.details));
        Ok(updates)
    }

    /// Writes `inputs.json`, without the secrets in it.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn write_inputs(&self, inputs: &Object) -> Result<PathBuf> {
        self.write_lazily("inputs.json", &self.home.redactor().object(inputs))
    }

    /// Writes `explain.json`.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn write_explain(&self, explain: &Object) -> Result<PathBuf> {
        self.write_lazily("explain.json", &self.home.redactor().object(explain))
    }

    /// Writes `profile.json`.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn write_profile(&self, profile: &Object) -> Result<PathBuf> {
        self.write_lazily("profile.json", &self.home.redactor().object(profile))
    }

    /// Appends one snapshot, a JSON document, as a line of `progress.jsonl`.
    ///
    /// # Errors
    /// `VEL-7001` when `snapshot` is no JSON document.
    pub fn append_progress_snapshot(&self, snapshot: &str) -> Result<PathBuf> {
        let value =
            exact::parse(snapshot).map_err(|source| invalid(format!("a progress snapshot is not JSON: {source}")))?;
        let redacted = self.home.redactor().value(&value);
        // A document that fills several lines becomes one; every other one without secrets stays as it is.
        let text = snapshot.trim();
        let line =
            if redacted != value || text.contains(['\n', '\r']) { redacted.to_string() } else { text.to_owned() };
        let path = self.progress_path();
        file::append_line(&path, &line).map_err(|error| self.gone(error))?;
        Ok(path)
    }

    /// The last whole line of `progress.jsonl`. See [`ProgressTail`](crate::ProgressTail) for those that come.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn latest_progress(&self) -> Result<Option<Value>> {
        progress::latest(&self.progress_path())
    }

    /// What `inputs.json` says, where the run has one.
    ///
    /// # Errors
    /// `VEL-5008` when the file is not a JSON object.
    pub fn inputs(&self) -> Result<Option<Object>> {
        object(&self.dir.join("inputs.json"))
    }

    /// Appends `text` to `stdout.log`.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn append_stdout(&self, text: &str) -> Result<PathBuf> {
        self.append_log(self.stdout_path(), text)
    }

    /// Appends `text` to `stderr.log`.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn append_stderr(&self, text: &str) -> Result<PathBuf> {
        self.append_log(self.stderr_path(), text)
    }

    /// Makes this process the one whose end is the end of the run: the caller of [`Run::create`] is it at first.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn adopt(&self) -> Result<()> {
        owner::write(&self.dir, false)
    }

    /// Makes this process the one of the run, which does nothing else: who cancels the run may end it.
    ///
    /// # Errors
    /// `VEL-6203` when the run does not wait for it any more; `VEL-6003` when the file system refuses.
    pub fn adopt_as_worker(&self) -> Result<()> {
        let _lock = self.lock()?;
        let record = self.read()?;
        if !(self.is_turn_of(&record) && stale::running(&record)) {
            return Err(Error::new(ErrorCode::RunActive, format!("run does not wait for this process: {}", self.id)));
        }
        owner::write(&self.dir, true)
    }

    /// Whether a worker has made the run its own, wherever that one is by now.
    #[must_use]
    pub fn has_worker(&self) -> bool {
        owner::is_worker(&self.dir)
    }

    /// The directory of an id that nobody else has.
    fn claim(home: &Home) -> Result<Self> {
        loop {
            let id = RunId::new(home.clock())?;
            let dir = home.run_dir(&id);
            match create_new_private_dir(&dir) {
                Ok(()) => return Ok(Self { home: home.clone(), id, dir, turn: Some(0) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(refused("cannot create the directory", &dir, source)),
            }
        }
    }

    fn first_record(&self, new: &NewRun) -> Object {
        let redactor = self.home.redactor();
        let mut record = Object::new();
        let mut set = |key: &str, value: Value| record.insert(key.to_owned(), value);
        set("run_id", json!(self.id.as_str()));
        set("created_at", json!(self.home.now()));
        set("action", json!(new.action));
        set("cli_args", Value::Object(redactor.object(&new.args)));
        let version = Some(&new.velaria_version).filter(|version| !version.is_empty());
        set("velaria_version", json!(version));
        set("run_dir", json!(self.dir.to_string_lossy()));
        set("status", json!(RunStatus::Running.as_str()));
        set("finished_at", Value::Null);
        set("run_name", json!(new.run_name.as_deref().map(|name| redactor.text(name))));
        if let Some(description) = &new.description {
            set("description", json!(redactor.text(description)));
        }
        if !new.tags.is_empty() {
            set("tags", json!(new.tags.iter().map(|tag| redactor.text(tag)).collect::<Vec<_>>()));
        }
        set("error", Value::Null);
        set("details", json!({}));
        record
    }

    fn check(&self, updates: &Object) -> Result<()> {
        if updates.get("run_id").is_some_and(|id| !id.is_null() && id.as_str() != Some(self.id.as_str())) {
            return Err(invalid("the id of a run cannot be changed"));
        }
        match updates.get("status") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(status)) => RunStatus::named(status).map(drop),
            Some(status) => Err(invalid(format!("status is text, not {status}"))),
        }
    }

    /// Writes down that the process of this run is gone, unless somebody was faster.
    fn abort(&self) -> Result<Object> {
        let _lock = self.lock()?;
        let mut record = self.read()?;
        if stale::abandoned(&self.dir, &record) {
            stale::mark(&self.dir, &mut record);
            self.write("run.json", &record)?;
        }
        Ok(record)
    }

    pub(crate) fn lock(&self) -> Result<fs::File> {
        file::lock_dir(&self.dir).map_err(|error| self.gone(error))
    }

    pub(crate) fn read(&self) -> Result<Object> {
        object(&self.file())?.ok_or_else(|| run_not_found(self.id.as_str()))
    }

    pub(crate) fn write(&self, name: &str, object: &Object) -> Result<PathBuf> {
        let path = self.dir.join(name);
        file::replace(&path, canonical::to_pretty(object)?.as_bytes()).map_err(|error| self.gone(error))?;
        Ok(path)
    }

    /// The same for a file that a run can do without.
    fn write_lazily(&self, name: &str, object: &Object) -> Result<PathBuf> {
        let path = self.dir.join(name);
        file::replace_lazily(&path, canonical::to_pretty(object)?.as_bytes()).map_err(|error| self.gone(error))?;
        Ok(path)
    }

    fn append_log(&self, path: PathBuf, text: &str) -> Result<PathBuf> {
        file::append(&path, self.home.redactor().text(text).as_bytes()).map_err(|error| self.gone(error))?;
        Ok(path)
    }

    /// A file that cannot be found in a run's directory means that the directory is not there any more.
    fn gone(&self, error: Error) -> Error {
        if error.code() == ErrorCode::FileNotFound { run_not_found(self.id.as_str()) } else { error }
    }
}

/// The object in the file at `path`, where there is a file.
fn object(path: &Path) -> Result<Option<Object>> {
    let Some(text) = file::read(path)? else { return Ok(None) };
    match exact::parse(&text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => Err(damaged(path, "it holds no object")),
        Err(source) => Err(damaged(path, source)),
    }
}
