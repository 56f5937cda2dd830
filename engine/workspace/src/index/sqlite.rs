//! The index in SQLite, in the tables of the contract.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior, named_params};
use serde_json::{Value, json};
use velaria_contract::{Error, ErrorCode, Result};

use super::event::Event;
use super::row::{decoded, tagged};
use super::{Selection, Store, Visit};
use crate::failure::{damaged, refused};
use crate::{Object, file};

/// The tables and indexes.
pub const SQLITE_SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    finished_at TEXT,
    status TEXT NOT NULL,
    action TEXT NOT NULL,
    args_json TEXT NOT NULL,
    velaria_version TEXT,
    run_dir TEXT NOT NULL,
    run_name TEXT,
    description TEXT,
    tags_json TEXT,
    error TEXT,
    details_json TEXT
);

CREATE TABLE IF NOT EXISTS artifacts (
    artifact_id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    type TEXT NOT NULL,
    uri TEXT NOT NULL,
    format TEXT NOT NULL,
    row_count INTEGER,
    schema_json TEXT,
    preview_json TEXT,
    tags_json TEXT,
    FOREIGN KEY(run_id) REFERENCES runs(run_id)
);

CREATE INDEX IF NOT EXISTS idx_artifacts_run_id ON artifacts(run_id);
CREATE INDEX IF NOT EXISTS idx_runs_created_at ON runs(created_at);
";

/// The columns that the first version of the index did not have.
const LATER_COLUMNS: [&str; 5] = ["run_name", "description", "tags_json", "error", "details_json"];

/// What `PRAGMA user_version` says of an index with all columns.
const VERSION: i64 = 1;

/// How long a call waits for other processes.
const BUSY_TIMEOUT: Duration = Duration::from_millis(10_000);

const UPSERT_RUN: &str = "\
INSERT INTO runs (run_id, created_at, finished_at, status, action, args_json, velaria_version, run_dir, run_name,
    description, tags_json, error, details_json)
VALUES (:run_id, coalesce(:created_at, :at), :finished_at, coalesce(:status, 'running'), coalesce(:action, ''),
    coalesce(:args, '{}'), :velaria_version, coalesce(:run_dir, ''), :run_name, :description, :tags, :error, :details)
ON CONFLICT (run_id) DO UPDATE SET created_at = coalesce(:created_at, created_at), finished_at = :finished_at,
    status = coalesce(:status, status), action = coalesce(:action, action), args_json = coalesce(:args, args_json),
    velaria_version = :velaria_version, run_dir = coalesce(:run_dir, run_dir), run_name = :run_name,
    description = :description, tags_json = :tags, error = :error, details_json = :details";

const INSERT_ARTIFACT: &str = "\
INSERT OR REPLACE INTO artifacts (artifact_id, run_id, created_at, type, uri, format, row_count, schema_json,
    preview_json, tags_json)
VALUES (:artifact_id, :run_id, :created_at, :type, :uri, :format, :row_count, :schema, :preview, :tags)";

const SELECT_RUNS: &str = "\
SELECT run_id, created_at, finished_at, status, action, args_json, velaria_version, run_dir, run_name, description,
    tags_json, error, details_json, (SELECT count(*) FROM artifacts WHERE artifacts.run_id = runs.run_id)
FROM runs
WHERE (:run_id IS NULL OR run_id = :run_id) AND (:status IS NULL OR status = :status)
    AND (:action IS NULL OR action = :action)
ORDER BY created_at DESC, rowid DESC";

/// Without previews, which are large: the newest come first without being sorted as a whole.
const SELECT_ARTIFACT_PLACES: &str = "\
SELECT rowid, CASE WHEN :tag IS NULL THEN NULL ELSE tags_json END
FROM artifacts
WHERE (:artifact_id IS NULL OR artifact_id = :artifact_id) AND (:run_id IS NULL OR run_id = :run_id)
    AND (:since IS NULL OR created_at >= :since)
ORDER BY created_at DESC, rowid DESC";

const SELECT_ARTIFACT: &str = "\
SELECT artifact_id, run_id, created_at, type, uri, format, row_count, schema_json, preview_json, tags_json
FROM artifacts
WHERE rowid = ?1";

