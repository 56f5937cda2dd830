//! The tests of the workspace.

mod cleanup;
mod concurrent;
mod fallback;
mod home;
mod index;
mod rebuild;
mod run;
mod stale;
mod support;
