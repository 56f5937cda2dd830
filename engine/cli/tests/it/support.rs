//! What the tests of several commands share.

use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A query that only a signal, a cancel or a time limit ends.
pub(crate) const ENDLESS: &str = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9";
/// What has not happened by then does not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The one document of a command that says nothing else.
pub(crate) fn document(output: &Output) -> Value {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `look` finds, once it does.
pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "it did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}
