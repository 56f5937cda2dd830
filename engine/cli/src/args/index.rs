//! The arguments of `index`.

use clap::Subcommand;

/// `index`.
#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Make the index of runs and artifacts anew from the directories of the runs
    #[command(after_help = "Example:\n  velaria-cli index rebuild")]
    Rebuild,
}
