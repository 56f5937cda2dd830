//! What a home holds, against what the commands have said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::Place;
use super::attempt::{Attempt, name};
use crate::{Error, Result};

/// A run that is said to run after all processes have been gone for so long is said so for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The number of rows of each status.
    statuses: BTreeMap<String, u64>,
    /// Directories of killed runs that were too young for a row; a rebuilt index has them.
    unindexed: u64,
    /// What is not as it should be.
    pub(super) broken: Vec<String>,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (status, count) in &self.statuses {
            write!(f, "{count} {status}, ")?;
        }
        write!(f, "{} without a row, {} broken", self.unindexed, self.broken.len())
    }
}

/// A row of the index, with the artifacts of the run.
#[derive(Debug)]
struct Row {
    run_name: String,
    status: String,
    artifacts: Vec<Artifact>,
}

#[derive(Debug)]
struct Artifact {
    uri: String,
    preview: Value,
}

/// Looks at the home after `attempts`.
pub(super) fn check(place: &Place, attempts: &[Attempt]) -> Result<Findings> {
    let mut findings = Findings::default();
    settle(place, &mut findings)?;
    let rows = read_index(&place.home(), &mut findings)?;
    check_directories(place, attempts, &rows, &mut findings)?;
    for attempt in attempts {
        let wrong = check_attempt(attempt, &rows);
        findings.broken.extend(wrong.map(|why| format!("{}: {why}; {}", name(attempt.number), attempt.told)));
    }
    for row in rows.values() {
        *findings.statuses.entry(row.status.clone()).or_default() += 1;
    }
    check_rebuilt(place, &rows, &mut findings)?;
    Ok(findings)
}

/// Waits until no run is said to run: lists tell of runs whose processes are gone.
fn settle(place: &Place, findings: &mut Findings) -> Result<()> {
    let began = Instant::now();
    loop {
        let listed = call(place, &["run", "list", "--status", "running", "--limit", "100000"])?;
        let running = listed["runs"].as_array().map_or(0, Vec::len);
        if running == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            findings.broken.push(format!("{running} runs are said to run for ever"));
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn call(place: &Place, args: &[&str]) -> Result<Value> {
    let output = place.command(args).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).map_err(|error| Error::Usage(format!("{args:?} printed no document: {error}: {text}")))
}

/// The rows of the index by the ids of their runs.
fn read_index(home: &Path, findings: &mut Findings) -> Result<BTreeMap<String, Row>> {
    if home.join("index/artifacts.jsonl").exists() {
        findings.broken.push("there is a second index: index/artifacts.jsonl".to_owned());
    }
    let path = home.join("index/artifacts.sqlite");
    read_rows(&path, findings).map_err(|source| Error::file(&path, source.to_string()))
}

fn read_rows(path: &Path, findings: &mut Findings) -> rusqlite::Result<BTreeMap<String, Row>> {
    let index = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let integrity: String = index.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if integrity != "ok" {
        findings.broken.push(format!("the integrity check of the index says {integrity}"));
    }
    let mut rows = BTreeMap::new();
    let mut runs = index.prepare("SELECT run_id, coalesce(run_name, ''), status FROM runs")?;
    for run in runs.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))? {
        let (id, run_name, status): (String, String, String) = run?;
        rows.insert(id, Row { run_name, status, artifacts: Vec::new() });
    }
    let mut artifacts = index.prepare("SELECT run_id, uri, coalesce(preview_json, 'null') FROM artifacts")?;
    for artifact in artifacts.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))? {
        let (id, uri, preview): (String, String, String) = artifact?;
        let preview = serde_json::from_str(&preview).unwrap_or_default();
        match rows.get_mut(&id) {
            Some(row) => row.artifacts.push(Artifact { uri, preview }),
            None => findings.broken.push(format!("an artifact belongs to no run: {uri}")),
        }
    }
    Ok(rows)
}