/// An index file. Every call opens it and closes it again.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the tables and columns that are missing.
    pub(super) fn prepare(&self) -> Result<()> {
        self.connect().map(drop)
    }

    /// Reads the whole file.
    pub(super) fn check(&self) -> Result<()> {
        let answer: rusqlite::Result<String> = self.connect()?.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match answer.map_err(|source| self.failed(source))?.as_str() {
            "ok" => Ok(()),
            problem => Err(damaged(&self.path, problem)),
        }
    }

    /// Moves the file, and what stands beside it, out of the way; the result is where it went.
    pub(super) fn set_aside(&self, suffix: &str) -> Result<PathBuf> {
        let target = beside(&self.path, &format!(".damaged-{suffix}"));
        fs::rename(&self.path, &target).map_err(|source| refused("cannot rename", &self.path, source))?;
        for end in ["-wal", "-shm", "-journal"] {
            // They are there after a crash only, and belong to the file that was moved.
            let _ = fs::rename(beside(&self.path, end), beside(&target, end));
        }
        Ok(target)
    }

    /// A connection to an index that is ready.
    fn connect(&self) -> Result<Connection> {
        // Made here for its mode; SQLite gives the same one to the files beside it.
        file::create_unopened(&self.path)?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let opened = Connection::open_with_flags(&self.path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // The directories of runs are the truth: after a power cut the file is whole, and the last rows, if they are
            // missing, are made anew of them.
            connection.pragma_update(None, "synchronous", "normal")?;
            // An artifact may be written before its run.
            connection.pragma_update(None, "foreign_keys", false)?;
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok((connection, version))
        });
        let (mut connection, version) = opened.map_err(|source| self.failed(source))?;
        // What SQLite opens for reading alone takes no row.
        if connection.is_readonly("main").map_err(|source| self.failed(source))? {
            return Err(Error::new(ErrorCode::Io, format!("cannot write the index {}", self.path.display())));
        }
        if version > VERSION {
            let message = format!("the index {} is of a later version of Velaria", self.path.display());
            return Err(Error::new(ErrorCode::Unsupported, message));
        }
        if version < VERSION {
            self.migrate(&mut connection)?;
        }
        Ok(connection)
    }

    /// Makes `connection`'s index one of this version, one process at a time.
    fn migrate(&self, connection: &mut Connection) -> Result<()> {
        let _lock = file::lock_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        let mut migrated = || -> rusqlite::Result<()> {
            // The journal stays as it is where another process reads, or the file system has no shared memory.
            let _ = connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()));
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(SQLITE_SCHEMA)?;
            for column in LATER_COLUMNS {
                if !has_column(&transaction, column)? {
                    transaction.execute_batch(&format!("ALTER TABLE runs ADD COLUMN {column} TEXT"))?;
                }
            }
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()
        };
        migrated().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> Error {
        failed(&self.path, source)
    }
}

impl Store for Sqlite {
    fn write(&self, events: &[Event]) -> Result<()> {
        let mut connection = self.connect()?;
        let mut written = || -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            events.iter().try_for_each(|event| apply(&transaction, event))?;
            transaction.commit()
        };
        written().map_err(|source| self.failed(source))
    }

    fn runs(&self, selection: Selection<'_>, visit: Visit<'_>) -> Result<()> {
        let connection = self.connect()?;
        runs(&connection, selection, visit).map_err(|source| self.failed(source))
    }

    fn artifacts(&self, selection: Selection<'_>, visit: Visit<'_>) -> Result<()> {
        let connection = self.connect()?;
        artifacts(&connection, selection, visit).map_err(|source| self.failed(source))
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn has_column(connection: &Connection, column: &str) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT count(*) > 0 FROM pragma_table_info('runs') WHERE name = ?1", [column], |row| row.get(0))
}

fn apply(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    match event {
        Event::Run(row) => upsert_run(transaction, row),
        Event::Artifact(row) => insert_artifact(transaction, row),
        Event::Preview { artifact_id, preview } => transaction
            .execute(
                "UPDATE artifacts SET preview_json = ?2 WHERE artifact_id = ?1",
                (artifact_id, json!(preview).to_string()),
            )
            .map(drop),
        Event::Delete { run_id } => {
            transaction.execute("DELETE FROM artifacts WHERE run_id = ?1", [run_id])?;
            transaction.execute("DELETE FROM runs WHERE run_id = ?1", [run_id]).map(drop)
        }
    }
}

fn upsert_run(transaction: &Transaction<'_>, row: &Object) -> rusqlite::Result<()> {
    transaction
        .execute(
            UPSERT_RUN,
            named_params! {
                ":run_id": text(row, "run_id"), ":created_at": text(row, "created_at"), ":at": text(row, "at"),
                ":finished_at": text(row, "finished_at"), ":status": text(row, "status"), ":action": text(row, "action"),
                ":args": encoded(row, "cli_args"), ":velaria_version": text(row, "velaria_version"),
                ":run_dir": text(row, "run_dir"), ":run_name": text(row, "run_name"),
                ":description": text(row, "description"), ":tags": encoded(row, "tags"), ":error": text(row, "error"),
                ":details": encoded(row, "details"),
            },
        )
        .map(drop)
}

