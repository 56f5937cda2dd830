//! Statements to plans: names are bound, types are checked, nothing is read.

pub(crate) mod chain;
pub(crate) mod ddl;
pub(crate) mod dml;
pub(crate) mod functions;
pub(crate) mod kind;
mod names;
pub(crate) mod query;
pub(crate) mod types;
