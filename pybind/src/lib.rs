//! The extension module `velaria._velaria`.
//!
//! Every class holds an engine value and forwards to it; the interpreter lock is released for every engine call.
//!
//! Invariant: nothing here decides semantics, renames a field or computes a value.
//!
//! `unsafe` stands in four places only: `arrow_in` (the C data interface), `numpy.rs` (memory that an array lends), `runtime.rs`
//! (the interpreter lock in callbacks from C) and `exit.rs` (what is never given back once the interpreter ends).

mod arrow_in;
mod arrow_out;
mod batches;
mod bitable;
mod cell;
mod cli;
mod columns;
mod dataframe;
mod error;
mod exit;
mod expression;
mod html;
mod interrupts;
mod job;
mod json;
mod kept;
mod logs;
mod names;
mod numpy;
mod options;
mod parameters;
mod progress;
mod relation;
mod runtime;
mod schema;
mod seconds;
mod session;
mod stream;
mod threads;
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
    module.add_class::<stream::Emission>()?;
    module.add_class::<expression::Expression>()?;
    module.add_class::<expression::SortKey>()?;
    module.add_function(wrap_pyfunction!(expression::col, module)?)?;
    module.add_function(wrap_pyfunction!(expression::lit, module)?)?;
    module.add_function(wrap_pyfunction!(expression::sql_expr, module)?)?;
    module.add_function(wrap_pyfunction!(expression::when, module)?)?;
    module.add_function(wrap_pyfunction!(expression::call, module)?)?;
    module.add_class::<workspace::Workspace>()?;
    module.add_class::<workspace::WorkspaceIndex>()?;
    module.add_class::<bitable::BitableConnection>()?;
    module.add_class::<bitable::BitableTable>()?;
    module.add_class::<bitable::BitablePages>()?;
    logs::install();
    exit::install(module.py())?;
    module.add_function(wrap_pyfunction!(session::sql, module)?)?;
    module.add_function(wrap_pyfunction!(cli::cli_act, module)?)?;
    module.add_function(wrap_pyfunction!(cli::cli_program, module)?)?;
    module.add_function(wrap_pyfunction!(cli::cli_main, module)?)
}
