//! The laws of the streaming kernel.

mod join;
mod rows;
mod watermark;
mod window;
