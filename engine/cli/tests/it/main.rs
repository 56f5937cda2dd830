//! The binary, called as a shell calls it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is the failure of the test")]

mod broken_output;
mod described;
#[cfg(unix)]
mod kept;
mod outcome;
mod output;
mod report;
mod runs;
mod secret;
mod shell;
#[cfg(target_os = "linux")]
mod signals;
mod streams;
#[cfg(unix)]
mod terminal;
mod ui;
