//! `--version --json`: what the program was built of.

use serde::Serialize;
use velaria::{Result, json};

use super::PROGRAM;

/// The document.
#[derive(Serialize)]
struct VersionJson {
    name: &'static str,
    version: &'static str,
    /// Of the sources, where the build was told.
    commit: Option<&'static str>,
    datafusion: &'static str,
    arrow: &'static str,
    target: String,
}

/// One document, indented.
pub(super) fn document() -> Result<String> {
    json::to_pretty(&VersionJson {
        name: PROGRAM,
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("VELARIA_COMMIT").filter(|commit| !commit.is_empty()),
        datafusion: velaria::DATAFUSION_VERSION,
        arrow: arrow::ARROW_VERSION,
        target: target(),
    })
}

/// The processor, the system and its C library.
fn target() -> String {
    let library = if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "musl") {
        "-musl"
    } else {
        ""
    };
    format!("{}-{}{library}", std::env::consts::ARCH, std::env::consts::OS)
}
