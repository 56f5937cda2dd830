//! The index made anew from the directories of the runs, which are the truth.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Value, json};
use velaria_contract::{ErrorCode, Result};

use crate::home::Home;
use crate::index::{ARTIFACTS_FILE, ArtifactIndex, Backend};
use crate::run::Run;
use crate::{Object, cleanup, exact, file, time};

/// What a rebuilt index was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Runs that have a directory.
    pub runs: usize,
    /// Their artifacts.
    pub artifacts: usize,
    /// Ids of directories whose `run.json` is damaged or of another run, or whose artifacts cannot be read.
    pub skipped: Vec<String>,
    /// Where an index went that could not be read.
    pub set_aside: Option<PathBuf>,
}

impl Rebuilt {
    /// `{runs, artifacts, skipped, set_aside}`.
    #[must_use]
    pub fn object(&self) -> Object {
        let aside = self.set_aside.as_ref().map(|path| path.to_string_lossy());
        Object::from_iter([
            ("runs".to_owned(), json!(self.runs)),
            ("artifacts".to_owned(), json!(self.artifacts)),
            ("skipped".to_owned(), json!(self.skipped)),
            ("set_aside".to_owned(), json!(aside)),
        ])
    }
}

impl ArtifactIndex {
    /// Puts every run of `home` that has a directory into the index. Rows of runs without one stay; an index that cannot be
    /// read is moved aside first.
    ///
    /// # Errors
    /// `VEL-6204` when another process holds the index, `VEL-6003` when the file system refuses.
    pub fn rebuild(home: &Home) -> Result<Rebuilt> {
        home.ensure_dirs()?;
        let index = Self::with_backend(home, Backend::Sqlite);
        let mut rebuilt = Rebuilt { set_aside: index.repaired()?, ..Rebuilt::default() };
        let mut runs = cleanup::dirs(home)?;
        // Rows of the same second stand in the order in which their runs began.
        runs.sort_by_cached_key(|run| (run.id().second().to_owned(), began(run)));
        for run in runs {
            match index.found(&run) {
                Some((record, artifacts)) => {
                    index.restore(&record, &artifacts)?;
                    rebuilt.runs += 1;
                    rebuilt.artifacts += artifacts.len();
                }
                None => rebuilt.skipped.push(run.id().to_string()),
            }
        }
        Ok(rebuilt)
    }

    /// The record and the artifacts in the directory of `run`, where they are what an index takes. A directory that is not
    /// in order is in no other's way.
    fn found(&self, run: &Run) -> Option<(Object, Vec<Object>)> {
        let record = run.record().ok().filter(|record| is_of(record, run) && self.takes_run(record))?;
        let artifacts = artifacts(run, |artifact| is_of(artifact, run) && self.takes_artifact(artifact)).ok()?;
        Some((record, artifacts))
    }

    /// Makes the index one that can be used, and says where one went that cannot.
    fn repaired(&self) -> Result<Option<PathBuf>> {
        match self.prepare().and_then(|()| self.check()) {
            Ok(()) => Ok(None),
            Err(error) if error.code() == ErrorCode::MalformedFile => {
                let aside = self.set_aside(&time::compact(self.home().clock().wall_ms()))?;
                self.prepare()?;
                Ok(Some(aside))
            }
            Err(error) => Err(error),
        }
    }
}

impl Run {
    /// The artifacts that the directory of the run remembers: those that were inserted into an index, whatever has become of
    /// that one.
    ///
    /// # Errors
    /// `VEL-6003` when the file system refuses.
    pub fn artifacts(&self) -> Result<Vec<Object>> {
        artifacts(self, |artifact| is_of(artifact, self))
    }
}

/// When the inputs of `run` were written down, which is done once and before the run is listed.
fn began(run: &Run) -> Option<SystemTime> {
    fs::metadata(run.dir().join("inputs.json")).and_then(|file| file.modified()).ok()
}

/// Whether `row` says that it is of `run`.
fn is_of(row: &Object, run: &Run) -> bool {
    row.get("run_id").and_then(Value::as_str) == Some(run.id().as_str())
}

/// The artifacts that the directory of `run` remembers and that are `sound`; the last line about one counts.
fn artifacts(run: &Run, sound: impl Fn(&Object) -> bool) -> Result<Vec<Object>> {
    let text = file::read(&run.dir().join(ARTIFACTS_FILE))?.unwrap_or_default();
    let mut order = Vec::new();
    let mut by_id = BTreeMap::new();
    for artifact in text.lines().filter_map(exact::object).filter(sound) {
        let Some(id) = artifact.get("artifact_id").and_then(Value::as_str).map(str::to_owned) else { continue };
        if by_id.insert(id.clone(), artifact).is_none() {
            order.push(id);
        }
    }
    Ok(order.iter().filter_map(|id| by_id.remove(id)).collect())
}
