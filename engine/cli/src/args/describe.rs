//! The arguments of `describe`.

use std::path::PathBuf;

use clap::Args;

use super::{LimitArgs, OutputArgs};

/// `describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// The file, a pattern such as 'data/*.csv', a directory, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// An option of the reader, such as delimiter=; or header=false; repeatable
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}
