//! Where files are: the text of a path becomes the files that it means.
//!
//! A path is one file, a directory with everything beneath it, a pattern (`data/*.csv`), or `-` for standard input. A file
//! that is called exactly like the path wins over what the path would mean as a pattern. Every file passes the one door
//! ([`LocalFile`]), so that the rules of the session hold for each of them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use arrow::datatypes::DataType;
use glob::{MatchOptions, Pattern};
use velaria_contract::{Error, ErrorCode, Result};

use crate::{FileAccess, LocalFile, stdin};

/// The text that stands in a directory's name for no value.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";
/// How deep directories are followed: deeper ones are a mistake, or a loop.
const DEPTH_MAX: usize = 64;

/// The files that a path means, in the order of their names.
#[derive(Debug, Clone)]
pub struct Located {
    /// The files.
    pub files: Vec<LocatedFile>,
    /// The columns that the names of directories are: `year=2024/month=01`.
    pub partitions: Vec<(String, DataType)>,
}

/// One file, with the values that the names of its directories give.
#[derive(Debug, Clone)]
pub struct LocatedFile {
    /// The file.
    pub file: LocalFile,
    /// A value for each of [`Located::partitions`]; `None` is NULL.
    pub values: Vec<Option<String>>,
}

/// Whether the names of directories are columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioning {
    /// `year=2024` is a column `year`.
    Hive,
    /// A name is a name.
    None,
}

/// The files that `path`, relative to the working directory, means for a session with `access`.
///
/// # Errors
/// Those of [`LocalFile::open`]; `VEL-6001` when a pattern or a directory has no file; `VEL-7001` for a pattern that is none;
/// `VEL-5006` when the files are not partitioned alike.
pub fn locate(access: &FileAccess, path: &str, partitioning: Partitioning) -> Result<Located> {
    if path == stdin::NAME {
        return Ok(Located::single(stdin::open(access)?));
    }
    if path.is_empty() || path.contains('\0') {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("not a path: {path:?}")));
    }
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::new(ErrorCode::Io, format!("cannot read source file: {path}")).with_source(error))?;
    if is_pattern(path) && fs::symlink_metadata(&absolute).is_err() {
        return matching(access, path, &absolute, partitioning);
    }
    access.check_path(&absolute)?;
    if absolute.is_dir() {
        return beneath(access, &absolute, partitioning);
    }
    LocalFile::open(access, path).map(Located::single)
}

/// Whether `path` holds a character that makes it a pattern.
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

impl Located {
    fn single(file: LocalFile) -> Self {
        Self { files: vec![LocatedFile { file, values: Vec::new() }], partitions: Vec::new() }
    }

    /// What changes when a file is added, removed or written.
    #[must_use]
    pub fn fingerprint(&self) -> Vec<(PathBuf, Option<(u64, std::time::SystemTime)>)> {
        self.files.iter().map(|each| (each.file.path().to_owned(), each.file.version())).collect()
    }
}

fn matching(access: &FileAccess, text: &str, absolute: &Path, partitioning: Partitioning) -> Result<Located> {
    let pattern = absolute.to_string_lossy();
    let invalid = |reason: String| {
        Error::new(ErrorCode::InvalidArgument, format!("not a pattern of paths: {text}")).with_hint(reason)
    };
    Pattern::new(&pattern).map_err(|error| invalid(error.msg.to_owned()))?;
    // What lies outside of the allowed directories is not even looked for.
    access.check_path(&literal_part(absolute)?)?;
    // The option for leading dots panics on a name that is not UTF-8: hidden names are left out below.
    let options =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
    let found = glob::glob_with(&pattern, options).map_err(|error| invalid(error.msg.to_owned()))?;
    let shown = |path: &PathBuf| path.is_file() && !is_hidden(path, absolute);
    let mut paths: Vec<PathBuf> = found.filter_map(|each| each.ok()).filter(shown).collect();
    paths.sort();
    if paths.is_empty() {
        return Err(Error::new(ErrorCode::FileNotFound, format!("no file matches the pattern: {text}"))
            .with_hint("* stands for any characters of one name, ** for any directories; relative paths start at the working directory"));
    }
    // The directories that the caller wrote are a part of the pattern; those above the working directory are not.
    let above = if Path::new(text).is_absolute() { 0 } else { absolute.components().count() - components(text) };
    open_all(access, paths, above, partitioning)
}

