//! The tests of the workspace.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure of the test")]

mod cancel;
mod cleanup;
mod concurrent;
mod disk;
mod escape;
mod fallback;
mod home;
mod index;
mod places;
mod progress;
mod rebuild;
mod run;
mod stale;
mod support;
