//! Runs whose process ended without saying how: killed, crashed, or gone with the machine.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::json;

use crate::run::RunStatus;
use crate::{Object, cancel, owner, time};

const ABORTED: &str = "the process of the run ended without a result";
const CANCELLED: &str = "run cancelled: its process was ended";
const VANISHED: &str = "the directory of the run was removed";

/// Whether `record`, the run in `dir`, is said to run while its process is gone.
pub(crate) fn abandoned(dir: &Path, record: &Object) -> bool {
    running(record) && owner::gone(dir)
}

/// Whether `record` is said to run.
pub(crate) fn running(record: &Object) -> bool {
    record.get("status").and_then(|status| status.as_str()) == Some(RunStatus::Running.as_str())
}

/// Makes `record` one of a run that was aborted, or cancelled where somebody has asked for that. It ended when its files
/// were last written.
pub(crate) fn mark(dir: &Path, record: &mut Object) {
    let (status, reason) =
        if cancel::asked(dir) { (RunStatus::Cancelled, CANCELLED) } else { (RunStatus::Aborted, ABORTED) };
    record.insert("status".to_owned(), json!(status.as_str()));
    record.insert("finished_at".to_owned(), json!(last_written_ms(dir).map(time::seconds)));
    record.insert("error".to_owned(), json!(reason));
}

/// Makes `row` one of an aborted run of which nothing but the row is left.
pub(crate) fn mark_vanished(row: &mut Object) {
    row.insert("status".to_owned(), json!(RunStatus::Aborted.as_str()));
    row.insert("error".to_owned(), json!(VANISHED));
}

fn last_written_ms(dir: &Path) -> Option<i64> {
    let written = |entry: fs::DirEntry| entry.metadata().ok()?.modified().ok();
    let last = fs::read_dir(dir).ok()?.flatten().filter_map(written).max()?;
    i64::try_from(last.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
