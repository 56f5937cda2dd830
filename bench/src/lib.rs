//! Velaria's benches: `benches/workloads.rs` measures the engine alone, `cross/` compares it with its peers. Both read the
//! files in `workloads/`, which the conformance run checks for right answers.
//!
//! `benches/stream.rs` measures the kernel of streams alone; `cross/streams.py` compares it.
//!
//! `benches/vector.rs` measures the kernels of vector search alone; `cross/vectors.py` compares the search.
