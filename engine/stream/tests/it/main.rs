//! The laws of the streaming kernel.

mod checkpoint;
