//! The index as a file of events, one on each line: where SQLite cannot be used. Its state is what the events say, read
//! anew by every call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use velaria_contract::Result;

use super::event::{Event, RUN_KEYS};
use super::row::tagged;
use super::{Selection, Store, Visit};
use crate::failure::refused;
use crate::{Object, exact, file};

#[derive(Debug)]
pub(super) struct Jsonl {
    path: PathBuf,
}

/// Rows by id, with the number of the event that wrote them last.
#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<String, (usize, Object)>,
    artifacts: BTreeMap<String, (usize, Object)>,
}

impl Jsonl {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Creates the file, where there is none.
    pub(super) fn touch(&self) -> Result<()> {
        file::touch(&self.path)
    }

    /// Gives all events to `take` and removes the file; nothing that is written meanwhile is lost. A file with a line that
    /// is not understood stays under another name, which has `suffix`.
    pub(super) fn drain(&self, suffix: &str, take: impl FnOnce(&[Event]) -> Result<()>) -> Result<()> {
        let mut file = match self.locked() {
            Ok(file) => file,
            // There is none, or somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(refused("cannot read", &self.path, source)),
        };
        let (events, understood) = events(&mut file).map_err(|source| refused("cannot read", &self.path, source))?;
        if !events.is_empty() {
            take(&events)?;
        }
        if understood {
            fs::remove_file(&self.path).map_err(|source| refused("cannot remove", &self.path, source))
        } else {
            fs::rename(&self.path, self.imported(suffix)).map_err(|source| refused("cannot rename", &self.path, source))
        }
    }

    /// A name beside the file that nothing has; only who holds the file looks for one.
    fn imported(&self, suffix: &str) -> PathBuf {
        let named = |end: &str| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".imported-{suffix}{end}"));
            PathBuf::from(name)
        };
        let mut target = named("");
        let mut number = 2_u64;
        while target.symlink_metadata().is_ok() {
            target = named(&format!("-{number}"));
            number += 1;
        }
        target
    }

    /// The file, held against every other writer. One that was drained while we waited is not the file any more.
    fn locked(&self) -> io::Result<File> {
        loop {
            let file = file::open_existing(&self.path)?;
            file.lock()?;
            if still_there(&file, &self.path)? {
                return Ok(file);
            }
        }
    }

    fn state(&self) -> Result<State> {
        let mut state = State::default();
        let text = file::read(&self.path)?.unwrap_or_default();
        let events = text.lines().filter_map(exact::object).filter_map(Event::parse);
        for (number, event) in events.enumerate() {
            state.apply(number, event);
        }
        Ok(state)
    }
}

impl Store for Jsonl {
    /// A file that is not there is not made: whoever moved its events into SQLite has to be followed.
    fn write(&self, events: &[Event]) -> Result<()> {
        let lines: Vec<String> = events.iter().map(Event::line).collect();
        let written = || -> io::Result<()> {
            let mut file = self.locked()?;
            file::write_line(&mut file, &lines.join("\n"))?;
            file.flush()
        };
        written().map_err(|source| refused("cannot write", &self.path, source))
    }

    fn runs(&self, selection: Selection<'_>, visit: Visit<'_>) -> Result<()> {
        let state = self.state()?;
        let wanted = |row: &Object| {
            is(row, "run_id", selection.run_id)
                && is(row, "status", selection.status)
                && is(row, "action", selection.action)
        };
        for mut row in newest(state.runs).into_iter().filter(wanted) {
            let count =
                state.artifacts.values().filter(|(_, artifact)| artifact.get("run_id") == row.get("run_id")).count();
            row.insert("artifact_count".to_owned(), json!(count));
            if visit(row) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn artifacts(&self, selection: Selection<'_>, visit: Visit<'_>) -> Result<()> {
        let wanted = |row: &Object| {
            is(row, "artifact_id", selection.artifact_id)
                && is(row, "run_id", selection.run_id)
                && selection.since.is_none_or(|since| created_at(row) >= since)
                && selection.tag.is_none_or(|tag| tagged(row.get("tags_json"), tag))
        };
        for row in newest(self.state()?.artifacts).into_iter().filter(wanted) {
            if visit(row) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

impl State {
    fn apply(&mut self, number: usize, event: Event) {
        match event {
            Event::Run(row) => self.upsert_run(number, &row),
            Event::Artifact(row) => {
                self.artifacts.insert(text(&row, "artifact_id"), (number, row));
            }
            Event::Preview { artifact_id, preview } => {
                if let Some((_, row)) = self.artifacts.get_mut(&artifact_id) {
                    row.insert("preview_json".to_owned(), Value::Object(preview));
                }
            }
            Event::Delete { run_id } => {
                self.runs.remove(&run_id);
                self.artifacts.retain(|_, (_, row)| text(row, "run_id") != run_id);
            }
        }
    }

    /// As SQLite does it: what a row must have stays when it is not given, everything else is set.
    fn upsert_run(&mut self, number: usize, given: &Object) {
        let id = text(given, "run_id");
        let before = self.runs.get(&id);
        let mut row = Object::new();
        for key in RUN_KEYS {
            let new = given.get(key).filter(|value| !value.is_null());
            let kept = || before.and_then(|(_, row)| row.get(key)).cloned();
            let value = match key {
                "created_at" => {
                    new.cloned().or_else(kept).unwrap_or_else(|| given.get("at").cloned().unwrap_or_default())
                }
                "status" => new.cloned().or_else(kept).unwrap_or_else(|| json!("running")),
                "action" | "run_dir" => new.cloned().or_else(kept).unwrap_or_else(|| json!("")),
                "cli_args" => new.cloned().or_else(kept).unwrap_or_else(|| json!({})),
                "tags" => new.cloned().unwrap_or_else(|| json!([])),
                "details" => new.cloned().unwrap_or_else(|| json!({})),
                _ => new.cloned().unwrap_or_default(),
            };
            row.insert(key.to_owned(), value);
        }
        let place = before.map_or(number, |(place, _)| *place);
        self.runs.insert(id, (place, row));
    }
}

/// The rows, by their moment and among equals by their event, the newest first.
fn newest(rows: BTreeMap<String, (usize, Object)>) -> Vec<Object> {
    let mut rows: Vec<(usize, Object)> = rows.into_values().collect();
    rows.sort_by(|(a_place, a), (b_place, b)| (created_at(b), b_place).cmp(&(created_at(a), a_place)));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn created_at(row: &Object) -> &str {
    row.get("created_at").and_then(Value::as_str).unwrap_or_default()
}

fn is(row: &Object, key: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| row.get(key).and_then(Value::as_str) == Some(wanted))
}

fn text(row: &Object, key: &str) -> String {
    row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The events of `file`, and whether they say all that stands in it.
fn events(file: &mut File) -> io::Result<(Vec<Event>, bool)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut understood = matches!(text, Cow::Borrowed(_));
    let mut events = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match exact::object(line).and_then(Event::parse) {
            Some(event) => events.push(event),
            None => understood = false,
        }
    }
    Ok((events, understood))
}

/// Whether `file` is what stands at `path`.
#[cfg(unix)]
fn still_there(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn still_there(_file: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}
