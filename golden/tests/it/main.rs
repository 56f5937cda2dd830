//! The golden tests, in one binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod snapshots;
mod streams;
mod surfaces;
mod vectors;
