//! The files of artifacts: those that are in the home, and no others.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use velaria::{DataFrame, Error, ErrorCode, Format, ReadOptions, Result, Session, SessionConfig};
use velaria_workspace::{Home, Object, file_path};

use super::Options;
use super::cell::field;

/// A file with rows.
#[derive(Debug, Clone)]
pub(super) struct RowFile {
    /// The path without links.
    pub(super) path: PathBuf,
    pub(super) format: Format,
}

/// What a cell of CSV is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// The text that stands in the file.
    Text,
    /// What the text seems to say.
    Value,
}

impl RowFile {
    /// The file of `artifact`.
    ///
    /// # Errors
    /// `VEL-6004` for one that is not in the directory of runs, `VEL-7001` for one without rows.
    pub(super) fn of(home: &Home, artifact: &Object) -> Result<Self> {
        let format = format_of(artifact).ok_or_else(|| {
            let message = format!("format without rows: {}", field(artifact, "format"));
            Error::new(ErrorCode::InvalidArgument, message)
        })?;
        Ok(Self { path: path_of(home, artifact)?, format })
    }

    /// A frame over the rows.
    ///
    /// # Errors
    /// Those of [`Session::read`].
    pub(super) async fn frame(&self, session: &Session, cells: Cells) -> Result<DataFrame> {
        let options = match (self.format, cells) {
            (Format::Csv, Cells::Text) => ReadOptions::new().with("all_text", "true"),
            _ => ReadOptions::new(),
        };
        session.read(&self.path.to_string_lossy(), Some(self.format), &options).await
    }
}

/// The format of the rows of `artifact`, when it has rows.
pub(super) fn format_of(artifact: &Object) -> Option<Format> {
    match field(artifact, "format") {
        "csv" | "tsv" => Some(Format::Csv),
        "parquet" => Some(Format::Parquet),
        "arrow" => Some(Format::Arrow),
        "json" | "ndjson" => Some(Format::Json),
        "xlsx" => Some(Format::Excel),
        _ => None,
    }
}

/// The path of the file of `artifact`, without links. An index can be changed by whoever can write to it: that does not
/// make other files readable.
///
/// # Errors
/// `VEL-6001` when it is not there, `VEL-6004` when it is not in the directory of runs.
pub(super) fn path_of(home: &Home, artifact: &Object) -> Result<PathBuf> {
    let path = file_path(field(artifact, "uri"))?;
    let real = fs::canonicalize(&path).map_err(|error| {
        Error::new(ErrorCode::FileNotFound, format!("cannot read file: {}", path.display()))
            .with_hint(error.to_string())
    })?;
    if is_in(&home.runs_dir(), &real) {
        return Ok(real);
    }
    let message = format!("artifact is outside of the directory of runs: {}", path.display());
    Err(Error::new(ErrorCode::AccessDenied, message).with_hint("velaria-cli artifacts preview shows its first rows"))
}

fn is_in(dir: &Path, real: &Path) -> bool {
    fs::canonicalize(dir).is_ok_and(|dir| real.starts_with(&dir) && real != dir)
}

/// A session that reads `paths`, within the limits of a page.
///
/// # Errors
/// Those of [`Session::new`].
pub(super) fn session(options: &Options, paths: Vec<PathBuf>) -> Result<Session> {
    let config = SessionConfig::default().with_read_only().with_allowed_paths(paths);
    let config = config.with_statement_timeout(options.timeout);
    Session::new(match options.memory_limit_bytes {
        Some(bytes) => config.with_memory_limit(bytes),
        None => config,
    })
}

/// The number of rows of `artifact`, where it is known.
pub(super) fn rows_of(artifact: &Object) -> Option<u64> {
    artifact.get("row_count").and_then(Value::as_u64)
}

/// The name of the file of `artifact`.
pub(super) fn name_of(artifact: &Object) -> String {
    let path = file_path(field(artifact, "uri")).unwrap_or_default();
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use velaria_workspace::file_uri;

    use super::*;

    fn artifact(uri: &str) -> Object {
        Object::from_iter([("uri".to_owned(), json!(uri)), ("format".to_owned(), json!("csv"))])
    }

    #[test]
    fn only_files_of_runs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home")).unwrap();
        home.ensure_dirs().unwrap();
        let dir = home.runs_dir().join("run");
        fs::create_dir(&dir).unwrap();
        for path in [dir.join("a.csv"), home.root().join("index/a.csv"), folder.path().join("a.csv")] {
            fs::write(path, "a\n1\n").unwrap();
        }
        let path = |path: PathBuf| path_of(&home, &artifact(&file_uri(&path).unwrap())).map_err(|error| error.code());
        assert_eq!(path(dir.join("a.csv")), Ok(dir.join("a.csv")));
        for outside in [
            PathBuf::from("/etc/passwd"),
            folder.path().join("a.csv"),
            home.root().join("index/a.csv"),
            home.runs_dir(),
            dir.join("../../index/a.csv"),
            dir.join("../../../a.csv"),
        ] {
            assert_eq!(path(outside.clone()), Err(ErrorCode::AccessDenied), "{}", outside.display());
        }
        assert_eq!(path(dir.join("missing.csv")), Err(ErrorCode::FileNotFound));
        #[cfg(unix)]
        for (name, to) in [("link.csv", "/etc/passwd"), ("dir", "/etc")] {
            std::os::unix::fs::symlink(to, dir.join(name)).unwrap();
            let name = if name == "dir" { "dir/passwd" } else { name };
            assert_eq!(path(dir.join(name)), Err(ErrorCode::AccessDenied), "{name}");
        }
        for uri in ["", "http://127.0.0.1/a.csv", "file://elsewhere/a", "relative.csv"] {
            assert!(path_of(&home, &artifact(uri)).is_err(), "{uri}");
        }
    }
}
