//! DataFusion's errors in the words of the contract.
//!
//! Where DataFusion hands out structure it is used; where it hands out text, the patterns are listed here and nowhere
//! else, so that an upgrade breaks the corpus in one place.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use datafusion::object_store;
use velaria_contract::{Error, ErrorCode, Position};
use velaria_sql::closest;

/// Translates the errors of one statement.
pub(crate) struct Translator<'a> {
    text: &'a str,
}

impl<'a> Translator<'a> {
    /// A translator for a statement that was read from `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The error in the words of the contract.
    pub(crate) fn translate(&self, error: &DataFusionError) -> Error {
        match error {
            DataFusionError::Diagnostic(diagnostic, inner) => {
                let position = diagnostic.span.and_then(|span| self.position(span));
                let error = self.translate(inner);
                if error.position().is_some() { error } else { error.with_position(position) }
            }
            DataFusionError::Context(_, inner) => self.translate(inner),
            DataFusionError::Shared(inner) => self.translate(inner),
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => self.translate(first),
                None => internal("an empty collection of errors"),
            },
            DataFusionError::SchemaError(error, _) => self.schema_error(error),
            DataFusionError::Plan(message) => from_plan(message),
            DataFusionError::NotImplemented(message) => Error::new(ErrorCode::Unsupported, clean(message)),
            DataFusionError::Execution(message) => from_execution(message),
            DataFusionError::ArrowError(error, _) => self.arrow_error(error),
            DataFusionError::ResourcesExhausted(message) => {
                Error::new(ErrorCode::OutOfMemory, clean(message)).with_hint("give the query more memory, or make it smaller")
            }
            DataFusionError::SQL(error, _) => Error::new(ErrorCode::Syntax, clean(&error.to_string())),
            DataFusionError::IoError(error) => Error::new(ErrorCode::Io, clean(&error.to_string())),
            DataFusionError::ObjectStore(error) => from_object_store(error),
            DataFusionError::ParquetError(error) => Error::new(ErrorCode::MalformedFile, clean(&error.to_string())),
            DataFusionError::External(error) => self.external(error.as_ref()),
            DataFusionError::Configuration(message)
            | DataFusionError::Internal(message)
            | DataFusionError::Substrait(message)
            | DataFusionError::Ffi(message) => internal(message),
            DataFusionError::ExecutionJoin(error) => internal(&error.to_string()),
        }
    }

    fn position(&self, span: Span) -> Option<Position> {
        let length = if span.end.line == span.start.line { span.end.column.saturating_sub(span.start.column) } else { 1 };
        Position::in_text(self.text, span.start.line, span.start.column, length)
    }

    fn schema_error(&self, error: &SchemaError) -> Error {
        match error {
            SchemaError::FieldNotFound { field, valid_fields } => self.column_not_found(field, valid_fields),
            SchemaError::AmbiguousReference { field } => {
                Error::new(ErrorCode::AmbiguousColumn, format!("ambiguous column: {}", field.name))
                    .with_hint("qualify it with the name or alias of its table")
                    .with_position(self.column_position(field))
            }
            SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
                duplicate_column(name)
            }
        }
    }

    fn column_not_found(&self, field: &Column, valid: &[Column]) -> Error {
        let in_relation = |column: &&Column| match (&field.relation, &column.relation) {
            (Some(wanted), Some(known)) => wanted.table() == known.table(),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let candidates: Vec<&Column> = valid.iter().filter(in_relation).collect();
        let message = match &field.relation {
            Some(relation) if candidates.is_empty() => format!("unknown table or alias: {}", relation.table()),
            Some(relation) => format!("column not found in {}: {}", relation.table(), field.name),
            None => format!("column not found: {}", field.name),
        };
        let error = Error::new(ErrorCode::ColumnNotFound, message).with_position(self.column_position(field));
        let names: Vec<&str> = if candidates.is_empty() {
            valid.iter().filter_map(|column| column.relation.as_ref().map(|relation| relation.table())).collect()
        } else {
            candidates.iter().map(|column| column.name.as_str()).collect()
        };
        let wanted = match &field.relation {
            Some(relation) if candidates.is_empty() => relation.table(),
            _ => &field.name,
        };
        match closest(wanted, names.iter().copied()) {
            Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
            None if names.is_empty() => error.with_hint("no column is in scope here; text is written in single quotes"),
            None => error.with_hint(format!("there are: {}", listed(&names))),
        }
    }

    fn column_position(&self, column: &Column) -> Option<Position> {
        column.spans().first().and_then(|span| self.position(span))
    }

    fn arrow_error(&self, error: &ArrowError) -> Error {
        match error {
            ArrowError::DivideByZero => Error::new(ErrorCode::DivisionByZero, "division by zero")
                .with_hint("NULLIF(divisor, 0) gives NULL instead"),
            ArrowError::ArithmeticOverflow(message) => Error::new(ErrorCode::Overflow, clean(message)),
            ArrowError::CsvError(message) => Error::new(ErrorCode::MalformedFile, clean(message)),
            ArrowError::ParseError(message) if message.starts_with("Error while parsing value") => {
                Error::new(ErrorCode::MalformedFile, clean(message))
            }
            ArrowError::CastError(message) | ArrowError::ParseError(message) => from_cast(message),
            ArrowError::JsonError(message) | ArrowError::ParquetError(message) | ArrowError::AvroError(message) => {
                Error::new(ErrorCode::MalformedFile, clean(message))
            }
            ArrowError::IoError(message, _) => Error::new(ErrorCode::Io, clean(message)),
            ArrowError::SchemaError(message) => Error::new(ErrorCode::SchemaMismatch, clean(message)),
            ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => {
                Error::new(ErrorCode::InvalidValue, clean(message))
            }
            ArrowError::NotYetImplemented(message) => Error::new(ErrorCode::Unsupported, clean(message)),
            ArrowError::ExternalError(error) => self.external(error.as_ref()),
            ArrowError::MemoryError(message) => Error::new(ErrorCode::OutOfMemory, clean(message)),
            other => Error::new(ErrorCode::InvalidValue, clean(&other.to_string())),
        }
    }

    fn external(&self, error: &(dyn StdError + Send + Sync + 'static)) -> Error {
        if let Some(error) = error.downcast_ref::<DataFusionError>() {
            return self.translate(error);
        }
        if let Some(error) = error.downcast_ref::<ArrowError>() {
            return self.arrow_error(error);
        }
        internal(&error.to_string())
    }
}

/// The error for a column that a list names twice.
pub(crate) fn duplicate_column(name: &str) -> Error {
    Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}")).with_hint("give one of them another name with AS")
}

