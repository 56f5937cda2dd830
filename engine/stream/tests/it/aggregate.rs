//! GROUP BY over micro-batches: ends with what the batch engine says, however it is split, stopped and spread.

mod emission;
mod equivalence;
mod functions;
mod nothing;
mod restore;
pub(crate) mod support;
mod windows;
mod workers;
