//! Runs whose process ended without saying how: killed, crashed, or gone with the machine.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::run::RunStatus;
use crate::{Object, cancel, owner, time};

/// How long a run whose owner is not known may write nothing.
const SILENCE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const ABORTED: &str = "the process of the run ended without a result";
const CANCELLED: &str = "run cancelled: its process was ended";
const GIVEN_UP: &str = "run aborted: nothing is known of its process";
const VANISHED: &str = "the directory of the run was removed";

/// Whether `record`, the run in `dir`, is said to run while its process is gone.
pub(crate) fn abandoned(dir: &Path, record: &Object) -> bool {
    running(record) && (owner::gone(dir) || (owner::unknown(dir) && untouched(dir)))
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

/// Makes `record` one of a run whose process nobody can find.
pub(crate) fn give_up(dir: &Path, record: &mut Object) {
    mark(dir, record);
    record.insert("status".to_owned(), json!(RunStatus::Aborted.as_str()));
    record.insert("error".to_owned(), json!(GIVEN_UP));
}

/// Makes `row` one of an aborted run of which nothing but the row is left.
pub(crate) fn mark_vanished(row: &mut Object) {
    row.insert("status".to_owned(), json!(RunStatus::Aborted.as_str()));
    row.insert("error".to_owned(), json!(VANISHED));
}

/// Whether nothing was written in `dir` for so long that nobody is thought to write there any more.
pub(crate) fn untouched(dir: &Path) -> bool {
    // The system says both moments: a clock that is ahead of it knows nothing of files.
    let silence = last_written(dir).and_then(|last| SystemTime::now().duration_since(last).ok());
    silence.is_some_and(|silence| silence >= SILENCE_MAX)
}

fn last_written_ms(dir: &Path) -> Option<i64> {
    i64::try_from(last_written(dir)?.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// When `dir`, an entry of it, or one of the directory of its artifacts was last written.
fn last_written(dir: &Path) -> Option<SystemTime> {
    let written = |entry: fs::DirEntry| entry.metadata().ok()?.modified().ok();
    let artifacts = fs::read_dir(dir.join("artifacts")).into_iter().flatten();
    let entries = fs::read_dir(dir).ok()?.chain(artifacts).flatten().filter_map(written);
    fs::symlink_metadata(dir).and_then(|meta| meta.modified()).into_iter().chain(entries).max()
}
