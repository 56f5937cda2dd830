//! The index of runs and artifacts: what lists are read from.
//!
//! It is a SQLite file, and where SQLite cannot be used, a file of events. Both take the same [`Event`]s and visit rows in
//! the same order; what a filter means is decided here, once, before a limit is applied. A connection lives for one call:
//! another SQLite in the same process, such as Python's, would drop the locks of one that stays open.

mod event;
mod jsonl;
mod row;
mod sqlite;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use velaria_contract::{ErrorCode, Result};

use self::event::Event;
use self::jsonl::Jsonl;
pub use self::sqlite::SQLITE_SCHEMA;
use self::sqlite::Sqlite;
use crate::failure::{artifact_not_found, invalid};
use crate::home::Home;
use crate::run::Run;
use crate::run_id::RunId;
use crate::{Object, file, stale, time};

/// The rows of a list unless something else is asked for.
const LIMIT_DEFAULT: usize = 50;

/// The file of a run's directory that remembers its artifacts, so that an index can be made anew.
pub(crate) const ARTIFACTS_FILE: &str = "_artifacts.jsonl";

/// Where an index keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// `index/artifacts.sqlite`.
    Sqlite,
    /// `index/artifacts.jsonl`, where SQLite cannot be used.
    Jsonl,
}

impl Backend {
    /// `sqlite` or `jsonl`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Jsonl => "jsonl",
        }
    }

    /// The backend that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sqlite, Self::Jsonl].into_iter().find(|backend| backend.as_str() == text)
    }
}

/// Which runs a list is of; the newest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    /// Rows at most, after every other condition.
    pub limit: usize,
    /// The status of the run.
    pub status: Option<String>,
    /// The action of the run.
    pub action: Option<String>,
    /// A tag of the run.
    pub tag: Option<String>,
    /// Text in the id, action, name, description, error or a tag, in any case.
    pub query: Option<String>,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self { limit: LIMIT_DEFAULT, status: None, action: None, tag: None, query: None }
    }
}

/// Which artifacts a list is of; the newest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactFilter {
    /// Rows at most, after every other condition.
    pub limit: usize,
    /// The run that made them.
    pub run_id: Option<String>,
    /// `created_at` is this text or later.
    pub since: Option<String>,
    /// A tag of the artifact.
    pub tag: Option<String>,
}

impl Default for ArtifactFilter {
    fn default() -> Self {
        Self { limit: LIMIT_DEFAULT, run_id: None, since: None, tag: None }
    }
}

/// What a backend can select by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection<'a> {
    /// The id of the run, of its row or of its artifacts.
    pub(crate) run_id: Option<&'a str>,
    pub(crate) artifact_id: Option<&'a str>,
    pub(crate) status: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    pub(crate) since: Option<&'a str>,
    /// A tag of the artifact.
    pub(crate) tag: Option<&'a str>,
}

/// Takes one row after the other, and says when it has seen enough.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Object) -> ControlFlow<()>;

/// A place for rows.
trait Store {
    /// Does all of `events`, or nothing.
    fn write(&self, events: &[Event]) -> Result<()>;
    /// Visits whole run rows, the newest first.
    fn runs(&self, selection: Selection<'_>, visit: Visit<'_>) -> Result<()>;
    /// Visits artifact rows, the newest first.
    fn artifacts(&self, selection: Selection<'_>, visit: Visit<'_>) -> Result<()>;
}

/// The index of one home.
#[derive(Debug, Clone)]
pub struct ArtifactIndex {
    home: Home,
    backend: Backend,
    fallback_reason: Option<String>,
}

impl ArtifactIndex {
    /// Opens the index of `home`, and makes one where there is none. An index of an older version gets the columns that it
    /// lacks; what was written to the fallback while SQLite could not be used goes into SQLite. A damaged index is never
    /// replaced by another one: reads and writes of it are refused with `VEL-5008` until it is made anew.
    ///
    /// # Errors
    /// `VEL-6204` when another process holds the index for too long, `VEL-3001` when a later version made it, `VEL-6003`
    /// when neither SQLite nor the fallback can be used.
    pub fn open(home: &Home) -> Result<Self> {
        home.ensure_dirs()?;
        let index = Self::with_backend(home, Backend::Sqlite);
        match index.prepare() {
            Ok(()) => Ok(index),
            // Whoever uses it is told; what runs leave in their directories is kept nevertheless.
            Err(error) if error.code() == ErrorCode::MalformedFile => Ok(index),
            Err(error) if matches!(error.code(), ErrorCode::Io | ErrorCode::NotAFile) => {
                let fallback =
                    Self { fallback_reason: Some(error.to_string()), ..Self::with_backend(home, Backend::Jsonl) };
                fallback.jsonl().touch()?;
                Ok(fallback)
            }
            Err(error) => Err(error),
        }
    }