/// Directories and rows are of the same runs, and say the same of them.
fn check_directories(
    place: &Place,
    attempts: &[Attempt],
    rows: &BTreeMap<String, Row>,
    findings: &mut Findings,
) -> Result<()> {
    let killed: BTreeSet<String> =
        attempts.iter().filter(|attempt| attempt.hit).map(|attempt| name(attempt.number)).collect();
    let mut seen = BTreeSet::new();
    for (id, record) in records(&place.home())? {
        let status = record["status"].as_str().unwrap_or("unknown");
        match rows.get(&id) {
            Some(row) if row.status == status => {}
            Some(row) => findings.broken.push(format!("{id}: {status} in its directory, {} in the index", row.status)),
            // Killed before it was a run, or before it had a row.
            None if record.is_null() || killed.contains(record["run_name"].as_str().unwrap_or_default()) => {
                findings.unindexed += 1;
            }
            None => findings.broken.push(format!("{id}: the run is lost to the index")),
        }
        seen.insert(id);
    }
    let without = rows.keys().filter(|id| !seen.contains(*id));
    findings.broken.extend(without.map(|id| format!("{id}: a row without a directory")));
    Ok(())
}

/// The ids of all directories of runs with what their `run.json` says; null where there is none.
fn records(home: &Path) -> Result<Vec<(String, Value)>> {
    let runs = home.join("runs");
    let mut records = Vec::new();
    for entry in fs::read_dir(&runs).map_err(Error::io(&runs))? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path().join("run.json")).unwrap_or_default();
        let record = serde_json::from_str(&text).unwrap_or_default();
        records.push((entry.file_name().to_string_lossy().into_owned(), record));
    }
    Ok(records)
}

/// Why the index does not hold what the command of `attempt` has said.
fn check_attempt(attempt: &Attempt, rows: &BTreeMap<String, Row>) -> Option<String> {
    let run_name = name(attempt.number);
    let mut own = rows.values().filter(|row| row.run_name == run_name);
    let (row, other) = (own.next(), own.next());
    if other.is_some() {
        return Some("two rows in the index".to_owned());
    }
    if attempt.victim.is_none() && !attempt.succeeded() {
        return Some("it was not killed, and did not succeed".to_owned());
    }
    match row {
        None if attempt.document.is_some() => Some("no row in the index".to_owned()),
        None => None,
        Some(row) if attempt.succeeded() && row.status != "succeeded" => Some(format!("the index says {}", row.status)),
        Some(row) if row.status == "succeeded" => check_artifacts(attempt.number, &row.artifacts),
        Some(_) => None,
    }
}

/// Why the artifacts of a run that succeeded are not the one with its row.
fn check_artifacts(number: u64, artifacts: &[Artifact]) -> Option<String> {
    let [artifact] = artifacts else { return Some(format!("{} artifacts instead of one", artifacts.len())) };
    let path = Path::new(artifact.uri.strip_prefix("file://").unwrap_or(&artifact.uri));
    if !fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return Some(format!("its artifact is not there: {}", path.display()));
    }
    (artifact.preview["rows"][0]["n"] != number).then(|| format!("the artifact of another run: {}", artifact.preview))
}

/// An index that is made anew of the directories has every run that the old one had, and those that it had not.
fn check_rebuilt(place: &Place, rows: &BTreeMap<String, Row>, findings: &mut Findings) -> Result<()> {
    let said = call(place, &["index", "rebuild"])?;
    if said["ok"] != true {
        findings.broken.push(format!("the index cannot be made anew: {said}"));
        return Ok(());
    }
    let rebuilt = read_index(&place.home(), findings)?;
    for (id, record) in records(&place.home())? {
        if !record.is_null() && !rebuilt.contains_key(&id) {
            findings.broken.push(format!("{id}: not in the new index"));
        }
    }
    for (id, row) in rows {
        let same = rebuilt.get(id).is_some_and(|new| {
            new.status == row.status && new.artifacts.len() == row.artifacts.len() && new.run_name == row.run_name
        });
        if !same {
            findings.broken.push(format!("{id}: the new index says {:?} instead of {row:?}", rebuilt.get(id)));
        }
    }
    Ok(())
}
