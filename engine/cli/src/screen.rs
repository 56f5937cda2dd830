//! The last line of the terminal behind standard error, where a bar may stand.
//!
//! There is one in a process, and several threads write there: what is written takes the bar away first, and the bar comes
//! back with its next step.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Back to the first column, and nothing behind it.
const CLEAR: &str = "\r\u{1b}[K";

/// Whether a bar stands there.
static SHOWS: Mutex<bool> = Mutex::new(false);

/// The columns of a terminal that does not say how many it has.
const WIDTH: usize = 80;

/// Shows `line` in the place of what stands there.
pub(crate) fn show(line: &str) {
    let mut shows = shows();
    *shows = true;
    put(&format!("\r{line}\u{1b}[K"));
}

/// Takes the bar away.
pub(crate) fn clear() {
    let mut shows = shows();
    if std::mem::take(&mut *shows) {
        put(CLEAR);
    }
}

/// Writes whole lines to standard error.
pub(crate) fn write(lines: &str) {
    let mut shows = shows();
    let clear = if std::mem::take(&mut *shows) { CLEAR } else { "" };
    put(&format!("{clear}{lines}"));
}

/// The columns that a line may fill. The last one stays free: a full line would wrap.
pub(crate) fn width() -> usize {
    columns().unwrap_or(WIDTH).saturating_sub(1)
}

#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    None
}

fn shows() -> MutexGuard<'static, bool> {
    SHOWS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In one piece, so that nothing of another process stands in the middle of it.
fn put(text: &str) {
    // A terminal that is gone has nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}
