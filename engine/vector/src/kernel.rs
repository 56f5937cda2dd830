//! Kernels for each set of instructions.

pub(crate) mod code;
