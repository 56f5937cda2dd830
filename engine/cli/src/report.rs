//! A tracked run as HTML: one page that needs nothing else, and the parts that it is made of.
//!
//! [`model`] reads what a run left behind, within bounds and without secrets; every other module draws. All text of a run
//! goes through [`text`], which escapes it and shows what would hide in it, so that no part can forget to. There is no
//! script in anything that is drawn here, and nothing that a browser would have to fetch.
//!
//! Invariant: nothing here runs a statement of a run, or writes into its record.

pub(crate) mod body;
pub(crate) mod chart;
pub(crate) mod model;
pub(crate) mod number;
pub(crate) mod operators;
pub(crate) mod page;
pub(crate) mod profile;
pub(crate) mod progress;
pub(crate) mod sql;
pub(crate) mod streaming;
pub(crate) mod table;
pub(crate) mod text;
