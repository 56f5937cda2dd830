//! The errors of Arrow and DataFusion as those of the contract.
//!
//! A velaria error that travelled inside of one comes out as it was.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use velaria_contract::{Error, ErrorCode};

/// What went wrong in an expression or an accumulator.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    if let Some(own) = own_error(&error) {
        return own;
    }
    match error.find_root() {
        DataFusionError::ArrowError(arrow, _) => by_kind(arrow),
        DataFusionError::Execution(message) => Error::new(ErrorCode::InvalidValue, message.clone()),
        DataFusionError::ResourcesExhausted(message) => Error::new(ErrorCode::OutOfMemory, message.clone()),
        other => Error::new(ErrorCode::Internal, other.strip_backtrace()),
    }
}

/// What went wrong in a kernel.
pub(crate) fn from_arrow(error: ArrowError) -> Error {
    own_error(&error).unwrap_or_else(|| by_kind(&error))
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
