//! The streaming kernel: micro-batches through operators with state, committed as one with the offsets of their sources.
//!
//! Invariant: this crate never parses SQL, reads no clock but [`velaria_contract::Clock`], and touches durable files through
//! [`velaria_connector::DurableFs`] only.
