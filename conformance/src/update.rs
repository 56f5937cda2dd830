//! `--update`: rewrites what a corpus file expects to what the engine answers.
//!
//! For authors, who read the difference before they commit it; never for CI, where it would agree with anything.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use sqllogictest::{
    ExpectedError, QueryExpect, Record, RecordOutput, StatementExpect, default_normalizer, strict_column_validator,
    update_record_with_output,
};

use crate::corpus::{CorpusFile, DataFile, exact_rows, new_runner, parse};
use crate::engine::Surface;
use crate::render::Letter;
use crate::{Error, Result};

/// Rewrites `file` and says whether it changed.
///
/// # Errors
/// [`Error::File`] when it is not a script, [`Error::Io`] when it cannot be written.
pub(crate) fn update_file(surface: &dyn Surface, data: &[DataFile], file: &CorpusFile) -> Result<bool> {
    let before = std::fs::read_to_string(&file.path).map_err(Error::io(&file.path))?;
    let statements = Arc::new(AtomicBool::new(false));
    let mut runner = new_runner(surface, data, &statements);
    let mut after = String::new();
    for record in parse(file)? {
        statements.store(matches!(record, Record::Statement { .. }), Ordering::Relaxed);
        let Some(output) = now(runner.apply_record(record.clone())) else {
            return Err(Error::file(&file.path, "a record did not finish"));
        };
        let updated = updated(&record, &output).unwrap_or(record);
        after.push_str(&updated.to_string());
        after.push('\n');
    }
    let after = format!("{}\n", after.trim_end_matches('\n'));
    if after != before {
        std::fs::write(&file.path, &after).map_err(Error::io(&file.path))?;
    }
    Ok(after != before)
}

/// The surfaces answer before they return, so that a record is done when it is first asked.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn updated(record: &Record<Letter>, output: &RecordOutput<Letter>) -> Option<Record<Letter>> {
    let record = match output {
        RecordOutput::Statement { error: Some(_), .. } | RecordOutput::Query { error: Some(_), .. } => {
            expecting_whole_error(record.clone())
        }
        _ => record.clone(),
    };
    update_record_with_output(&record, output, " ", exact_rows, default_normalizer, strict_column_validator)
}

/// With a text below `----` as the reference, sqllogictest writes the new text there as well, instead of a pattern.
fn expecting_whole_error(mut record: Record<Letter>) -> Record<Letter> {
    let reference = ExpectedError::Multiline(String::new());
    match &mut record {
        Record::Statement { expected, .. } => *expected = StatementExpect::Error(reference),
        Record::Query { expected, .. } => *expected = QueryExpect::Error(reference),
        _ => {}
    }
    record
}
