//! The integration tests of the conformance crate, in one binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod architecture;
mod functions;
mod render;
mod repository;
mod runner;
