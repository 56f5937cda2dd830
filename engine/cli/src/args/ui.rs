//! The arguments of `ui`.

use clap::Args;

/// `ui`.
#[derive(Debug, Args)]
pub(crate) struct UiArgs {
    /// The port on 127.0.0.1; 0 is one that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
}
