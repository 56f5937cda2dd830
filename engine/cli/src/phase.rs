//! Where a command was when it failed, in the words of the contract.
//!
//! An error says what went wrong and not when, so the phase follows from the command and from the kind of its error:
//! what is wrong with a file is found where it is read, what is wrong with a statement where it is planned, and everything
//! else while its rows are made.

use serde_json::Value;
use velaria::{Error, ErrorCode, ErrorKind};
use velaria_workspace::Object;

use crate::args::{ArtifactsCommand, Command, RunCommand};
use crate::command::vector_search::is_hybrid;

/// A command line that cannot be understood.
pub(crate) const ARGUMENTS: &str = "argument_parse";
/// A run whose time was over.
pub(crate) const RUN_TIMEOUT: &str = "run_timeout";
/// A run whose process ended without a word.
pub(crate) const RUN_PROCESS: &str = "run_subprocess";

/// What an error document says of the command that failed.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) task: Task,
    /// The run that it is about, by the id that was given.
    pub(crate) run_id: Option<String>,
}

impl Place {
    /// That of `command`.
    pub(crate) fn of(command: &Command) -> Self {
        let run_id = match command {
            Command::Run(run) => run.run_id().map(str::to_owned),
            _ => None,
        };
        Self { task: Task::of(command), run_id }
    }
}

/// What a command does, as far as its phases go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// A query over a CSV file.
    CsvSql,
    /// A query over a file of any format.
    FileSql,
    /// A statement.
    Sql,
    /// A search for vectors.
    VectorSearch,
    /// A search that looks at some rows only.
    HybridSearch,
    /// A stream query.
    Stream,
    /// The beginning of a tracked run.
    RunStart,
    /// A look at a run.
    Run,
    /// A look at the result of a run.
    RunResult,
    /// A look at an artifact.
    Artifact,
    /// Everything that has no phases.
    Other,
}

impl Task {
    /// What `command` does.
    pub(crate) fn of(command: &Command) -> Self {
        match command {
            Command::CsvSql(_) => Self::CsvSql,
            Command::FileSql(_) => Self::FileSql,
            Command::Sql(_) => Self::Sql,
            Command::VectorSearch(args) if is_hybrid(&args.input) => Self::HybridSearch,
            Command::VectorSearch(_) => Self::VectorSearch,
            Command::Run(RunCommand::Start(_) | RunCommand::Rerun(_)) => Self::RunStart,
            Command::Run(RunCommand::Result(_) | RunCommand::Diff(_)) => Self::RunResult,
            Command::Run(_) => Self::Run,
            Command::Artifacts(ArtifactsCommand::List(_)) => Self::Other,
            Command::Artifacts(_) => Self::Artifact,
            Command::Sniff(_) | Command::Describe(_) | Command::Functions(_) | Command::Shell(_) => Self::Other,
            Command::Index(_) | Command::Ui(_) | Command::Completions(_) | Command::Man | Command::Worker => {
                Self::Other
            }
        }
    }

    /// What the run `record` does.
    pub(crate) fn of_run(record: &Object) -> Self {
        let given = |name: &str| record.get("cli_args").and_then(|args| args.get(name)).is_some();
        match record.get("action").and_then(Value::as_str).unwrap_or_default() {
            "csv-sql" => Self::CsvSql,
            "file-sql" => Self::FileSql,
            "vector-search" if given("where_column") || given("score_threshold") => Self::HybridSearch,
            "vector-search" => Self::VectorSearch,
            "stream-sql" | "stream-sql-once" => Self::Stream,
            _ => Self::Other,
        }
    }