fn insert_artifact(transaction: &Transaction<'_>, row: &Object) -> rusqlite::Result<()> {
    transaction
        .execute(
            INSERT_ARTIFACT,
            named_params! {
                ":artifact_id": text(row, "artifact_id"), ":run_id": text(row, "run_id"),
                ":created_at": text(row, "created_at"), ":type": text(row, "type"), ":uri": text(row, "uri"),
                ":format": text(row, "format"), ":row_count": row.get("row_count").and_then(Value::as_i64),
                ":schema": encoded(row, "schema_json"), ":preview": encoded(row, "preview_json"),
                ":tags": encoded(row, "tags_json"),
            },
        )
        .map(drop)
}

fn text<'a>(row: &'a Object, key: &str) -> Option<&'a str> {
    row.get(key).and_then(Value::as_str)
}

/// The compact JSON of the value at `key`; null has no text.
fn encoded(row: &Object, key: &str) -> Option<String> {
    row.get(key).filter(|value| !value.is_null()).map(Value::to_string)
}

fn runs(connection: &Connection, selection: Selection<'_>, visit: Visit<'_>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(SELECT_RUNS)?;
    let mut rows = statement.query(named_params! {
        ":run_id": selection.run_id, ":status": selection.status, ":action": selection.action,
    })?;
    while let Some(row) = rows.next()? {
        if visit(run(row)?) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

fn artifacts(connection: &Connection, selection: Selection<'_>, visit: Visit<'_>) -> rusqlite::Result<()> {
    // One state of the file for both statements.
    let state = connection.unchecked_transaction()?;
    let mut statement = state.prepare(SELECT_ARTIFACT)?;
    for place in places(&state, selection)? {
        if visit(statement.query_row([place], artifact)?) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

/// The places of the artifacts that `selection` selects, the newest first.
fn places(connection: &Connection, selection: Selection<'_>) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare(SELECT_ARTIFACT_PLACES)?;
    let mut rows = statement.query(named_params! {
        ":artifact_id": selection.artifact_id, ":run_id": selection.run_id, ":since": selection.since,
        ":tag": selection.tag,
    })?;
    let mut places = Vec::new();
    while let Some(row) = rows.next()? {
        let tags = decoded(row.get(1)?, Value::Null);
        if selection.tag.is_none_or(|tag| tagged(Some(&tags), tag)) {
            places.push(row.get(0)?);
        }
    }
    Ok(places)
}

fn run(row: &Row<'_>) -> rusqlite::Result<Object> {
    let text = |column: usize| row.get::<_, Option<String>>(column).map(|text| json!(text));
    let decode = |column: usize, otherwise: Value| row.get(column).map(|text| decoded(text, otherwise));
    Ok(object([
        ("run_id", text(0)?),
        ("created_at", text(1)?),
        ("finished_at", text(2)?),
        ("status", text(3)?),
        ("action", text(4)?),
        ("cli_args", decode(5, json!({}))?),
        ("velaria_version", text(6)?),
        ("run_dir", text(7)?),
        ("run_name", text(8)?),
        ("description", text(9)?),
        ("tags", decode(10, json!([]))?),
        ("error", text(11)?),
        ("details", decode(12, json!({}))?),
        ("artifact_count", json!(row.get::<_, i64>(13)?)),
    ]))
}

fn artifact(row: &Row<'_>) -> rusqlite::Result<Object> {
    let text = |column: usize| row.get::<_, Option<String>>(column).map(|text| json!(text));
    let decode = |column: usize, otherwise: Value| row.get(column).map(|text| decoded(text, otherwise));
    Ok(object([
        ("artifact_id", text(0)?),
        ("run_id", text(1)?),
        ("created_at", text(2)?),
        ("type", text(3)?),
        ("uri", text(4)?),
        ("format", text(5)?),
        ("row_count", json!(row.get::<_, Option<i64>>(6)?)),
        ("schema_json", decode(7, Value::Null)?),
        ("preview_json", decode(8, Value::Null)?),
        ("tags_json", decode(9, json!([]))?),
    ]))
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Object {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// SQLite's refusal at the index `path` as an error of the contract.
fn failed(path: &Path, source: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as Sqlite;
    let code = match source.sqlite_error_code() {
        Some(Sqlite::DatabaseBusy | Sqlite::DatabaseLocked | Sqlite::FileLockingProtocolFailed) => {
            ErrorCode::IndexLocked
        }
        Some(
            Sqlite::CannotOpen
            | Sqlite::PermissionDenied
            | Sqlite::ReadOnly
            | Sqlite::SystemIoFailure
            | Sqlite::DiskFull,
        ) => ErrorCode::Io,
        Some(_) => ErrorCode::MalformedFile,
        // Values of other types than the columns'.
        None => ErrorCode::MalformedFile,
    };
    let error = Error::new(code, format!("cannot use the index {}: {source}", path.display())).with_source(source);
    match code {
        ErrorCode::IndexLocked => error.with_hint("try again when the other process is done"),
        ErrorCode::MalformedFile => {
            error.with_hint("velaria-cli index rebuild makes it anew from the directories of the runs")
        }
        _ => error,
    }
}
