//! What scores many rows quickly and approximately, in the instructions of the machine.

pub(crate) mod tile;
