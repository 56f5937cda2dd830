//! The names of artifacts in queries: the id of each, and within one run the name of its file.

use std::collections::BTreeSet;
use std::path::Path;

use velaria_workspace::{Home, Object};

use crate::quoting::quoted;
use crate::ui::cell::field;
use crate::ui::file::{RowFile, name_of, rows_of};

/// An artifact with rows, and what a query can call it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) names: Vec<String>,
    pub(super) about: String,
    pub(super) file: RowFile,
}

impl Named {
    /// Whether `name` is one of its names.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// The name to show, as it stands in a query.
    pub(super) fn quoted(&self) -> String {
        let name = self.names.first().map(String::as_str).unwrap_or_default();
        if is_word(name) { name.to_owned() } else { quoted(name, '"') }
    }
}

/// The artifacts that can be read, under their names. Names of files mean something within one run alone.
pub(super) fn named(home: &Home, artifacts: &[Object], by_file: bool) -> Vec<Named> {
    let mut taken = BTreeSet::new();
    let mut result = Vec::new();
    for artifact in artifacts {
        let Ok(file) = RowFile::of(home, artifact) else { continue };
        let id = field(artifact, "artifact_id").to_owned();
        let stem = word(&name_of(artifact));
        let by_file = by_file && !stem.is_empty() && taken.insert(stem.clone());
        let rows = rows_of(artifact).map(|rows| format!(", {rows} rows")).unwrap_or_default();
        let about = format!("{}{rows}, {}", name_of(artifact), field(artifact, "created_at"));
        let names = if by_file { vec![stem, id] } else { vec![id] };
        result.push(Named { names, about, file });
    }
    result
}

/// Those of `tables` that `query` may mean: the files of others need not be opened.
pub(super) fn mentioned(tables: &[Named], query: &str) -> Vec<Named> {
    let query = query.to_lowercase();
    tables.iter().filter(|table| table.names.iter().any(|name| query.contains(&name.to_lowercase()))).cloned().collect()
}

/// The name of a file as a word, without its ending.
fn word(name: &str) -> String {
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let word: String = stem.chars().map(letter).collect();
    if word.starts_with(|first: char| first.is_ascii_digit()) { format!("_{word}") } else { word }
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use velaria_workspace::file_uri;

    use super::*;

    fn artifacts(home: &Home, files: &[&str]) -> Vec<Object> {
        let dir = home.runs_dir().join("run");
        fs::create_dir_all(&dir).unwrap();
        let artifact = |(number, name): (usize, &&str)| {
            let path = dir.join(format!("{number}")).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "a\n1\n").unwrap();
            let format = if name.ends_with("txt") { "text" } else { "csv" };
            let keys = [
                ("uri", file_uri(&path).unwrap()),
                ("format", format.into()),
                ("artifact_id", format!("artifact_{number}")),
            ];
            keys.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
        };
        files.iter().enumerate().map(artifact).collect()
    }

    #[test]
    fn a_file_has_its_id_and_within_a_run_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let artifacts = artifacts(&home, &["result.csv", "vector_explain.txt", "result.csv", "1 \"x\" Ü.csv"]);
        let names = |by_file| -> Vec<Vec<String>> {
            named(&home, &artifacts, by_file).into_iter().map(|table| table.names).collect()
        };
        assert_eq!(names(false), [["artifact_0"], ["artifact_2"], ["artifact_3"]]);
        assert_eq!(names(true), [vec!["result", "artifact_0"], vec!["artifact_2"], vec!["_1__x___", "artifact_3"]]);
    }

    #[test]
    fn files_that_are_not_mentioned_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let artifacts = artifacts(&home, &["left.csv", "right.csv"]);
        let used = |query: &str| mentioned(&named(&home, &artifacts, true), query).len();
        assert_eq!((used("SELECT 1"), used("SELECT * FROM LEFT"), used("FROM left, \"artifact_1\"")), (0, 1, 2));
    }

    #[test]
    fn a_name_that_is_no_word_is_quoted() {
        let quoted = |name: &str| {
            let file = RowFile { path: "/".into(), format: velaria::Format::Csv };
            Named { names: vec![name.to_owned()], about: String::new(), file }.quoted()
        };
        assert_eq!(
            (quoted("result_1"), quoted("a\"b"), quoted("1a")),
            ("result_1".into(), "\"a\"\"b\"".into(), "\"1a\"".into())
        );
    }
}
