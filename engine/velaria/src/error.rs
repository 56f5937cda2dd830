//! DataFusion's errors in the words of the contract.
//!
//! Where DataFusion hands out structure it is used; where it hands out text, the patterns stand in `error/text.rs` and
//! nowhere else, so that an upgrade breaks the corpus in one place.

mod memory;
mod text;

use std::collections::BTreeSet;
use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use datafusion::object_store;
use velaria_connector::LateType;
use velaria_contract::{Error, ErrorCode, Position};
use velaria_sql::{closest, lower_first};

pub(crate) use self::text::TYPE_HINT;
use self::text::clean;

const DIVISION_HINT: &str = "NULLIF(divisor, 0) gives NULL instead";

/// `error` on its way through DataFusion, which [`Translator`] finds again.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

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
            DataFusionError::Plan(message) => text::from_plan(message),
            DataFusionError::NotImplemented(message) => text::from_not_implemented(message),
            DataFusionError::Execution(message) => text::from_execution(message),
            DataFusionError::ArrowError(error, _) => self.arrow_error(error),
            DataFusionError::ResourcesExhausted(message) => memory::from_exhausted(message),
            DataFusionError::SQL(error, _) => Error::new(ErrorCode::Syntax, clean(&error.to_string())),
            DataFusionError::IoError(error) => Error::new(ErrorCode::Io, clean(&error.to_string())),
            DataFusionError::ObjectStore(error) => from_object_store(error),
            DataFusionError::ParquetError(error) => Error::new(ErrorCode::MalformedFile, clean(&error.to_string())),
            DataFusionError::External(error) => self.external(error.as_ref()),
            // The planner takes the wrong types in BETWEEN and CASE for a fault of its own.
            DataFusionError::Internal(message) if message.starts_with("Failed to coerce types") => {
                text::from_plan(message)
            }
            DataFusionError::Internal(message) => text::from_internal(message).unwrap_or_else(|| internal(message)),
            DataFusionError::Configuration(message)
            | DataFusionError::Substrait(message)
            | DataFusionError::Ffi(message) => internal(message),
            DataFusionError::ExecutionJoin(error) => internal(&error.to_string()),
        }
    }

    fn position(&self, span: Span) -> Option<Position> {
        let length =
            if span.end.line == span.start.line { span.end.column.saturating_sub(span.start.column) } else { 1 };
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
            SchemaError::DuplicateQualifiedField { qualifier, .. } => {
                Error::new(ErrorCode::InvalidStatement, format!("two tables are called {}", qualifier.table()))
                    .with_hint("give one of them an alias")
            }
            SchemaError::DuplicateUnqualifiedField { name } => duplicate_column(name),
        }
    }

    fn column_not_found(&self, field: &Column, valid: &[Column]) -> Error {
        let valid: Vec<&Column> = valid.iter().filter(|column| !column.name.starts_with('\0')).collect();
        let in_relation = |column: &&Column| match (&field.relation, &column.relation) {
            (Some(wanted), Some(known)) => wanted.table() == known.table(),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let candidates: Vec<&Column> = valid.iter().copied().filter(in_relation).collect();
        let message = match &field.relation {
            Some(relation) if candidates.is_empty() => format!("unknown table or alias: {}", relation.table()),
            Some(relation) => format!("column not found in {}: {}", relation.table(), field.name),
            None => format!("column not found: {}", field.name),
        };
        let error = Error::new(ErrorCode::ColumnNotFound, message).with_position(self.column_position(field));
        let names: BTreeSet<&str> = if candidates.is_empty() {
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
            None => error.with_hint(format!("there are: {}", listed(names))),
        }
    }

    fn column_position(&self, column: &Column) -> Option<Position> {
        column.spans().first().and_then(|span| self.position(span))
    }

    fn arrow_error(&self, error: &ArrowError) -> Error {
        match error {
            ArrowError::DivideByZero => {
                Error::new(ErrorCode::DivisionByZero, "division by zero").with_hint(DIVISION_HINT)
            }
            ArrowError::ArithmeticOverflow(message) => Error::new(ErrorCode::Overflow, lower_first(&clean(message))),
            ArrowError::CsvError(message) => Error::new(ErrorCode::MalformedFile, clean(message)),
            ArrowError::ParseError(message) if message.starts_with("Error while parsing value") => {
                Error::new(ErrorCode::MalformedFile, clean(message))
            }
            ArrowError::CastError(message) | ArrowError::ParseError(message) => text::from_cast(message),
            ArrowError::JsonError(message) | ArrowError::ParquetError(message) | ArrowError::AvroError(message) => {
                Error::new(ErrorCode::MalformedFile, clean(message))
            }
            ArrowError::IoError(message, _) => Error::new(ErrorCode::Io, clean(message)),
            ArrowError::SchemaError(message) => Error::new(ErrorCode::SchemaMismatch, clean(message)),
            ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => {
                text::from_execution(message)
            }
            ArrowError::NotYetImplemented(message) => text::from_not_implemented(message),
            ArrowError::ExternalError(error) => self.external(error.as_ref()),
            ArrowError::MemoryError(message) => Error::new(ErrorCode::OutOfMemory, lower_first(&clean(message))),
            other => Error::new(ErrorCode::InvalidValue, clean(&other.to_string())),
        }
    }

    fn external(&self, error: &(dyn StdError + Send + Sync + 'static)) -> Error {
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.clone();
        }
        if let Some(late) = error.downcast_ref::<LateType>() {
            return late.error().clone();
        }
        if let Some(error) = error.downcast_ref::<DataFusionError>() {
            return self.translate(error);
        }
        if let Some(error) = error.downcast_ref::<ArrowError>() {
            return self.arrow_error(error);
        }
        let message = clean(&error.to_string());
        // Functions wrap the errors of the regex crate without a type that could be asked for.
        if message.contains("regex") { text::from_execution(&message) } else { internal(&message) }
    }
}

