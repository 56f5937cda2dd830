//! The arguments of `functions`.

use clap::Args;

use super::OutputArgs;

/// `functions`.
#[derive(Debug, Args)]
pub(crate) struct FunctionsArgs {
    /// Only functions with this text in their name
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
