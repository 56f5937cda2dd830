//! The laws of the streaming kernel.

mod doubles;
mod query;