fn internal(message: &str) -> Error {
    Error::new(ErrorCode::Internal, clean(message)).with_hint("this is a bug in the engine; please report the statement")
}

/// Plan errors come as text only; these are the ones that people meet.
fn from_plan(message: &str) -> Error {
    let message = clean(message);
    if message.contains("must appear in GROUP BY clause") || message.contains("must appear in the GROUP BY clause") {
        let column = quoted(&message).map_or(message.as_str(), |column| column);
        let column = column.rsplit('.').next().unwrap_or(column);
        return Error::new(ErrorCode::NotGrouped, format!("non-aggregate field must appear in GROUP BY: {column}"))
            .with_hint("group by it, or put it into an aggregate such as MIN or FIRST_VALUE");
    }
    if message.starts_with("Projections require unique expression names") {
        let name = quoted(&message).unwrap_or("?");
        return duplicate_column(name.rsplit(" AS ").next().unwrap_or(name).rsplit('.').next().unwrap_or(name));
    }
    let code = if is_type_mismatch(&message) { ErrorCode::TypeMismatch } else { ErrorCode::InvalidStatement };
    Error::new(code, lower_first(&message))
}

fn is_type_mismatch(message: &str) -> bool {
    const MARKS: [&str; 9] = [
        "Cannot coerce",
        "Cannot infer common",
        "cannot be converted to",
        "coerce",
        "coercion",
        "not supported for type",
        "Unsupported CAST",
        "signature",
        "expects",
    ];
    MARKS.iter().any(|mark| message.contains(mark))
}

fn from_execution(message: &str) -> Error {
    let message = clean(message);
    if message.contains("Failed to convert") || message.starts_with("Cannot cast") || message.starts_with("Error parsing") {
        return from_cast(&message);
    }
    if message.contains("overflow") {
        return Error::new(ErrorCode::Overflow, lower_first(&message));
    }
    Error::new(ErrorCode::InvalidValue, lower_first(&message))
}

fn from_cast(message: &str) -> Error {
    let message = clean(message);
    let code = if message.contains("overflow") || message.contains("out of range") { ErrorCode::Overflow } else { ErrorCode::Cast };
    Error::new(code, lower_first(&message)).with_hint("TRY_CAST gives NULL for values that cannot be converted")
}

fn from_object_store(error: &object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { path, .. } => {
            Error::new(ErrorCode::FileNotFound, format!("cannot stat source file: /{}", path.trim_start_matches('/')))
                .with_hint("the file was there when it was opened and is gone now")
        }
        other => Error::new(ErrorCode::Io, clean(&other.to_string())),
    }
}


/// A message without the prefixes that DataFusion and Arrow add, on one line.
fn clean(message: &str) -> String {
    const PREFIXES: [&str; 8] = [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
        "Parser error: ",
        "Invalid argument error: ",
        "Optimizer rule 'simplify_expressions' failed",
        "caused by",
    ];
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let mut text = message.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest.trim_start().to_owned();
    }
    text.trim_end_matches('.').to_owned()
}

fn quoted(message: &str) -> Option<&str> {
    let start = message.find(['"', '\''])?;
    let mark = message.get(start..=start)?;
    let rest = message.get(start + 1..)?;
    rest.find(mark).and_then(|end| rest.get(..end))
}

fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => first.to_lowercase().chain(chars).collect(),
        _ => message.to_owned(),
    }
}