/// Whether a `*` of `pattern` stands for a name in `path` that begins with a dot.
fn is_hidden(path: &Path, pattern: &Path) -> bool {
    let dotted = |component: &Component<'_>| component.as_os_str().as_encoded_bytes().starts_with(b".");
    let written: Vec<Component<'_>> = pattern.components().filter(dotted).collect();
    path.components()
        .filter(dotted)
        .any(|name| !written.iter().any(|each| *each == name || is_pattern(&each.as_os_str().to_string_lossy())))
}

fn components(text: &str) -> usize {
    Path::new(text).components().filter(|component| !matches!(component, Component::CurDir)).count()
}

/// The directories of `pattern` before its first character that is not itself.
fn literal_part(pattern: &Path) -> Result<PathBuf> {
    let is_literal = |component: &Component<'_>| !is_pattern(&component.as_os_str().to_string_lossy());
    let literal: PathBuf = pattern.components().take_while(is_literal).collect();
    let mut rest = pattern.components().skip_while(is_literal);
    if rest.any(|component| component == Component::ParentDir) {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("not a pattern of paths: {}", pattern.display()))
            .with_hint("a .. cannot follow a *"));
    }
    Ok(literal)
}

fn beneath(access: &FileAccess, directory: &Path, partitioning: Partitioning) -> Result<Located> {
    let mut paths = Vec::new();
    walk(directory, DEPTH_MAX, &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        return Err(Error::new(ErrorCode::FileNotFound, format!("no files in directory: {}", directory.display()))
            .with_hint("names that begin with . or _ and names that end with .tmp are passed over"));
    }
    open_all(access, paths, directory.components().count(), partitioning)
}

/// Adds the files of `directory` and of the directories in it. Links to directories are not followed: they may be loops.
fn walk(directory: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |error: std::io::Error| {
        Error::new(ErrorCode::Io, format!("cannot read directory: {}", directory.display()))
            .with_hint(error.to_string())
    };
    if depth == 0 {
        return Err(Error::new(ErrorCode::Io, format!("directories are nested too deep: {}", directory.display())));
    }
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if is_passed_over(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            walk(&entry.path(), depth - 1, paths)?;
        } else if entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}

/// Hidden names, and those by which writers mark what is not finished.
fn is_passed_over(name: &str) -> bool {
    name.starts_with(['.', '_']) && !name.contains('=') || name.ends_with(".tmp")
}

