//! The laws of the streaming kernel.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure of the test")]

mod aggregate;
mod checkpoint;
mod doubles;
mod folder;
mod join;
mod query;
mod recovery;
mod rows;
mod sort;
mod watermark;
mod window;