    /// The index of `home` for a caller that has opened it before and knows which backend it has.
    #[must_use]
    pub fn with_backend(home: &Home, backend: Backend) -> Self {
        Self { home: home.clone(), backend, fallback_reason: None }
    }

    /// Where the rows are.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// `index/artifacts.sqlite`.
    #[must_use]
    pub fn sqlite_path(&self) -> PathBuf {
        self.home.index_dir().join("artifacts.sqlite")
    }

    /// `index/artifacts.jsonl`.
    #[must_use]
    pub fn fallback_path(&self) -> PathBuf {
        self.home.index_dir().join("artifacts.jsonl")
    }

    /// Why SQLite is not used, when [`ArtifactIndex::open`] found that it cannot be.
    #[must_use]
    pub fn fallback_reason(&self) -> Option<&str> {
        self.fallback_reason.as_deref()
    }

    /// The home of this index.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Inserts the run `run`, a record as in `run.json`, or sets all columns of its row. Keys without a column are ignored;
    /// of what a row must have, an update keeps what `run` does not say.
    ///
    /// # Errors
    /// `VEL-7001` when `run` has no `run_id` or a value of the wrong type.
    pub fn upsert_run(&self, run: &Object) -> Result<()> {
        self.write(&[Event::run(&self.home.redactor().object(run), self.now())?])
    }

    /// Makes the row of `run` say what its `run.json` says, also when that is replaced meanwhile; the result is what it says.
    /// Where two do this at the same time, the last of them has seen the last record.
    ///
    /// # Errors
    /// `VEL-6201` when its directory was removed, `VEL-5008` when the file is damaged, `VEL-6204` when the index is locked.
    pub fn list_run(&self, run: &Run) -> Result<Object> {
        let mut record = run.read()?;
        loop {
            self.upsert_run(&record)?;
            let now = run.read()?;
            if now == record {
                return Ok(record);
            }
            record = now;
        }
    }

    /// The row of the run `id`: the keys of the first version, and of the later ones those that have a value.
    ///
    /// # Errors
    /// `VEL-6204` when the index is locked.
    pub fn run(&self, id: &str) -> Result<Option<Object>> {
        self.settle(Some(id));
        let selection = Selection { run_id: Some(id), ..Selection::default() };
        Ok(self.select_runs(1, |_| true, selection)?.pop().map(row::short))
    }

    /// The runs that `filter` selects, with `artifact_count` and `duration_ms`. Runs whose process is gone are written down
    /// as `aborted` first.
    ///
    /// # Errors
    /// `VEL-6204` when the index is locked.
    pub fn list_runs(&self, filter: &RunFilter) -> Result<Vec<Object>> {
        self.settle(None);
        let query = filter.query.as_deref().map(str::to_lowercase).filter(|query| !query.is_empty());
        let wanted = |row: &Object| {
            filter.tag.as_deref().is_none_or(|tag| row::tagged(row.get("tags"), tag))
                && query.as_deref().is_none_or(|query| row::mentions(row, query))
        };
        let selection =
            Selection { status: filter.status.as_deref(), action: filter.action.as_deref(), ..Selection::default() };
        let mut rows = self.select_runs(filter.limit, wanted, selection)?;
        for row in &mut rows {
            let duration = time::duration_ms(row);
            row.insert("duration_ms".to_owned(), json!(duration));
        }
        Ok(rows)
    }

    /// Inserts the artifact `artifact`, or replaces the one with its id; see
    /// [`NewArtifact::record`](crate::NewArtifact::record).
    ///
    /// # Errors
    /// `VEL-7001` when a key is missing that an artifact must have, or has a value of the wrong type.
    pub fn insert_artifact(&self, artifact: &Object) -> Result<()> {
        self.insert_artifacts(std::slice::from_ref(artifact))
    }