/// Opens `paths`; the names of their directories after the first `above` may be columns. Files without a byte have no rows
/// and are left out, unless there are no others.
fn open_all(access: &FileAccess, paths: Vec<PathBuf>, above: usize, partitioning: Partitioning) -> Result<Located> {
    let mut files = Vec::with_capacity(paths.len());
    let mut empty = None;
    for path in paths {
        let pairs = match partitioning {
            Partitioning::Hive => partition_values(&path, above)?,
            Partitioning::None => Vec::new(),
        };
        match LocalFile::open(access, &path.to_string_lossy()) {
            Ok(file) => files.push((file, pairs)),
            Err(error) if error.code() == ErrorCode::EmptyFile => empty = empty.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match (files.is_empty(), empty) {
        (true, Some(error)) => Err(error),
        _ => partitioned(files),
    }
}

type Pairs = Vec<(String, Option<String>)>;

/// The `name=value` directories of `path` after the first `above`.
fn partition_values(path: &Path, above: usize) -> Result<Pairs> {
    let directories = path.parent().into_iter().flat_map(Path::components).skip(above);
    let mut pairs = Pairs::new();
    for directory in directories {
        let name = directory.as_os_str().to_string_lossy();
        let Some((key, value)) = name.split_once('=').filter(|(key, _)| !key.is_empty()) else { continue };
        let value = (value != NO_VALUE).then(|| decoded(value));
        pairs.push((decoded(key), value));
    }
    for (index, (key, _)) in pairs.iter().enumerate() {
        if pairs.iter().take(index).any(|(own, _)| own == key) {
            return Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {key}"))
                .with_hint(format!("two directories of {} are called {key}=", path.display())));
        }
    }
    Ok(pairs)
}

/// `text` with its `%41` written as the characters that they are; anything else stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let hex = bytes.get(index + 1..index + 3).filter(|_| *byte == b'%');
        let coded = hex.and_then(|hex| std::str::from_utf8(hex).ok()).filter(|hex| !hex.starts_with('+'));
        match coded.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                index += 3;
            }
            None => {
                out.push(*byte);
                index += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// The columns of the directories: those that every file has, in the same order.
fn partitioned(files: Vec<(LocalFile, Pairs)>) -> Result<Located> {
    let keys: Vec<String> =
        files.first().map(|(_, pairs)| pairs.iter().map(|(key, _)| key.clone()).collect()).unwrap_or_default();
    for (file, pairs) in &files {
        if !pairs.iter().map(|(key, _)| key).eq(&keys) {
            let found: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
            return Err(Error::new(
                ErrorCode::SchemaMismatch,
                format!("files are not partitioned alike: {}", file.path().display()),
            )
            .with_hint(format!(
                "the directories of the first file name ({}), those of this one ({}); hive_partitioning false takes no columns from directories",
                keys.join(", "),
                found.join(", ")
            )));
        }
    }
    let is_integer = |index: usize| {
        let mut values = files.iter().filter_map(|(_, pairs)| pairs.get(index)?.1.as_deref()).peekable();
        values.peek().is_some() && values.all(|value| !value.starts_with('+') && value.parse::<i64>().is_ok())
    };
    let typed = |(index, key): (usize, &String)| {
        (key.clone(), if is_integer(index) { DataType::Int64 } else { DataType::Utf8 })
    };
    let partitions = keys.iter().enumerate().map(typed).collect();
    let files = files
        .into_iter()
        .map(|(file, pairs)| LocatedFile { file, values: pairs.into_iter().map(|(_, value)| value).collect() })
        .collect();
    Ok(Located { files, partitions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a\n1\n").unwrap();
        }
        dir
    }

    fn names(dir: &Path, pattern: &str) -> Vec<String> {
        let path = dir.join(pattern);
        let located = locate(&FileAccess::default(), path.to_str().unwrap(), Partitioning::Hive).unwrap();
        let shown = |each: &LocatedFile| each.file.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
        located.files.iter().map(shown).collect()
    }

    fn error(dir: &Path, pattern: &str) -> Error {
        locate(&FileAccess::default(), dir.join(pattern).to_str().unwrap(), Partitioning::Hive).unwrap_err()
    }

    #[test]
    fn patterns_are_sorted_and_do_not_cross_directories_unless_told() {
        let dir = tree(&["b.csv", "a.csv", "c.txt", "d/e.csv", "d/f/g.csv", ".hidden.csv"]);
        assert_eq!(names(dir.path(), "*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names(dir.path(), "**/*.csv"), ["a.csv", "b.csv", "d/e.csv", "d/f/g.csv"]);
        assert_eq!(names(dir.path(), "?.[a-z]sv"), ["a.csv", "b.csv"]);
        assert_eq!(names(dir.path(), "d/*/g.csv"), ["d/f/g.csv"]);
        assert_eq!(error(dir.path(), "*.parquet").code(), ErrorCode::FileNotFound);
        assert!(error(dir.path(), "*.parquet").message().ends_with("*.parquet"));
        assert_eq!(error(dir.path(), "[").code(), ErrorCode::InvalidArgument);
        assert_eq!(error(dir.path(), "none.csv").code(), ErrorCode::FileNotFound);
    }

    #[test]
    fn hidden_names_are_matched_where_the_pattern_has_their_dot() {
        let dir = tree(&["a.csv", ".b.csv", ".d/c.csv", ".d/.e.csv"]);
        assert_eq!(names(dir.path(), ".*.csv"), [".b.csv"]);
        assert_eq!(names(dir.path(), ".d/*.csv"), [".d/c.csv"]);
        assert_eq!(error(dir.path(), "*/c.csv").code(), ErrorCode::FileNotFound);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf_8_is_no_match_and_no_end() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tree(&["a.csv"]);
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff.csv")), "a\n2\n").unwrap();
        assert_eq!(names(dir.path(), "a*.csv"), ["a.csv"]);
        assert_eq!(error(dir.path(), "*.parquet").code(), ErrorCode::FileNotFound);
    }

    #[test]
    fn a_file_that_is_called_like_a_pattern_wins() {
        let dir = tree(&["a[1].csv", "a1.csv", "b*.csv", "bb.csv"]);
        assert_eq!(names(dir.path(), "a[1].csv"), ["a[1].csv"]);
        assert_eq!(names(dir.path(), "b*.csv"), ["b*.csv"]);
        assert_eq!(names(dir.path(), "a*.csv"), ["a1.csv", "a[1].csv"]);
    }

    #[test]
    fn a_directory_is_everything_in_it_that_is_finished() {
        let dir = tree(&["d/b.csv", "d/a.csv", "d/_SUCCESS", "d/.crc", "d/x.tmp", "d/_tmp/c.csv", "d/e/f.csv"]);
        fs::write(dir.path().join("d/empty.csv"), "").unwrap();
        assert_eq!(names(dir.path(), "d"), ["d/a.csv", "d/b.csv", "d/e/f.csv"]);
        fs::create_dir(dir.path().join("none")).unwrap();
        assert_eq!(error(dir.path(), "none").code(), ErrorCode::FileNotFound);
    }

    #[test]
    fn directories_are_columns_when_every_file_has_them() {
        let dir = tree(&[
            "t/year=2024/city=S%C3%A3o%20Paulo/a.csv",
            "t/year=2023/city=__HIVE_DEFAULT_PARTITION__/a.csv",
            "u/x=1/a.csv",
            "u/b.csv",
        ]);
        let path = dir.path().join("t");
        let located = locate(&FileAccess::default(), path.to_str().unwrap(), Partitioning::Hive).unwrap();
        assert_eq!(located.partitions, [("year".to_owned(), DataType::Int64), ("city".to_owned(), DataType::Utf8)]);
        let values: Vec<_> = located.files.iter().map(|each| each.values.clone()).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(values, [vec![text("2023"), None], vec![text("2024"), text("São Paulo")]]);
        assert_eq!(error(dir.path(), "u").code(), ErrorCode::SchemaMismatch);
        let plain = locate(&FileAccess::default(), dir.path().join("u").to_str().unwrap(), Partitioning::None).unwrap();
        assert_eq!((plain.files.len(), plain.partitions.len()), (2, 0));
    }

    #[test]
    fn names_are_decoded_once_and_never_wrongly() {
        for (text, expected) in [("a%20b", "a b"), ("100%", "100%"), ("%zz", "%zz"), ("%+1", "%+1"), ("%ff", "%ff")] {
            assert_eq!(decoded(text), expected);
        }
    }

    #[test]
    #[cfg(unix)]
    fn patterns_keep_to_the_rules_of_the_session() {
        let dir = tree(&["in/a.csv", "out/b.csv"]);
        std::os::unix::fs::symlink(dir.path().join("out/b.csv"), dir.path().join("in/link.csv")).unwrap();
        let allowed = dir.path().join("in");
        let access = FileAccess::new(false, Some(std::slice::from_ref(&allowed))).unwrap();
        let code = |path: &str| {
            locate(&access, dir.path().join(path).to_str().unwrap(), Partitioning::Hive).map_err(|error| error.code())
        };
        assert_eq!(code("in/a*.csv").unwrap().files.len(), 1);
        assert_eq!(code("out/*.csv").unwrap_err(), ErrorCode::AccessDenied);
        assert_eq!(code("*/*.csv").unwrap_err(), ErrorCode::AccessDenied);
        assert_eq!(code("in/*.csv").unwrap_err(), ErrorCode::AccessDenied);
        assert_eq!(code("out").unwrap_err(), ErrorCode::AccessDenied);
        assert_eq!(code("in/*/../../out/*.csv").unwrap_err(), ErrorCode::InvalidArgument);
    }
}
