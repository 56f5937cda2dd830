//! The arguments that ask how a query is run, beside or instead of its rows.

use std::borrow::Cow;

use clap::Args;

use super::LimitArgs;

/// `--explain`, `--timing` and `--profile`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct InsightArgs {
    /// Say what the query would do, and run nothing
    #[arg(long, conflicts_with_all = ["timing", "profile"])]
    pub(crate) explain: bool,
    /// Also say how long planning and running took
    #[arg(long)]
    pub(crate) timing: bool,
    /// Also say how many rows each operator made, and how long it computed
    #[arg(long)]
    pub(crate) profile: bool,
}

impl InsightArgs {
    /// The limits of the session: a query that is only explained changes nothing.
    pub(crate) fn limits<'a>(&self, given: &'a LimitArgs) -> Cow<'a, LimitArgs> {
        if self.explain { Cow::Owned(given.read_only()) } else { Cow::Borrowed(given) }
    }
}
