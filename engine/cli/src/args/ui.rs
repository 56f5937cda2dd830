//! The arguments of `ui`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// `ui`.
#[derive(Debug, Args)]
pub(crate) struct UiArgs {
    /// The port on 127.0.0.1; 0 is one that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) port: u16,
    /// Open the address in the browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Let the page of a run cancel it; without this nothing can be changed
    #[arg(long)]
    pub(crate) allow_cancel: bool,
    /// Leave out the box for SQL
    #[arg(long)]
    pub(crate) no_sql: bool,
    /// A file that SQL may read besides artifacts, or a directory with all beneath it; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with = "no_sql")]
    pub(crate) allow_path: Vec<PathBuf>,
    /// The most seconds that a query of a page may run
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = super::seconds)]
    pub(crate) timeout: Duration,
    /// The most rows of a query that a page shows
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max_rows: u32,
    /// The most memory for what queries of pages keep, such as 512MB or 2GiB [default: 75 % of what there is]
    #[arg(long, value_name = "BYTES", value_parser = velaria::bytes_of)]
    pub(crate) memory_limit: Option<u64>,
    #[arg(skip)]
    pub(super) terminal: bool,
}