    /// Where `error` came up, where that is known.
    pub(crate) fn phase(self, error: &Error) -> Option<&'static str> {
        match error.code() {
            ErrorCode::RunNotFound | ErrorCode::RunActive => return Some("run_lookup"),
            ErrorCode::ArtifactNotFound if self == Self::RunResult => return Some("run_result"),
            ErrorCode::ArtifactNotFound => return Some("artifact_lookup"),
            ErrorCode::Internal => return Some("command_dispatch"),
            _ => {}
        }
        match self {
            Self::CsvSql => Some(Stage::of(error).word("csv_read", "sql_execute", "result_materialize")),
            Self::FileSql => Some(Stage::of(error).word("sql_input_register", "sql_execute", "result_materialize")),
            Self::Sql => Some(Stage::of(error).word("sql_execute", "sql_execute", "result_materialize")),
            Self::VectorSearch => Some(Stage::of(error).word("csv_read", "vector_search", "vector_search")),
            Self::HybridSearch => Some(Stage::of(error).word("csv_read", "hybrid_search", "hybrid_search")),
            Self::Stream => Some(Stage::of(error).word("stream_source_read", "stream_setup", "stream_wait")),
            Self::RunStart if error.kind() == ErrorKind::Usage => Some("run_action_parse"),
            Self::Artifact | Self::RunResult => Some("artifact_preview"),
            Self::RunStart | Self::Run | Self::Other => is_of_files(error).then_some("filesystem"),
        }
    }
}

/// How far a query was.
enum Stage {
    /// Its arguments were looked at.
    Arguments,
    /// Its input was read.
    Read,
    /// Its statement was planned.
    Plan,
    /// Its rows were made.
    Rows,
}

impl Stage {
    fn of(error: &Error) -> Self {
        match error.code() {
            // A file can hold them, and so can a result.
            ErrorCode::Cast
            | ErrorCode::Overflow
            | ErrorCode::DivisionByZero
            | ErrorCode::InvalidValue
            | ErrorCode::LossyConversion => return Self::Rows,
            ErrorCode::Ambiguous => return Self::Read,
            _ => {}
        }
        match error.kind() {
            ErrorKind::Usage => Self::Arguments,
            ErrorKind::Data | ErrorKind::FileNotFound | ErrorKind::Io | ErrorKind::AccessDenied => Self::Read,
            ErrorKind::Parse | ErrorKind::Plan | ErrorKind::Unsupported | ErrorKind::Catalog => Self::Plan,
            _ => Self::Rows,
        }
    }

    fn word(self, read: &'static str, plan: &'static str, rows: &'static str) -> &'static str {
        match self {
            Self::Arguments => ARGUMENTS,
            Self::Read => read,
            Self::Plan => plan,
            Self::Rows => rows,
        }
    }
}

fn is_of_files(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::FileNotFound | ErrorKind::Io | ErrorKind::AccessDenied)
        || error.code() == ErrorCode::MalformedFile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_follows_from_the_command_and_the_error() {
        for (task, code, phase) in [
            (Task::CsvSql, ErrorCode::FileNotFound, Some("csv_read")),
            (Task::CsvSql, ErrorCode::RaggedRow, Some("csv_read")),
            (Task::CsvSql, ErrorCode::ColumnNotFound, Some("sql_execute")),
            (Task::CsvSql, ErrorCode::DivisionByZero, Some("result_materialize")),
            (Task::CsvSql, ErrorCode::InvalidArgument, Some("argument_parse")),
            (Task::FileSql, ErrorCode::MalformedFile, Some("sql_input_register")),
            (Task::VectorSearch, ErrorCode::TypeMismatch, Some("vector_search")),
            (Task::HybridSearch, ErrorCode::Timeout, Some("hybrid_search")),
            (Task::Run, ErrorCode::RunNotFound, Some("run_lookup")),
            (Task::RunStart, ErrorCode::InvalidArgument, Some("run_action_parse")),
            (Task::RunResult, ErrorCode::ArtifactNotFound, Some("run_result")),
            (Task::Artifact, ErrorCode::ArtifactNotFound, Some("artifact_lookup")),
            (Task::Artifact, ErrorCode::AccessDenied, Some("artifact_preview")),
            (Task::Other, ErrorCode::Io, Some("filesystem")),
            (Task::Other, ErrorCode::InvalidArgument, None),
        ] {
            assert_eq!(task.phase(&Error::new(code, "")), phase, "{task:?} {code}");
        }
    }
}
