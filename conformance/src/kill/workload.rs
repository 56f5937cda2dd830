//! What is read, what is asked, and what should come of it.

use std::collections::BTreeMap;

/// Files of a trial.
pub(super) const FILES: u64 = 12;
const ROWS: u64 = 100;
/// Rows of all files.
pub(super) const ROWS_ALL: u64 = FILES * ROWS;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Question {
    Rows,
    Totals,
    Windows,
}

/// Where the rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// One file that grows.
    File,
    /// A file for each micro-batch.
    Parts,
}

/// A query and its sink.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    pub(super) question: Question,
    pub(super) target: Target,
    pub(super) workers: u64,
}

impl Workload {
    /// The workloads in turn.
    pub(super) fn nth(number: u64) -> Self {
        use Question::{Rows, Totals, Windows};
        use Target::{File, Parts};
        let (question, target, workers) = match number % 6 {
            0 => (Rows, File, 1),
            1 => (Rows, Parts, 1),
            2 => (Totals, File, 1),
            3 => (Totals, Parts, 2),
            4 => (Windows, File, 1),
            _ => (Windows, Parts, 3),
        };
        Self { question, target, workers }
    }

    pub(super) fn name(self) -> String {
        format!("{:?} to {:?} with {} workers", self.question, self.target, self.workers)
    }
}

impl Question {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Rows => "SELECT id, k, v FROM arriving",
            Self::Totals => "SELECT k, COUNT(*) AS c, SUM(v) AS s FROM arriving GROUP BY k",
            Self::Windows => {
                "SELECT w, k, COUNT(*) AS c, SUM(v) AS s FROM arriving WINDOW BY id EVERY 200 AS w GROUP BY w, k"
            }
        }
    }

    /// The columns of the sink.
    pub(super) fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rows => &[("id", "INT"), ("k", "STRING"), ("v", "INT")],
            Self::Totals => &[("k", "STRING"), ("c", "INT"), ("s", "INT")],
            Self::Windows => &[("w", "INT"), ("k", "STRING"), ("c", "INT"), ("s", "INT")],
        }
    }

    /// How many columns make a row what it is.
    pub(super) fn keys(self) -> usize {
        match self {
            Self::Rows | Self::Totals => 1,
            Self::Windows => 2,
        }
    }

    /// The rows that should be there at the end, the last one of each key.
    pub(super) fn expected(self) -> BTreeMap<Vec<String>, Vec<String>> {
        let mut totals: BTreeMap<Vec<String>, (u64, u64)> = BTreeMap::new();
        let mut rows = BTreeMap::new();
        for (id, key, value) in (0..ROWS_ALL).map(row) {
            let of = match self {
                Self::Rows => {
                    rows.insert(vec![id.to_string()], vec![key, value.to_string()]);
                    continue;
                }
                Self::Totals => vec![key],
                Self::Windows => vec![(id / 200 * 200).to_string(), key],
            };
            let total = totals.entry(of).or_default();
            *total = (total.0 + 1, total.1 + value);
        }
        rows.extend(totals.into_iter().map(|(key, (count, sum))| (key, vec![count.to_string(), sum.to_string()])));
        rows
    }
}

fn row(id: u64) -> (u64, String, u64) {
    (id, format!("key{}", id * 7 % 13), id % 97)
}

/// The text of a file.
pub(super) fn file(number: u64) -> String {
    let lines = (number * ROWS..(number + 1) * ROWS).map(row);
    let lines = lines.map(|(id, key, value)| format!("{id},{key},{value}\n"));
    std::iter::once("id,k,v\n".to_owned()).chain(lines).collect()
}
