//! Deleting runs: rows of the index always, directories only when they are asked for, and nothing outside of the home.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};
use velaria_contract::{Error, ErrorCode, Result};

use crate::failure::{invalid, refused, run_not_found};
use crate::home::Home;
use crate::index::ArtifactIndex;
use crate::run::{Run, RunStatus};
use crate::run_id::RunId;
use crate::{Object, owner, stale, time};

const DAY_MS: f64 = 86_400_000.0;

/// The most runs that are held at a time: each takes a file descriptor.
const HELD_MAX: usize = 64;

/// What happens to the directory of a run that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Files {
    /// It stays.
    #[default]
    Keep,
    /// It is deleted as well.
    Delete,
}

/// Which runs are deleted: those that one of the conditions selects. Without a condition nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cleanup {
    /// Selects every run but the newest so many, which no other condition can select.
    pub keep_last_n: Option<usize>,
    /// Selects runs that began more than so many days ago.
    pub ttl_days: Option<f64>,
    /// What happens to their directories. With [`Files::Delete`], directories that the index does not know any more are
    /// selected like the others, and those of which a crash left no more than the beginning go once they are a day old.
    pub files: Files,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanupReport {
    /// The ids of the runs, the newest first.
    pub deleted_run_ids: Vec<String>,
    /// The directories, the newest first.
    pub deleted_run_dirs: Vec<PathBuf>,
    /// `sqlite` or `jsonl`.
    pub backend: &'static str,
}

impl CleanupReport {
    /// `{deleted_run_ids, deleted_run_dirs, backend}`.
    #[must_use]
    pub fn object(&self) -> Object {
        let dirs: Vec<_> = self.deleted_run_dirs.iter().map(|dir| dir.to_string_lossy()).collect();
        Object::from_iter([
            ("deleted_run_ids".to_owned(), json!(self.deleted_run_ids)),
            ("deleted_run_dirs".to_owned(), json!(dirs)),
            ("backend".to_owned(), json!(self.backend)),
        ])
    }
}

/// One run that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Its id.
    pub run_id: String,
    /// Its directory, when that was deleted too.
    pub deleted_run_dir: Option<PathBuf>,
}

impl Deletion {
    /// `{run_id, deleted_run_dir}`.
    #[must_use]
    pub fn object(&self) -> Object {
        let dir = self.deleted_run_dir.as_ref().map(|dir| dir.to_string_lossy());
        Object::from_iter([("run_id".to_owned(), json!(self.run_id)), ("deleted_run_dir".to_owned(), json!(dir))])
    }
}

impl ArtifactIndex {
    /// Deletes the runs that have ended and that `cleanup` selects. Runs whose process is gone have ended.
    ///
    /// # Errors
    /// `VEL-7001` for a number of days that is negative or no number; nothing is deleted then. `VEL-6003` when a directory
    /// cannot be deleted, `VEL-6004` when it is outside of the home; its run keeps its rows.
    pub fn cleanup_runs(&self, cleanup: &Cleanup) -> Result<CleanupReport> {
        let before = cleanup.ttl_days.map(|days| self.days_ago(days)).transpose()?;
        self.settle(None);
        let runs = self.known_runs(cleanup.files)?;
        let selected = runs.iter().enumerate().filter(|(place, run)| {
            let kept = cleanup.keep_last_n.is_some_and(|count| *place < count);
            let old = before.is_some_and(|before| began_before(run, before));
            has_ended(run) && !kept && (cleanup.keep_last_n.is_some() || old)
        });
        let ids: Vec<String> = selected.filter_map(|(_, run)| Some(run.get("run_id")?.as_str()?.to_owned())).collect();
        let (deleted_run_ids, mut deleted_run_dirs) = self.delete(&ids, cleanup.files)?;
        if cleanup.files == Files::Delete && (cleanup.keep_last_n.is_some() || before.is_some()) {
            for id in beginnings(self.home())? {
                deleted_run_dirs.extend(delete_dir(self.home(), id.as_str(), cleanup.files)?);
            }
        }
        Ok(CleanupReport { deleted_run_ids, deleted_run_dirs, backend: self.backend().as_str() })
    }

    /// Deletes one run that has ended.
    ///
    /// # Errors
    /// `VEL-6201` when there is no such run, `VEL-6203` when it has not ended.
    pub fn delete_run(&self, id: &str, files: Files) -> Result<Deletion> {
        let row = match self.run(id)? {
            Some(row) => row,
            None if files == Files::Delete => Run::open(self.home(), id)?.record()?,
            None => return Err(run_not_found(id)),
        };
        let active = || Error::new(ErrorCode::RunActive, format!("run has not ended: {id}"));
        if !has_ended(&row) {
            return Err(active());
        }
        let (ids, mut dirs) = self.delete(&[id.to_owned()], files)?;
        if ids.is_empty() { Err(active()) } else { Ok(Deletion { run_id: id.to_owned(), deleted_run_dir: dirs.pop() }) }
    }

