//! How case files find their snapshots, and how a snapshot is laid out.

use std::error::Error;
use std::path::{Path, PathBuf};

use insta::{Settings, glob};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Runs every case that fits the pattern; the snapshots lie beside the cases, under their names.
///
/// A case that cannot be run does not hide the next one.
pub(crate) fn for_each(pattern: &str, case: impl Fn(&Path) -> Outcome) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut failures = Vec::new();
    settings.bind(|| {
        glob!("../../cases", pattern, |path| {
            failures.extend(case(path).err().map(|error| format!("{}: {error}", path.display())));
        });
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The case files of a folder, for tests without snapshots.
pub(crate) fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

pub(crate) fn sections(sections: &[(&str, &str)]) -> String {
    sections.iter().map(|(name, text)| format!("=== {name}\n{}\n", text.trim_end_matches('\n'))).collect()
}
