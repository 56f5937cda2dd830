//! The browser of the system.

use std::process::{Command, Stdio};

use velaria::{Error, ErrorCode, Result};

/// The program that opens addresses.
const PROGRAM: &str = if cfg!(target_os = "macos") {
    "open"
} else if cfg!(windows) {
    "explorer"
} else {
    "xdg-open"
};

/// Opens `url`, which is one of this program, and does not wait for what shows it.
///
/// # Errors
/// `VEL-6003` when the system has no program for it. The address is a secret and not in the error.
pub(crate) fn open_page(url: &str) -> Result<()> {
    let mut command = Command::new(PROGRAM);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    own_group(&mut command);
    let refused =
        |error: std::io::Error| Error::new(ErrorCode::Io, format!("cannot open a browser with {PROGRAM}: {error}"));
    command.spawn().map(drop).map_err(refused)
}

/// Keeps Ctrl-C in the terminal from ending the browser.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}
