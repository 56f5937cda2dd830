//! What happened: a table for people, JSON for scripts, the same figures in both.

use std::io::{self, Write};

use serde::Serialize;

/// A run of one suite.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The name of the suite.
    pub suite: String,
    /// Over all surfaces.
    pub totals: Totals,
    /// In the order in which they ran.
    pub surfaces: Vec<SurfaceReport>,
}

/// Counts of records.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records with the expected outcome.
    pub passed: u64,
    /// Records with another outcome, and whatever kept records from running.
    pub failed: u64,
    /// Records that were not run, each with a reason.
    pub skipped: u64,
}

/// One surface.
#[derive(Debug, Serialize)]
pub struct SurfaceReport {
    /// Its name.
    pub surface: String,
    /// Over all files.
    pub totals: Totals,
    /// Sorted by name.
    pub files: Vec<FileReport>,
    /// What the surface says besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One file on one surface.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// The name of the file below `sqllogic`, or of the workload.
    pub file: String,
    /// Its counts.
    pub totals: Totals,
    /// What was not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<SkippedRecords>,
    /// Each failure, whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// Records that were not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedRecords {
    /// The line of the record; 0 for a whole file.
    pub line: u32,
    /// How many.
    pub records: u64,
    /// Why.
    pub reason: String,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl FileReport {
    /// A file of which nothing was run yet.
    #[must_use]
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), totals: Totals::default(), skips: Vec::new(), failures: Vec::new() }
    }

    /// One more record passed.
    pub fn pass(&mut self) {
        self.totals.passed += 1;
    }

    /// One more record failed.
    pub fn fail(&mut self, text: String) {
        self.totals.failed += 1;
        self.failures.push(text);
    }

    /// Records were skipped; a skip without a reason is a failure.
    pub fn skip(&mut self, skip: SkippedRecords) {
        if skip.reason.is_empty() {
            self.fail(format!("{}:{}\nskipped without a reason: say why in a comment above", self.file, skip.line));
            return;
        }
        self.totals.skipped += skip.records;
        self.skips.push(skip);
    }
}

impl SurfaceReport {
    /// The report of a surface over its files.
    #[must_use]
    pub fn new(surface: &str, files: Vec<FileReport>) -> Self {
        let mut totals = Totals::default();
        files.iter().for_each(|file| totals += file.totals);
        Self { surface: surface.to_owned(), totals, files, notes: Vec::new() }
    }

    /// The same with what the surface says besides.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes = notes;
        self
    }

    /// The reasons of all skips, each once with its number of records, in the order of their first use.
    fn skip_reasons(&self) -> Vec<(&str, u64)> {
        let mut reasons: Vec<(&str, u64)> = Vec::new();
        for skip in self.files.iter().flat_map(|file| &file.skips) {
            match reasons.iter_mut().find(|(reason, _)| *reason == skip.reason) {
                Some((_, records)) => *records += skip.records,
                None => reasons.push((&skip.reason, skip.records)),
            }
        }
        reasons
    }
}

impl Report {
    /// The report of `suite` over its surfaces.
    #[must_use]
    pub fn new(suite: &str, surfaces: Vec<SurfaceReport>) -> Self {
        let mut totals = Totals::default();
        surfaces.iter().for_each(|surface| totals += surface.totals);
        Self { suite: suite.to_owned(), totals, surfaces }
    }

    /// Whether nothing failed and something ran: a run of nothing proves nothing.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.totals.failed == 0 && self.totals.passed > 0
    }

    /// Prints failures, the table, the reasons of skips and the closing line.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for surface in &self.surfaces {
            for failure in surface.files.iter().flat_map(|file| &file.failures) {
                writeln!(out, "FAILED on {}: {failure}\n", surface.surface)?;
            }
        }
        writeln!(out, "{:<12} {:>6} {:>8} {:>8} {:>8}", "surface", "files", "passed", "failed", "skipped")?;
        for SurfaceReport { surface, totals: Totals { passed, failed, skipped }, files, .. } in &self.surfaces {
            writeln!(out, "{surface:<12} {:>6} {passed:>8} {failed:>8} {skipped:>8}", files.len())?;
        }
        for surface in &self.surfaces {
            for (reason, records) in surface.skip_reasons() {
                writeln!(out, "skipped on {}: {records} records: {reason}", surface.surface)?;
            }
            for note in &surface.notes {
                writeln!(out, "{}: {note}", surface.surface)?;
            }
        }
        let Totals { passed, failed, skipped } = self.totals;
        writeln!(out, "conformance: {passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Report {
        let mut good = FileReport::new("select/good.slt");
        good.pass();
        good.skip(SkippedRecords { line: 3, records: 1, reason: "no clock".to_owned() });
        let mut bad = FileReport::new("select/bad.slt");
        bad.fail("select/bad.slt:1".to_owned());
        Report::new("core", vec![SurfaceReport::new("cli", vec![good, bad])])
    }

    #[test]
    fn the_printed_report_ends_with_the_totals() {
        let mut out = Vec::new();
        sample().print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("FAILED on cli: select/bad.slt:1\n"), "{text}");
        assert!(text.contains("cli               2        1        1        1\n"), "{text}");
        assert!(text.ends_with("skipped on cli: 1 records: no clock\nconformance: 1 passed, 1 failed, 1 skipped\n"));
    }

    #[test]
    fn a_run_of_nothing_is_no_success() {
        assert!(!Report::new("core", Vec::new()).is_success());
        assert!(!sample().is_success());
    }

    #[test]
    fn a_skip_without_a_reason_is_a_failure() {
        let mut file = FileReport::new("a.slt");
        file.skip(SkippedRecords { line: 1, records: 1, reason: String::new() });
        assert_eq!(file.totals, Totals { passed: 0, failed: 1, skipped: 0 });
    }
}