    /// Inserts or replaces all of `artifacts`, or none of them. The directory of their run remembers them also where the
    /// index cannot be written.
    ///
    /// # Errors
    /// Those of [`ArtifactIndex::insert_artifact`].
    pub fn insert_artifacts(&self, artifacts: &[Object]) -> Result<()> {
        let events =
            artifacts.iter().map(|artifact| Event::artifact(artifact, self.now())).collect::<Result<Vec<_>>>()?;
        for event in &events {
            if let Event::Artifact(row) = event {
                self.remember(row)?;
            }
        }
        self.write(&events)
    }

    /// Stores `preview` as the preview of the artifact `id`.
    ///
    /// # Errors
    /// `VEL-6202` when there is no such artifact.
    pub fn update_artifact_preview(&self, id: &str, preview: &Object) -> Result<()> {
        let mut row = self.artifact(id)?.ok_or_else(|| artifact_not_found(id))?;
        row.insert("preview_json".to_owned(), json!(preview));
        self.remember(&row)?;
        self.write(&[Event::Preview { artifact_id: id.to_owned(), preview: preview.clone() }])
    }

    /// The artifacts that `filter` selects.
    ///
    /// # Errors
    /// `VEL-6204` when the index is locked.
    pub fn list_artifacts(&self, filter: &ArtifactFilter) -> Result<Vec<Object>> {
        let selection = Selection {
            run_id: filter.run_id.as_deref(),
            since: filter.since.as_deref(),
            tag: filter.tag.as_deref(),
            ..Selection::default()
        };
        self.select_artifacts(filter.limit, selection)
    }

    /// The artifact `id`.
    ///
    /// # Errors
    /// `VEL-6204` when the index is locked.
    pub fn artifact(&self, id: &str) -> Result<Option<Object>> {
        let selection = Selection { artifact_id: Some(id), ..Selection::default() };
        Ok(self.select_artifacts(1, selection)?.pop())
    }

    /// Every run row, the newest first.
    pub(crate) fn all_runs(&self) -> Result<Vec<Object>> {
        self.select_runs(usize::MAX, |_| true, Selection::default())
    }

    /// Deletes the rows of the runs `ids` and of their artifacts.
    pub(crate) fn delete_rows(&self, ids: &[String]) -> Result<()> {
        let events: Vec<Event> = ids.iter().map(|id| Event::Delete { run_id: id.clone() }).collect();
        if events.is_empty() { Ok(()) } else { self.write(&events) }
    }

    /// Puts the record and the artifacts of a run's directory into the index.
    pub(crate) fn restore(&self, run: &Object, artifacts: &[Object]) -> Result<()> {
        let mut events = vec![Event::run(run, self.now())?];
        for artifact in artifacts {
            events.push(Event::artifact(artifact, self.now())?);
        }
        self.write(&events)
    }

    /// Whether [`ArtifactIndex::restore`] takes `run` as a run.
    pub(crate) fn takes_run(&self, run: &Object) -> bool {
        Event::run(run, self.now()).is_ok()
    }

    /// Whether [`ArtifactIndex::restore`] takes `artifact` as an artifact.
    pub(crate) fn takes_artifact(&self, artifact: &Object) -> bool {
        Event::artifact(artifact, self.now()).is_ok()
    }

    /// Makes SQLite ready and gives it what waits in the fallback.
    pub(crate) fn prepare(&self) -> Result<()> {
        let sqlite = self.sqlite();
        sqlite.prepare()?;
        self.jsonl().drain(&time::compact(self.home.clock().wall_ms()), |events| sqlite.write(events))
    }

    /// Whether SQLite finds the whole file in order.
    pub(crate) fn check(&self) -> Result<()> {
        self.sqlite().check()
    }

    /// Moves an index that cannot be read out of the way; the result is where it went.
    pub(crate) fn set_aside(&self, suffix: &str) -> Result<PathBuf> {
        self.sqlite().set_aside(suffix)
    }

