//! The binary, called as a shell calls it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests: a panic is the failure of the test")]

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
mod support;
#[cfg(unix)]
mod terminal;
mod ui;

/// Whether these tests were started so that they, and what they start, do not hear `signal`, as `nohup` does it.
#[cfg(unix)]
fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}
