//! Statements to plans: names are bound, types are checked, nothing is read.

mod calls;
pub(crate) mod chain;
mod change;
pub(crate) mod columns;
pub(crate) mod command;
pub(crate) mod copy;
pub(crate) mod date_arithmetic;
mod ddl;
mod describe;
mod dml;
mod explain;
pub(crate) mod files;
pub(crate) mod functions;
mod index;
mod kind;
mod names;
pub(crate) mod query;
pub(crate) mod rewrite;
mod rules;
pub(crate) mod search;
pub(crate) mod search_function;
pub(crate) mod spellings;
pub(crate) mod stream;
mod summarize;
pub(crate) mod target;
pub(crate) mod types;
mod view;

pub(crate) use columns::check_assignable;
