//! The errors of Arrow and DataFusion as those of the contract.
//!
//! A velaria error that travelled inside of one comes out as it was. What is left keeps its cause, so that whoever knows the
//! statement of the query can say it in better words: [`ErrorTranslator`].

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use velaria_contract::{Error, ErrorCode};

/// Says what went wrong in an expression in the words of the statement. By default the words of the kernel stay.
#[derive(Clone, Default)]
pub struct ErrorTranslator(Option<Arc<Translate>>);

type Translate = dyn Fn(&DataFusionError) -> Error + Send + Sync;

impl ErrorTranslator {
    /// A translator that asks `translate`.
    pub fn new(translate: impl Fn(&DataFusionError) -> Error + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(translate)))
    }

    /// The error in the words of the statement; one that is in those of the contract already is left as it is.
    pub(crate) fn translate(&self, error: Error) -> Error {
        let raw = error.source().and_then(|source| source.downcast_ref::<Raw>());
        match (&self.0, raw) {
            (Some(translate), Some(Raw(cause))) => translate(cause).with_source(Raw(Arc::clone(cause))),
            _ => error,
        }
    }
}

impl fmt::Debug for ErrorTranslator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErrorTranslator").finish()
    }
}

/// A cause that nobody has put into words yet. Ends wrap errors of Arrow too, and their words stay.
#[derive(Debug)]
struct Raw(Arc<DataFusionError>);

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Raw {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.0.as_ref())
    }
}

/// What went wrong in an expression or an accumulator.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    if let Some(own) = own_error(&error) {
        return own;
    }
    let plain = match error.find_root() {
        DataFusionError::ArrowError(arrow, _) => by_kind(arrow),
        DataFusionError::Execution(message) => Error::new(ErrorCode::InvalidValue, message.clone()),
        DataFusionError::ResourcesExhausted(message) => Error::new(ErrorCode::OutOfMemory, message.clone()),
        other => Error::new(ErrorCode::Internal, other.strip_backtrace()),
    };
    plain.with_source(Raw(Arc::new(error)))
}

/// What went wrong in a kernel.
pub(crate) fn from_arrow(error: ArrowError) -> Error {
    from_datafusion(error.into())
}

fn by_kind(error: &ArrowError) -> Error {
    let (code, message) = match error {
        ArrowError::CastError(message) | ArrowError::ParseError(message) => (ErrorCode::Cast, message.clone()),
        ArrowError::ArithmeticOverflow(message) => (ErrorCode::Overflow, message.clone()),
        ArrowError::DivideByZero => (ErrorCode::DivisionByZero, "division by zero".to_owned()),
        ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => {
            (ErrorCode::InvalidValue, message.clone())
        }
        ArrowError::SchemaError(message) => (ErrorCode::SchemaMismatch, message.clone()),
        other => (ErrorCode::Internal, other.to_string()),
    };
    Error::new(code, message)
}

fn own_error(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(own) = current.downcast_ref::<Error>() {
            return Some(own.clone());
        }
        next = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_has_put_into_words_is_translated() {
        let translator = ErrorTranslator::new(|error| Error::new(ErrorCode::Cast, format!("said of: {error}")));
        let raw = from_arrow(ArrowError::CastError("x".to_owned()));
        assert_eq!((raw.code(), raw.message()), (ErrorCode::Cast, "x"));
        assert!(translator.translate(raw.clone()).message().starts_with("said of: "));
        assert_eq!(ErrorTranslator::default().translate(raw).message(), "x");

        // An end that wraps an error of Arrow has said what it was about.
        let said = Error::new(ErrorCode::MalformedFile, "a.csv").with_source(ArrowError::CastError("x".to_owned()));
        assert_eq!(translator.translate(said).message(), "a.csv");
        // An error of the contract comes out of the layers around it.
        let own = Error::new(ErrorCode::StateTooLarge, "full");
        let wrapped = DataFusionError::External(Box::new(ArrowError::ExternalError(Box::new(own))));
        assert_eq!(translator.translate(from_datafusion(wrapped)).message(), "full");
    }
}
