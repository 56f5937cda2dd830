//! The laws of vector search.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod batch;
mod compressed;
mod data;
mod forms;
mod keyword;
mod scores;
mod search;
