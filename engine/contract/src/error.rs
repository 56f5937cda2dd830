//! The one public error.
//!
//! [`ErrorKind`] says what the caller does next, [`ErrorCode`] is the stable name of what happened, and the message
//! says it in words. A code belongs to exactly one kind; both are declared in one table below, which the docs and the
//! Python layer read.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The result of every public call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Correct the text of the statement.
    Parse,
    /// Correct the names or types used by the statement.
    Plan,
    /// Say it another way: the engine does not do this.
    Unsupported,
    /// Name another table, or create or drop the one that is named.
    Catalog,
    /// Correct the arguments of the call.
    Usage,
    /// Repair the data, or cast it on purpose.
    Data,
    /// Change the rows so that they keep the rules of the table.
    Constraint,
    /// Name a file that exists.
    FileNotFound,
    /// Make the file readable or writable, then try again.
    Io,
    /// Ask whoever made the session for the access.
    AccessDenied,
    /// Look at the service: its answer, its rights, its reachability.
    Remote,
    /// Give the query more memory, or make it smaller.
    Resource,
    /// Give the query more time, or make it smaller.
    Timeout,
    /// Nothing: the caller asked for it.
    Cancelled,
    /// Report a bug.
    Internal,
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal, $kind:ident;)+) => {
        /// The stable name of what happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text that users see and may match on: `VEL-` and four digits.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// The kind that this code belongs to.
            #[must_use]
            pub fn kind(self) -> ErrorKind {
                match self { $(Self::$variant => ErrorKind::$kind,)+ }
            }

            /// One sentence for the documentation.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

error_codes! {
    /// The statement is not well formed.
    Syntax = "VEL-1001", Parse;
    /// There is no statement in the text.
    EmptyStatement = "VEL-1002", Parse;
    /// The text holds more than one statement.
    MultipleStatements = "VEL-1003", Parse;
    /// A limit on the size of a statement was passed.
    StatementTooLarge = "VEL-1004", Parse;

    /// No column of this name is in scope.
    ColumnNotFound = "VEL-2001", Plan;
    /// More than one relation has a column of this name.
    AmbiguousColumn = "VEL-2002", Plan;
    /// No function of this name exists.
    FunctionNotFound = "VEL-2003", Plan;
    /// The types do not fit the operator, function or column.
    TypeMismatch = "VEL-2004", Plan;
    /// A column is neither grouped nor aggregated.
    NotGrouped = "VEL-2005", Plan;
    /// The same column name is given twice.
    DuplicateColumn = "VEL-2006", Plan;
    /// INSERT gives another number of values than there are columns.
    InsertColumnCount = "VEL-2007", Plan;
    /// LIMIT or OFFSET is not a non-negative integer.
    InvalidLimit = "VEL-2008", Plan;
    /// The statement is well formed but has no meaning here.
    InvalidStatement = "VEL-2009", Plan;

    /// The statement or clause is not supported.
    Unsupported = "VEL-3001", Unsupported;

    /// No table, view or index has this name.
    TableNotFound = "VEL-4001", Catalog;
    /// A table, view or index of this name exists already.
    TableExists = "VEL-4002", Catalog;
    /// The table is of a kind that does not allow this.
    TableKind = "VEL-4003", Catalog;

    /// A record of a file does not have the columns of its header.
    RaggedRow = "VEL-5001", Data;
    /// The bytes of a file are not valid in the encoding of its text.
    InvalidEncoding = "VEL-5002", Data;
    /// A value cannot be read as the wanted type.
    Cast = "VEL-5003", Data;
    /// A number does not fit its type.
    Overflow = "VEL-5004", Data;
    /// Division or modulo by zero.
    DivisionByZero = "VEL-5005", Data;
    /// Batches or files do not share one schema.
    SchemaMismatch = "VEL-5006", Data;
    /// A file has no content to take a schema from.
    EmptyFile = "VEL-5007", Data;
    /// The content of a file is damaged or of another format.
    MalformedFile = "VEL-5008", Data;
    /// An Arrow producer handed over data that is not valid.
    InvalidArrow = "VEL-5009", Data;
    /// A value cannot be represented on the other side without loss.
    LossyConversion = "VEL-5010", Data;
    /// A value is not in the domain of the function.
    InvalidValue = "VEL-5011", Data;
    /// A row breaks a rule of its table: a key, a check, or NOT NULL.
    ConstraintViolation = "VEL-5012", Constraint;

    /// The file does not exist.
    FileNotFound = "VEL-6001", FileNotFound;
    /// The path is a directory, device or pipe where a regular file is needed.
    NotAFile = "VEL-6002", Io;
    /// The operating system refused to read or write.
    Io = "VEL-6003", Io;
    /// The session may not open this file or make this change.
    AccessDenied = "VEL-6004", AccessDenied;

    /// A second query uses the checkpoint.
    CheckpointLocked = "VEL-6101", Io;
    /// The files of a checkpoint are damaged and nothing whole is left to go on from.
    CheckpointCorrupt = "VEL-6102", Data;
    /// The checkpoint belongs to another query, or to another version of the engine.
    CheckpointMismatch = "VEL-6103", Usage;
    /// A file that a stream has read, or is reading, was changed.
    SourceChanged = "VEL-6104", Data;

    /// No tracked run has this id.
    RunNotFound = "VEL-6201", FileNotFound;
    /// No artifact has this id.
    ArtifactNotFound = "VEL-6202", FileNotFound;
    /// The run has not ended.
    RunActive = "VEL-6203", Usage;
    /// Another process holds the index of runs and artifacts, or the directory of a run.
    IndexLocked = "VEL-6204", Io;

    /// A service refused a request.
    ServiceRefused = "VEL-6301", Remote;
    /// A service could not be reached, or did not answer in time.
    ServiceUnreachable = "VEL-6302", Remote;
    /// The answer of a service is not what it promises to send.
    ServiceAnswer = "VEL-6303", Remote;

    /// An argument of a call is not valid.
    InvalidArgument = "VEL-7001", Usage;
    /// The object was closed.
    Closed = "VEL-7002", Usage;
    /// A file can be read in more than one way: an option has to say which.
    Ambiguous = "VEL-7003", Usage;
    /// A source, a sink or a callback of the program raised an exception.
    CallerFailed = "VEL-7004", Usage;

    /// The memory limit was reached.
    OutOfMemory = "VEL-8001", Resource;
    /// The query was cancelled.
    Cancelled = "VEL-8002", Cancelled;
    /// The time limit was reached.
    Timeout = "VEL-8003", Timeout;
    /// The state of a stream query is larger than its limit.
    StateTooLarge = "VEL-8004", Resource;

    /// The engine is at fault.
    Internal = "VEL-9001", Internal;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in the text of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Line, counted from 1.
    pub line: u64,
    /// Column in characters, counted from 1.
    pub column: u64,
    /// Number of characters that are marked, at least 1.
    pub length: u64,
    /// The whole line, for the caret line below it.
    pub text: String,
}

impl Position {
    /// The position at `line` and `column` of `statement`, marking up to `length` characters of that line.
    ///
    /// Returns `None` when the place lies outside the text.
    #[must_use]
    pub fn in_text(statement: &str, line: u64, column: u64, length: u64) -> Option<Self> {
        let index = usize::try_from(line.checked_sub(1)?).ok()?;
        let text = statement.lines().nth(index)?;
        let width = u64::try_from(text.chars().count()).ok()?;
        if column == 0 || column > width + 1 {
            return None;
        }
        Some(Self { line, column, length: length.clamp(1, (width + 1 - column).max(1)), text: text.to_owned() })
    }
}

/// What went wrong, with everything a person or a program needs to go on.
///
/// `Display` prints the message alone; [`Error::report`] carries the code, the place and the hint as well.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: ErrorCode,
    message: String,
    hint: Option<String>,
    position: Option<Position>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `code` that says `message`: lower case, no full stop, no internal names.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), hint: None, position: None, source: None }))
    }

    /// The same error with a sentence that says how to go on.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with its place in the statement, if there is one.
    #[must_use]
    pub fn with_position(mut self, position: Option<Position>) -> Self {
        if position.is_some() {
            self.0.position = position;
        }
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// The stable name of what happened.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What the caller does next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.code.kind()
    }

    /// What happened, in words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How to go on.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the statement.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.0.position.as_ref()
    }

    /// The same as plain data, for JSON and for other languages.
    #[must_use]
    pub fn report(&self) -> ErrorReport {
        ErrorReport {
            message: self.0.message.clone(),
            code: self.0.code.as_str().to_owned(),
            kind: self.kind(),
            hint: self.0.hint.clone(),
            position: self.0.position.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// An [`Error`] as plain data. `Display` prints it whole: message, code, caret line, hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// What happened, in words.
    pub message: String,
    /// The text of the [`ErrorCode`].
    pub code: String,
    /// What the caller does next.
    pub kind: ErrorKind,
    /// How to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where in the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)?;
        if let Some(position) = &self.position {
            write_caret(f, position)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Longer lines are cut around the marked place, so that a generated statement does not flood a terminal.
const CARET_LINE_MAX: usize = 100;

fn write_caret(f: &mut fmt::Formatter<'_>, position: &Position) -> fmt::Result {
    let column = usize::try_from(position.column).unwrap_or(1).max(1) - 1;
    let start =
        if position.text.chars().count() > CARET_LINE_MAX { column.saturating_sub(CARET_LINE_MAX / 2) } else { 0 };
    let shown: String = position.text.chars().skip(start).take(CARET_LINE_MAX).collect();
    let label = format!("line {}: ", position.line);
    let indent = label.len() + column - start;
    let room = (CARET_LINE_MAX + label.len()).saturating_sub(indent).max(1);
    let carets = usize::try_from(position.length).unwrap_or(1).clamp(1, room);
    write!(f, "\n{label}{shown}\n{:indent$}{}", "", "^".repeat(carets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_prints_message_code_caret_and_hint() {
        let sql = "SELECT 1,\n  nope FROM t";
        let error = Error::new(ErrorCode::ColumnNotFound, "column not found: nope")
            .with_position(Position::in_text(sql, 2, 3, 4))
            .with_hint("did you mean \"note\"?");
        assert_eq!(
            error.report().to_string(),
            "column not found: nope [VEL-2001]\nline 2:   nope FROM t\n          ^^^^\nhint: did you mean \"note\"?"
        );
        assert_eq!(error.to_string(), "column not found: nope");
    }

    #[test]
    fn report_survives_json() {
        let report = Error::new(ErrorCode::Syntax, "unexpected token: \"x\u{2028}")
            .with_position(Position::in_text("é x", 1, 3, 9))
            .report();
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ErrorReport>(&json).unwrap(), report);
    }

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} is declared twice");
            assert!(code.as_str().len() == 8 && code.as_str().starts_with("VEL-"));
            assert!(!code.summary().is_empty());
        }
    }

    #[test]
    fn a_place_outside_the_text_has_no_position() {
        assert_eq!(Position::in_text("SELECT", 2, 1, 1), None);
        assert_eq!(Position::in_text("SELECT", 1, 0, 1), None);
        assert_eq!(Position::in_text("SELECT", 1, 8, 1), None);
        assert_eq!(Position::in_text("SELECT", 0, 1, 1), None);
    }

    #[test]
    fn a_long_line_is_cut_around_its_place() {
        let sql = format!("SELECT {} FROM t", "a, ".repeat(1000));
        let report = Error::new(ErrorCode::ColumnNotFound, "column not found: a")
            .with_position(Position::in_text(&sql, 1, 2000, 1))
            .report()
            .to_string();
        assert!(report.lines().all(|line| line.len() < 120), "{report}");
    }
}
