//! The documented limits on one statement.

use velaria_contract::{Error, ErrorCode, Result};

/// The longest statement, in bytes of its text.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The deepest nesting of expressions and queries that the parser follows.
pub const EXPRESSION_DEPTH_MAX: usize = 300;

/// Refuses text that is too long to be a statement, before a single token is made of it.
pub(crate) fn check_text(text: &str) -> Result<()> {
    if text.len() <= STATEMENT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("statement of {} bytes is longer than {STATEMENT_BYTES_MAX}", text.len());
    Err(Error::new(ErrorCode::StatementTooLarge, message).with_hint("load the data from a file or from Arrow instead"))
}

/// The error for nesting beyond [`EXPRESSION_DEPTH_MAX`].
pub(crate) fn too_deep() -> Error {
    Error::new(ErrorCode::StatementTooLarge, "statement is nested too deeply")
        .with_hint(format!("at most {EXPRESSION_DEPTH_MAX} levels of expressions and queries are followed"))
}
