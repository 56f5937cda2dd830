//! What the sink has, against what it should have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::Mode;
use super::workload::{Question, Target, Workload};
use crate::{Error, Result};

/// What is not as it should be, in numbers.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Rows or keys that are missing.
    pub(super) lost: u64,
    /// Rows that are there again.
    pub(super) duplicated: u64,
    /// Keys whose last row is wrong.
    pub(super) wrong: u64,
    /// Lines that are no rows, and headers at the wrong place.
    pub(super) torn: u64,
    /// Checkpoints that told of less than one before.
    pub(super) went_back: u64,
    /// Files that should not be there any more.
    pub(super) leftover: u64,
    /// Keys of rows that are missing or there again.
    pub(super) keys: BTreeSet<String>,
    /// Why the last run failed.
    pub(super) failed: Option<String>,
}

impl Findings {
    pub(super) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.wrong += other.wrong;
        self.torn += other.torn;
        self.went_back += other.went_back;
        self.leftover += other.leftover;
    }

    /// The promise that was not kept.
    pub(super) fn broken(&self, mode: Mode) -> Option<String> {
        let once = mode == Mode::ExactlyOnce && self.duplicated > 0;
        let numbers = self.lost + self.wrong + self.torn + self.went_back + self.leftover;
        match &self.failed {
            Some(why) => Some(format!("failed: {why}")),
            None if once || numbers > 0 => {
                let first: Vec<&str> = self.keys.iter().map(String::as_str).step_by(20).collect();
                Some(format!("{self}: {}", first.join("; ")))
            }
            None => None,
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, duplicated, wrong, torn, went_back, leftover, .. } = self;
        write!(
            f,
            "{lost} lost, {duplicated} duplicated, {wrong} wrong, {torn} torn, {went_back} back, {leftover} left over"
        )
    }
}

/// Looks at the sink of a trial.
pub(super) fn check(dir: &Path, workload: Workload) -> Result<Findings> {
    let question = workload.question;
    let mut findings = Findings { leftover: leftovers(dir)?, ..Findings::default() };
    let mut last: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for path in files(dir, workload.target)? {
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        for row in rows(&text, question, &mut findings) {
            let (key, values) = row.split_at(question.keys());
            if !seen.insert(row.clone()) {
                findings.duplicated += 1;
                findings.keys.insert(format!("again {}", row.join(",")));
            }
            last.insert(key.to_vec(), values.to_vec());
        }
    }
    for (key, values) in question.expected() {
        match last.remove(&key) {
            None => {
                findings.lost += 1;
                findings.keys.insert(format!("lost {}", key.join(",")));
            }
            Some(found) => findings.wrong += u64::from(found != values),
        }
    }
    findings.wrong += last.len() as u64;
    Ok(findings)
}

/// The files of the sink, in the order in which they were written.
fn files(dir: &Path, target: Target) -> Result<Vec<PathBuf>> {
    match target {
        Target::File => Ok(vec![dir.join("out.csv")]),
        Target::Parts => {
            let mut paths = paths(&dir.join("out"))?;
            paths.retain(|path| path.extension().is_some_and(|ending| ending == "csv"));
            paths.sort_unstable();
            Ok(paths)
        }
    }
}

fn paths(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dir).map_err(Error::io(dir))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?)
}

/// The rows of a file. Its first line is the header, and no other is.
fn rows(text: &str, question: Question, findings: &mut Findings) -> Vec<Vec<String>> {
    let names: Vec<&str> = question.columns().iter().map(|(name, _)| *name).collect();
    let is_whole = text.ends_with('\n') && text.lines().next() == Some(&names.join(","));
    findings.torn += u64::from(!is_whole);
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let row: Vec<String> = line.split(',').map(str::to_owned).collect();
        let fits = |(value, (_, kind)): (&String, &(&str, &str))| *kind != "INT" || value.parse::<u64>().is_ok();
        match row.len() == names.len() && row.iter().zip(question.columns()).all(fits) {
            true => rows.push(row),
            false => findings.torn += 1,
        }
    }
    rows
}

/// Files that were never finished.
fn leftovers(dir: &Path) -> Result<u64> {
    let mut left = 0;
    for folder in ["checkpoint", "out", "out/.staging"] {
        for path in paths(&dir.join(folder))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_staged = folder.ends_with(".staging") && name != "LOCK" && name != "OWNER";
            left += u64::from(name.ends_with(".tmp") || is_staged);
        }
    }
    Ok(left)
}
