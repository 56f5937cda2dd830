//! The extension module `velaria._velaria`.
//!
//! Every class holds an engine value and forwards to it; the interpreter lock is released for every engine call.
//!
//! Invariant: nothing here decides semantics, renames a field or computes a value.
//!
//! `unsafe` stands in three files only: `arrow_in.rs` (the C data interface), `numpy.rs` (memory that an array lends) and
//! `runtime.rs` (the interpreter lock in callbacks from C).

mod arrow_in;
mod arrow_out;
mod cell;
mod cli;
mod columns;
mod dataframe;
mod error;
mod html;
mod json;
mod names;
mod numpy;
mod options;
mod parameters;
mod runtime;
mod schema;
mod seconds;
mod session;
mod stream;
mod variables;
mod vector;
mod workspace;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The native part of the package `velaria`.
#[pymodule(gil_used = false)]
fn _velaria(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<session::Session>()?;
    module.add_class::<dataframe::DataFrame>()?;
    module.add_class::<schema::Schema>()?;
    module.add_class::<stream::StreamingDataFrame>()?;
    module.add_class::<stream::StreamingQuery>()?;
    module.add_class::<stream::RealtimeStreamSource>()?;
    module.add_class::<stream::RealtimeStreamSink>()?;
    module.add_class::<workspace::Workspace>()?;
    module.add_class::<workspace::WorkspaceIndex>()?;
    module.add_function(wrap_pyfunction!(session::sql, module)?)?;
    module.add_function(wrap_pyfunction!(cli::cli_act, module)?)?;
    module.add_function(wrap_pyfunction!(cli::cli_main, module)?)
}
