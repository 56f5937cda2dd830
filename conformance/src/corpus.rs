//! The corpus: finds files and runs their records one by one, so that one failing record does not hide the next.
//!
//! Stricter than sqllogictest itself: rows are compared character by character, column types are checked, and an
//! error record holds the whole text of the report.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqllogictest::{
    DBOutput, ExpectedError, MakeConnection, Normalizer, QueryExpect, Record, RecordOutput, Runner, StatementExpect,
    TestError, TestErrorKind, strict_column_validator,
};

use crate::engine::{Connection, Surface, SurfaceError, Table, split};
use crate::render::Letter;
use crate::report::{FileReport, SkippedRecords};
use crate::{Error, Result};

/// A `.slt` file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorpusFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name below `sqllogic`, with `/` between the parts.
    pub name: String,
}

/// A file whose rows every record can read, under a view named by its stem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// The name of the view.
    pub view: String,
    /// How it is read.
    pub format: Format,
}

/// How a data file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `read_csv`
    Csv,
    /// `read_json`
    Ndjson,
    /// `read_parquet`
    Parquet,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "ndjson" => Some(Self::Ndjson),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// The `.slt` files in the given folders of `root/sqllogic`, sorted by name.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read.
pub fn slt_files(root: &Path, folders: &[String]) -> Result<Vec<CorpusFile>> {
    let corpus = root.join("sqllogic");
    let mut files = Vec::new();
    for folder in folders {
        collect_slt(&corpus, &corpus.join(folder), &mut files)?;
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn collect_slt(corpus: &Path, folder: &Path, files: &mut Vec<CorpusFile>) -> Result<()> {
    for path in entries(folder)? {
        if path.is_dir() {
            collect_slt(corpus, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            let name = path.strip_prefix(corpus).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(CorpusFile { path, name });
        }
    }
    Ok(())
}

/// The files of `root/sqllogic/data` that become views, sorted by name.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read, [`Error::File`] when two files would become the same view.
pub fn data_files(root: &Path) -> Result<Vec<DataFile>> {
    let mut files: Vec<DataFile> = Vec::new();
    for path in entries(&root.join("sqllogic/data"))? {
        let (Some(format), Some(stem)) = (Format::of(&path), path.file_stem()) else { continue };
        let view = stem.to_string_lossy().into_owned();
        if files.iter().any(|file| file.view == view) {
            return Err(Error::file(&path, format!("another data file is named {view}")));
        }
        files.push(DataFile { path, view, format });
    }
    files.sort();
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut paths: Vec<PathBuf> =
        read.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(Error::io(folder))?;
    paths.sort();
    Ok(paths)
}

/// The records of a file, in their order.
pub(crate) type Records = Vec<Record<Letter>>;

/// Reads a file.
///
/// # Errors
/// [`Error::File`] with the line when it is not a sqllogictest script.
pub(crate) fn parse(file: &CorpusFile) -> Result<Records> {
    let text = std::fs::read_to_string(&file.path).map_err(Error::io(&file.path))?;
    sqllogictest::parse_with_name(&text, file.name.as_str())
        .map_err(|error| Error::file(&file.path, format!("line {}: {}", error.location().line(), error.kind())))
}

/// The number of records of a file that ask the engine something.
pub(crate) fn count_records(records: &Records) -> u64 {
    records.iter().map(|record| u64::from(line_of(record).is_some())).sum()
}

fn line_of(record: &Record<Letter>) -> Option<u32> {
    match record {
        Record::Statement { loc, .. } | Record::Query { loc, .. } | Record::Let { loc, .. } => Some(loc.line()),
        _ => None,
    }
}

/// Runs every record of `file` in a new session of `surface` that knows the data files.
pub(crate) fn run_file(surface: &dyn Surface, data: &[DataFile], file: &CorpusFile) -> FileReport {
    let mut report = FileReport::new(&file.name);
    let records = match parse(file) {
        Ok(records) => records,
        Err(error) => {
            report.fail(format!("{}: {error}", file.name));
            return report;
        }
    };
    let mode = Arc::new(AtomicBool::new(false));
    let mut runner = new_runner(surface, data, &mode);
    let mut comment = String::new();
    for record in records {
        match &record {
            Record::Halt { .. } => break,
            Record::Comment(lines) => comment = lines.join(" ").trim().to_owned(),
            Record::Newline => comment.clear(),
            record => {
                if let Some(line) = line_of(record) {
                    mode.store(matches!(record, Record::Statement { .. }), Ordering::Relaxed);
                    run_record(&mut runner, record, line, &comment, &mut report);
                    comment.clear();
                } else if let Err(reason) = run_control(&mut runner, record) {
                    report.fail(format!("{}: {reason}", file.name));
                }
            }
        }
    }
    report
}

/// Other records change how the runner works, or reach for the machine, which no surface can do.
fn run_control<M: MakeConnection<Conn = Adapter>>(
    runner: &mut Runner<Adapter, M>,
    record: &Record<Letter>,
) -> Result<(), String> {
    match record {
        Record::System { .. } | Record::Include { .. } | Record::Sleep { .. } | Record::HashThreshold { .. } => {
            Err(format!("a record of this kind is not allowed in the corpus: {record}"))
        }
        record => runner.run(record.clone()).map(|_| ()).map_err(|error| error.to_string()),
    }
}

fn run_record<M: MakeConnection<Conn = Adapter>>(
    runner: &mut Runner<Adapter, M>,
    record: &Record<Letter>,
    line: u32,
    comment: &str,
    report: &mut FileReport,
) {
    let outcome = match runner.run(record.clone()) {
        Ok(RecordOutput::Nothing) => {
            report.skip(SkippedRecords { line, records: 1, reason: comment.to_owned() });
            return;
        }
        Ok(output) => whole_error(record, &output),
        Err(error) => Err(failure_text(&error)),
    };
    match outcome {
        Ok(()) => report.pass(),
        Err(text) => report.fail(format!("{}:{line}\n{}\n{text}", report.file, indent(&question(record)))),
    }
}

/// The record without what it expects, which the failure shows beside what came instead.
fn question(record: &Record<Letter>) -> String {
    record.to_string().lines().take_while(|line| *line != "----").collect::<Vec<_>>().join("\n")
}

/// A runner whose sessions know the data files. `statements` tells the connection that the next record is a
/// statement, so that its count is the number of affected rows.
pub(crate) fn new_runner<'a>(
    surface: &'a dyn Surface,
    data: &'a [DataFile],
    statements: &Arc<AtomicBool>,
) -> Runner<Adapter, impl MakeConnection<Conn = Adapter> + use<'a>> {
    let statements = Arc::clone(statements);
    let mut runner = Runner::new(move || std::future::ready(Adapter::connect(surface, data, &statements)));
    runner.with_validator(exact_rows);
    runner.with_column_validator(strict_column_validator);
    runner.add_label(surface.name());
    if surface.name().starts_with("engine-") {
        runner.add_label("engine");
    }
    runner
}

/// Rows are the same when their lines are.
pub(crate) fn exact_rows(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    actual.len() == expected.len() && actual.iter().zip(expected).all(|(row, line)| row.join(" ") == *line)
}

/// sqllogictest accepts a pattern, or anything, as an error; here only the whole text will do.
fn whole_error(record: &Record<Letter>, output: &RecordOutput<Letter>) -> Result<(), String> {
    let expected = match record {
        Record::Statement { expected: StatementExpect::Error(expected), .. }
        | Record::Query { expected: QueryExpect::Error(expected), .. } => expected,
        _ => return Ok(()),
    };
    let got = match output {
        RecordOutput::Statement { error: Some(error), .. } | RecordOutput::Query { error: Some(error), .. } => {
            error.to_string()
        }
        _ => String::new(),
    };
    let whole = match expected {
        ExpectedError::Multiline(_) => true,
        ExpectedError::Inline(pattern) => pattern.find(&got).is_some_and(|found| found.as_str() == got),
        ExpectedError::Empty | ExpectedError::SqlState(_) => false,
    };
    if whole { Ok(()) } else { Err(format!("expected: the whole text of the error\ngot:\n{}", indent(&got))) }
}

fn failure_text(error: &TestError) -> String {
    match error.kind() {
        TestErrorKind::QueryResultMismatch { expected, actual, .. } => difference(&expected, &actual),
        TestErrorKind::ErrorMismatch { expected_err, err, .. } => {
            difference(expected_err.trim_start_matches("(multiline) "), &err.to_string())
        }
        TestErrorKind::Fail { err, .. } => difference("success", &err.to_string()),
        TestErrorKind::Ok { .. } => difference("an error", "success"),
        TestErrorKind::QueryResultColumnsMismatch { expected, actual, .. } => {
            difference(&format!("columns {expected}"), &format!("columns {actual}"))
        }
        TestErrorKind::StatementResultMismatch { expected, actual, .. } => {
            difference(&format!("affected {expected} rows"), &actual)
        }
        other => other.to_string(),
    }
}

fn difference(expected: &str, got: &str) -> String {
    format!("expected:\n{}\ngot:\n{}", indent(expected), indent(got))
}

fn indent(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// A connection of a surface as the database of sqllogictest.
pub(crate) struct Adapter {
    connection: Box<dyn Connection>,
    statements: Arc<AtomicBool>,
    /// Where the records of this session may write.
    folder: tempfile::TempDir,
}

/// What a record writes for the folder that is its own.
const FOLDER: &str = "{tmp}";

impl Adapter {
    fn connect(surface: &dyn Surface, data: &[DataFile], statements: &Arc<AtomicBool>) -> Result<Self, SurfaceError> {
        let mut connection = surface.connect()?;
        for file in data {
            connection
                .register(file)
                .map_err(|error| SurfaceError::Broken(format!("cannot register {}: {error}", file.view)))?;
        }
        let folder =
            tempfile::tempdir().map_err(|error| SurfaceError::Broken(format!("no temporary folder: {error}")))?;
        Ok(Self { connection, statements: Arc::clone(statements), folder })
    }

    fn ask(&mut self, sql: &str) -> Result<Table, SurfaceError> {
        match split(sql)? {
            Some((directive, statement)) => self.connection.stream(&directive, statement),
            None => self.connection.execute(sql),
        }
    }

    /// An error without the folders of this machine: paths are those that the record names.
    fn as_written(&self, error: SurfaceError) -> SurfaceError {
        let SurfaceError::Report(text) = error else { return error };
        let text = text.replace(&self.folder.path().display().to_string(), FOLDER);
        let Ok(root) = std::env::current_dir() else { return SurfaceError::Report(text) };
        SurfaceError::Report(text.replace(&format!("{}/", root.display()), ""))
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

impl sqllogictest::DB for Adapter {
    type Error = SurfaceError;
    type ColumnType = Letter;

    fn run(&mut self, sql: &str) -> Result<DBOutput<Letter>, SurfaceError> {
        let sql = sql.replace(FOLDER, &self.folder.path().display().to_string());
        let table = self.ask(&sql).map_err(|error| self.as_written(error))?;
        match table.affected_rows() {
            Some(count) if self.statements.load(Ordering::Relaxed) => Ok(DBOutput::StatementComplete(count)),
            _ => Ok(DBOutput::Rows { types: table.letters, rows: table.rows }),
        }
    }
}