    /// Brings the rows of abandoned runs, or of the abandoned run `id`, up to date. A list is not refused because that
    /// could not be written down.
    pub(crate) fn settle(&self, id: Option<&str>) {
        let selection = Selection { run_id: id, status: Some("running"), ..Selection::default() };
        let Ok(running) = self.select_runs(usize::MAX, |_| true, selection) else { return };
        for row in running {
            let run = row.get("run_id").and_then(Value::as_str).map(|run_id| Run::open(&self.home, run_id));
            let _ = match run {
                Some(Ok(run)) if run.record().is_ok_and(|record| !stale::running(&record)) => {
                    self.list_run(&run).map(drop)
                }
                Some(Ok(_)) => Ok(()),
                _ => self.vanished(row).map_or(Ok(()), |row| self.upsert_run(&row)),
            };
        }
    }

    /// The row of a run of ours whose directory somebody has removed: it ends here, or it would be called running for ever.
    fn vanished(&self, mut row: Object) -> Option<Object> {
        let dir = self.home.run_dir(&row.get("run_id")?.as_str()?.parse::<RunId>().ok()?);
        let ours = row.get("run_dir").and_then(Value::as_str).is_some_and(|told| Path::new(told) == dir);
        let gone = matches!(dir.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound);
        (ours && gone).then(|| {
            stale::mark_vanished(&mut row);
            row
        })
    }

    /// Writes `artifact` down in the directory of its run, where there is one.
    fn remember(&self, artifact: &Object) -> Result<()> {
        let run = artifact.get("run_id").and_then(Value::as_str).map(|id| Run::open(&self.home, id));
        match run {
            Some(Ok(run)) => file::append_line(&run.dir().join(ARTIFACTS_FILE), &json!(artifact).to_string()),
            _ => Ok(()),
        }
    }

    fn write(&self, events: &[Event]) -> Result<()> {
        self.home.ensure_dirs()?;
        if self.backend == Backend::Sqlite {
            return self.sqlite().write(events);
        }
        if !self.sqlite_path().is_file() {
            self.jsonl().touch()?;
        }
        match self.jsonl().write(events) {
            Err(error) if error.code() == ErrorCode::FileNotFound => self.sqlite().write(events),
            written => written,
        }
    }

    fn select_runs(&self, limit: usize, wanted: impl Fn(&Object) -> bool, of: Selection<'_>) -> Result<Vec<Object>> {
        self.select(|store| collect(limit, &wanted, |visit| store.runs(of, visit)))
    }

    fn select_artifacts(&self, limit: usize, of: Selection<'_>) -> Result<Vec<Object>> {
        self.select(|store| collect(limit, |_| true, |visit| store.artifacts(of, visit)))
    }

    /// What `read` finds where the rows are now: another process may have moved those of the fallback into SQLite, also
    /// while we read.
    fn select(&self, read: impl Fn(&dyn Store) -> Result<Vec<Object>>) -> Result<Vec<Object>> {
        if self.backend == Backend::Jsonl {
            let rows = read(&self.jsonl());
            if self.fallback_path().exists() || !self.sqlite_path().is_file() {
                return rows;
            }
        }
        read(&self.sqlite())
    }

    fn now(&self) -> String {
        self.home.now()
    }

    fn sqlite(&self) -> Sqlite {
        Sqlite::new(self.sqlite_path())
    }

    fn jsonl(&self) -> Jsonl {
        Jsonl::new(self.fallback_path())
    }
}

/// The first `limit` of the visited rows that are wanted.
fn collect(
    limit: usize,
    wanted: impl Fn(&Object) -> bool,
    visit: impl FnOnce(Visit<'_>) -> Result<()>,
) -> Result<Vec<Object>> {
    let mut rows = Vec::new();
    if limit == 0 {
        return Ok(rows);
    }
    visit(&mut |row| {
        if wanted(&row) {
            rows.push(row);
        }
        if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(rows)
}

/// The text at `key`, or `None` when there is none.
fn text(object: &Object, key: &str) -> Result<Option<String>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(invalid(format!("{key} is text, not {other}"))),
    }
}

/// The text at `key`, which must be there.
fn required(object: &Object, key: &str) -> Result<String> {
    text(object, key)?.filter(|text| !text.is_empty()).ok_or_else(|| invalid(format!("{key} is missing")))
}
