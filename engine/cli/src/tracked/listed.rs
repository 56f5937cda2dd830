//! A run is written down in the index, and goes on where the index is damaged.

use velaria::{ErrorCode, Result};

/// What came of writing a run down in the index. Its directory has all of it: a damaged index can be made anew at any time,
/// and is no reason to lose a result.
pub(crate) fn unless_damaged(written: Result<()>) -> Result<()> {
    match written {
        Err(error) if error.code() == ErrorCode::MalformedFile => {
            let hint = error.hint().unwrap_or_default();
            log::warn!("the run is not in the index: {error}: {hint}");
            Ok(())
        }
        written => written,
    }
}