    /// Deletes those of the runs `ids` that go on nowhere: their directories, then their rows. A run that is still there can
    /// be found and deleted again. The result is which ones, and their directories.
    fn delete(&self, ids: &[String], files: Files) -> Result<(Vec<String>, Vec<PathBuf>)> {
        let (mut deleted, mut dirs) = (Vec::new(), Vec::new());
        let mut failed = None;
        for ids in ids.chunks(HELD_MAX) {
            // Nobody goes on with a run as long as it is held.
            let (mut held, mut done) = (Vec::new(), Vec::new());
            for id in ids {
                let dir = match hold(self.home(), id) {
                    Ok(Hold::Runs(run)) => {
                        // Its row is of before it was resumed.
                        let _ = self.list_run(&run);
                        continue;
                    }
                    Ok(Hold::Free) => delete_dir(self.home(), id, files),
                    Ok(Hold::Held(lock)) => {
                        held.push(lock);
                        delete_dir(self.home(), id, files)
                    }
                    Err(error) => Err(error),
                };
                match dir {
                    Ok(dir) => {
                        dirs.extend(dir);
                        done.push(id.clone());
                    }
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            self.delete_rows(&done)?;
            deleted.append(&mut done);
        }
        failed.map_or(Ok((deleted, dirs)), Err)
    }

    /// The runs of the index, and with [`Files::Delete`] those of directories without a row; the newest first.
    fn known_runs(&self, files: Files) -> Result<Vec<Object>> {
        let mut runs = self.all_runs()?;
        if files == Files::Delete {
            let known: std::collections::BTreeSet<String> = runs.iter().filter_map(id).collect();
            let others = dirs(self.home())?.into_iter().filter(|run| !known.contains(run.id().as_str()));
            // A directory that cannot be read is not known to hold a run that has ended.
            runs.extend(others.filter_map(|run| run.record().ok()));
            runs.sort_by(|a, b| text(b, "created_at").cmp(text(a, "created_at")));
        }
        Ok(runs)
    }

    /// The moment `days` ago, in milliseconds since 1970.
    fn days_ago(&self, days: f64) -> Result<i64> {
        if !(days >= 0.0 && days.is_finite()) {
            return Err(invalid("a number of days is zero or more"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "beyond the range of the type it is the first moment of all"
        )]
        let ms = (days * DAY_MS) as i64;
        Ok(self.home().clock().wall_ms().saturating_sub(ms))
    }
}

/// The directories of `home` that hold a run, in the order of their ids.
pub(crate) fn dirs(home: &Home) -> Result<Vec<Run>> {
    Ok(names(home)?.iter().filter_map(|name| Run::open(home, name).ok()).collect())
}

/// The ids of directories whose makers were killed before there was a run in them, a day ago or earlier.
fn beginnings(home: &Home) -> Result<Vec<RunId>> {
    let begun = |id: &RunId| {
        let dir = home.run_dir(id);
        let is_dir = dir.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let no_run =
            dir.join("run.json").symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        is_dir && no_run && stale::untouched(&dir)
    };
    Ok(names(home)?.iter().filter_map(|name| name.parse().ok()).filter(begun).collect())
}

/// The names in the directory of the runs, in their order.
fn names(home: &Home) -> Result<Vec<String>> {
    let path = home.runs_dir();
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(refused("cannot read", &path, source)),
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// What stands against the end of a run that a row says has ended.
enum Hold {
    /// Nothing: it has no directory.
    Free,
    /// Nothing, as long as this is not dropped.
    Held(File),
    /// It goes on, whatever its row says.
    Runs(Run),
}

/// Holds the directory of the run `id` against whoever wants to go on with it.
fn hold(home: &Home, id: &str) -> Result<Hold> {
    let Ok(run) = Run::open(home, id) else { return Ok(Hold::Free) };
    // What is to be written down of a process that is gone is written before the directory is held.
    let _ = run.record();
    let lock = match run.lock() {
        Err(error) if error.code() == ErrorCode::RunNotFound => return Ok(Hold::Free),
        lock => lock?,
    };
    match run.read() {
        Ok(record) if has_ended(&record) => Ok(Hold::Held(lock)),
        Ok(_) => Ok(Hold::Runs(run)),
        Err(error) if error.code() == ErrorCode::RunNotFound => Ok(Hold::Free),
        // Its record cannot say that it goes on, but its process can.
        Err(error) if error.code() == ErrorCode::MalformedFile => {
            Ok(if owner::here(run.dir()) { Hold::Runs(run) } else { Hold::Held(lock) })
        }
        Err(error) => Err(error),
    }
}

/// Deletes the directory of the run `id` under the home, wherever a row says that it is.
fn delete_dir(home: &Home, id: &str, files: Files) -> Result<Option<PathBuf>> {
    if files == Files::Keep || !plain(id) {
        return Ok(None);
    }
    let dir = home.runs_dir().join(id);
    // A link is not followed, and nothing but a directory is deleted.
    if !dir.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return Ok(None);
    }
    // Nor one that a link above it puts elsewhere, such as a link in the place of `runs`.
    if dir.exists() && !home.contains(&dir) {
        let message = format!("directory is outside of the home: {}", dir.display());
        return Err(Error::new(ErrorCode::AccessDenied, message).with_hint("delete it yourself, if nothing needs it"));
    }
    match fs::remove_dir_all(&dir) {
        Ok(()) => Ok(Some(dir)),
        // Somebody else was faster.
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(refused("cannot delete", &dir, source)),
    }
}

/// Whether `id` is the name of an entry of a directory and nothing else, also where it is no id of ours.
fn plain(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn has_ended(run: &Object) -> bool {
    RunStatus::ended(text(run, "status"))
}

fn began_before(run: &Object, moment_ms: i64) -> bool {
    run.get("created_at").and_then(time::wall_ms).is_some_and(|began| began < moment_ms)
}

fn id(run: &Object) -> Option<String> {
    run.get("run_id").and_then(Value::as_str).map(str::to_owned)
}

fn text<'a>(run: &'a Object, key: &str) -> &'a str {
    run.get(key).and_then(Value::as_str).unwrap_or_default()
}
