//! The laws of the streaming kernel.

mod doubles;
mod query;
mod join;
mod rows;
mod watermark;
mod window;