/// The error for a column that a list names twice.
pub(crate) fn duplicate_column(name: &str) -> Error {
    Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}"))
        .with_hint("give one of them another name")
}

fn internal(message: &str) -> Error {
    Error::new(ErrorCode::Internal, clean(message))
        .with_hint("this is a bug in the engine; please report the statement")
}

fn from_object_store(error: &object_store::Error) -> Error {
    match error {
        object_store::Error::Generic { source, .. } if source.is::<Error>() => {
            source.downcast_ref::<Error>().cloned().unwrap_or_else(|| internal("an error without a cause"))
        }
        object_store::Error::NotFound { path, .. } => {
            Error::new(ErrorCode::FileNotFound, format!("cannot stat source file: /{}", path.trim_start_matches('/')))
                .with_hint("the file was there when it was opened and is gone now")
        }
        other => Error::new(ErrorCode::Io, clean(&other.to_string())),
    }
}

fn listed(names: BTreeSet<&str>) -> String {
    const SHOWN: usize = 12;
    let total = names.len();
    let mut text = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if total > SHOWN {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_memory_pool_is_a_resource_error() {
        let exhausted = DataFusionError::ResourcesExhausted("Failed to allocate 10 bytes".to_owned());
        let wrapped = DataFusionError::External(Box::new(DataFusionError::Shared(std::sync::Arc::new(exhausted))));
        let error = Translator::new("").translate(&wrapped);
        // VEL-8001
        assert_eq!(error.code(), ErrorCode::OutOfMemory);
        assert_eq!(error.message(), "failed to allocate 10 bytes");
    }

    #[test]
    fn messages_lose_the_prefixes_of_every_layer() {
        let error = DataFusionError::Execution(
            "Arrow error: Cast error: Cannot cast string 'x' to value of Int64 type".to_owned(),
        );
        let error = Translator::new("").translate(&error);
        assert_eq!((error.code(), error.message()), (ErrorCode::Cast, "cannot read 'x' as INT"));
    }
}
