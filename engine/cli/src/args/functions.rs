//! The arguments of `functions`.

use clap::Args;

use super::OutputArgs;

/// `functions`.
#[derive(Debug, Args)]
pub(crate) struct FunctionsArgs {
    /// Only functions with this text in one of their names
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Only functions of this kind
    #[arg(long, value_name = "KIND", value_parser = ["scalar", "aggregate", "window", "table", "spelling"])]
    pub(crate) kind: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
