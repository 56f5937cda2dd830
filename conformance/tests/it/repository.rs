//! What the tests read of the repository: its root, its files and their text.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    velaria_conformance::find_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The files below `folders` with one of the endings, sorted; folders that do not exist hold none.
pub(crate) fn files(folders: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), endings, &mut found);
    }
    found.sort();
    found
}

fn collect(path: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    if path.is_file() {
        let is_wanted = path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted));
        found.extend(is_wanted.then(|| path.to_owned()));
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        if !matches!(entry.file_name().to_str(), Some("target" | ".venv" | ".git" | "__pycache__")) {
            collect(&entry.path(), endings, found);
        }
    }
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The path as it is written in the repository.
pub(crate) fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// Everything that can prove a sentence of the docs: records, golden cases and snapshots, and tests.
///
/// Of a source file only the part from its first `#[cfg(test)]` counts: naming an error is not testing it.
pub(crate) fn proofs() -> String {
    let whole = files(
        &[
            "sqllogic",
            "golden/cases",
            "golden/snapshots",
            "golden/tests",
            "conformance/tests",
            "pybind/tests",
            "engine/contract/tests",
            "engine/sql/tests",
            "engine/connector/tests",
            "engine/vector/tests",
            "engine/stream/tests",
            "engine/velaria/tests",
            "engine/workspace/tests",
            "engine/cli/tests",
        ],
        &["slt", "toml", "snap", "rs", "py"],
    );
    let sources = files(&["engine", "pybind/src"], &["rs"]);
    let mut proofs: String = whole.iter().map(|path| text(path)).collect();
    for source in sources {
        let source = text(&source);
        proofs.extend(source.split_once("#[cfg(test)]").map(|(_, tests)| tests.to_owned()));
    }
    proofs
}
