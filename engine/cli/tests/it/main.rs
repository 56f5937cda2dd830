//! The binary, called as a shell calls it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is the failure of the test")]

mod described;
mod output;
mod runs;
