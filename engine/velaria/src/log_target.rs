//! The names under which the engine logs.

/// Statements and queries: what begins, ends, fails and is told to stop.
pub(crate) const QUERY: &str = "velaria.query";

/// What there is to say about files that were read.
pub(crate) const FILES: &str = "velaria.files";
