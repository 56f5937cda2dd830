//! Statements to plans: names are bound, types are checked, nothing is read.

mod calls;
pub(crate) mod date_arithmetic;
pub(crate) mod ddl;
pub(crate) mod dml;
pub(crate) mod functions;
mod names;
pub(crate) mod query;
pub(crate) mod rewrite;
pub(crate) mod spellings;
pub(crate) mod types;
