//! Statements to plans: names are bound, types are checked, nothing is read.

mod change;
mod columns;
pub(crate) mod command;
mod copy;
mod ddl;
mod describe;
mod dml;
mod explain;
pub(crate) mod functions;
mod index;
mod names;
pub(crate) mod query;
pub(crate) mod rewrite;
mod rules;
mod summarize;
mod target;
pub(crate) mod types;
mod view;
