//! The laws of the streaming kernel.
