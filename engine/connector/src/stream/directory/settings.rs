//! How a folder is read, apart from the format of its files.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use glob::Pattern;
use velaria_contract::{Error, ErrorCode, Result};

use crate::ReadOptions;
use crate::stream::EndOption;

/// The options of a stream of files, beside those of the format.
pub const DIRECTORY_OPTIONS: [EndOption; 6] = [
    EndOption::new("rows_per_batch", "", "The most rows of a micro-batch; without it every file is one."),
    EndOption::new("settle_ms", "100", "How long a file has to stay as it is before it is read; 0 reads it at once."),
    EndOption::new(
        "on_change",
        "fail",
        "`fail` or `skip`: what happens when a file changes that was read or is being read.",
    ),
    EndOption::new(
        "on_bad_row",
        "quarantine",
        "`fail`, `skip` or `quarantine`: what happens to malformed rows of CSV, and to files that cannot be read as what they should be; the last two leave them out and count them.",
    ),
    EndOption::new("quarantine_path", "", "The folder for malformed rows of CSV, in a file for each file."),
    EndOption::new("pattern", "", "A pattern such as `part-*.csv` that names have to match."),
];

/// What happens when a file changes that was read or is being read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnChange {
    /// The query fails.
    #[default]
    Fail,
    /// What is new in it is passed over, and counted.
    Skip,
}

/// What happens to malformed rows, and to files that cannot be read as what they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnBadRow {
    /// The query fails.
    Fail,
    /// They are left out and counted.
    Skip,
    /// The same, and rows are written to the quarantine path if there is one.
    #[default]
    Quarantine,
}

/// How a folder is read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DirectorySettings {
    /// The most rows of a micro-batch; `None` makes one of each file.
    pub rows_per_batch: Option<NonZeroUsize>,
    /// How long a file has to stay as it is before it is read.
    pub settle_ms: u64,
    /// What happens when a file changes that was read or is being read.
    pub on_change: OnChange,
    /// What happens to malformed rows.
    pub on_bad_row: OnBadRow,
    /// Where malformed rows go.
    pub quarantine_path: Option<PathBuf>,
    /// What names have to match.
    pub pattern: Option<Pattern>,
}

impl Default for DirectorySettings {
    fn default() -> Self {
        Self {
            rows_per_batch: None,
            settle_ms: 100,
            on_change: OnChange::default(),
            on_bad_row: OnBadRow::default(),
            quarantine_path: None,
            pattern: None,
        }
    }
}

impl DirectorySettings {
    /// The settings among `options`, and the options that are left for the format.
    ///
    /// # Errors
    /// `VEL-7001` for a value that a setting cannot have.
    pub fn take(options: &ReadOptions) -> Result<(Self, ReadOptions)> {
        let default = Self::default();
        let given = |key| options.text(key).filter(|text| !text.is_empty());
        let settings = Self {
            rows_per_batch: match given("rows_per_batch") {
                Some(_) => {
                    options.parsed("rows_per_batch", "a whole number from 1 on", |text| text.trim().parse().ok())?
                }
                None => None,
            },
            settle_ms: options.count("settle_ms")?.unwrap_or(default.settle_ms),
            on_change: options.parsed("on_change", "fail or skip", on_change)?.unwrap_or(default.on_change),
            on_bad_row: options
                .parsed("on_bad_row", "fail, skip or quarantine", on_bad_row)?
                .unwrap_or(default.on_bad_row),
            quarantine_path: given("quarantine_path").map(super::absolute).transpose()?,
            pattern: given("pattern").map(pattern).transpose()?,
        };
        if settings.quarantine_path.is_some() && settings.on_bad_row != OnBadRow::Quarantine {
            return Err(Error::new(ErrorCode::InvalidArgument, "quarantine_path needs on_bad_row quarantine"));
        }
        let names: Vec<&str> = DIRECTORY_OPTIONS.iter().map(|option| option.name).collect();
        Ok((settings, options.clone().without(&names)))
    }
}

fn on_change(text: &str) -> Option<OnChange> {
    match text.to_lowercase().as_str() {
        "fail" => Some(OnChange::Fail),
        "skip" => Some(OnChange::Skip),
        _ => None,
    }
}

fn on_bad_row(text: &str) -> Option<OnBadRow> {
    match text.to_lowercase().as_str() {
        "fail" => Some(OnBadRow::Fail),
        "skip" => Some(OnBadRow::Skip),
        "quarantine" => Some(OnBadRow::Quarantine),
        _ => None,
    }
}

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|error| {
        Error::new(ErrorCode::InvalidArgument, format!("not a pattern of names: {text}")).with_hint(error.msg)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_taken_out_of_the_options() {
        let options = ReadOptions::new()
            .with("delimiter", ";")
            .with("rows_per_batch", "10")
            .with("settle_ms", "0")
            .with("on_change", "SKIP")
            .with("quarantine_path", "bad")
            .with("pattern", "*.csv");
        let (settings, rest) = DirectorySettings::take(&options).unwrap();
        assert_eq!(rest, ReadOptions::new().with("delimiter", ";"));
        assert_eq!((settings.rows_per_batch.unwrap().get(), settings.settle_ms), (10, 0));
        assert_eq!((settings.on_change, settings.on_bad_row), (OnChange::Skip, OnBadRow::Quarantine));
        assert_eq!(DirectorySettings::take(&ReadOptions::new()).unwrap().0, DirectorySettings::default());
    }

    #[test]
    fn defaults_are_those_of_the_list() {
        for option in &DIRECTORY_OPTIONS {
            let given = ReadOptions::new().with(option.name, option.default);
            assert_eq!(DirectorySettings::take(&given).unwrap().0, DirectorySettings::default(), "{}", option.name);
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for (name, value) in [("rows_per_batch", "0"), ("on_change", "x"), ("on_bad_row", ""), ("pattern", "[")] {
            assert!(DirectorySettings::take(&ReadOptions::new().with(name, value)).is_err(), "{name}");
        }
        let both = ReadOptions::new().with("on_bad_row", "skip").with("quarantine_path", "bad");
        assert!(DirectorySettings::take(&both).is_err());
    }
}
