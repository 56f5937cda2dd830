//! The arguments of `shell`.

use clap::Args;

use super::LimitArgs;

/// `shell`.
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}
