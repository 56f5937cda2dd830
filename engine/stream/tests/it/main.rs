//! The laws of the streaming kernel.

mod aggregate;
mod checkpoint;
mod doubles;
mod folder;
mod join;
mod query;
mod recovery;
mod rows;
mod sort;
mod watermark;
mod window;
