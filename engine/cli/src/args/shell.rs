//! The arguments of `shell`.

use clap::Args;

use super::{LimitArgs, OutputArgs};

/// `shell`.
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// A file to begin with, called as the file is, or NAME=PATH; also a pattern or a directory
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Where statements come from a pipe or a file: go on after one that fails
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Neither read nor write the history
    #[arg(long)]
    pub(crate) no_history: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}
