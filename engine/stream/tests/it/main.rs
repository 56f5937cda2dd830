//! The laws of the streaming kernel.

mod aggregate;
