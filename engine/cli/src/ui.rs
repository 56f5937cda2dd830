//! The pages of `ui`: runs and what they have made, for a browser on this machine.
//!
//! A request passes [`guard`] first, whatever it asks for. What it asks for is a [`route::Route`]; its page is made on a
//! thread that may wait, under a check that ends when the browser goes away.
//!
//! Invariant: nothing here changes a run, except for the one button that has to be asked for on the command line; and SQL
//! and pages of rows read no file outside of the home, except for those that were named there.

mod artifact;
mod asset;
mod cell;
mod connection;
mod file;
mod guard;
mod job;
mod live;
mod page;
mod query;
mod reply;
mod route;
mod run;
mod runs;
mod secret;
mod server;
mod sql;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::Home;

use self::secret::Secrets;
pub(crate) use self::server::Server;

/// Pages that are made at the same time.
const PAGES_MAX: usize = 8;
/// Pages that are kept up to date at the same time.
const STREAMS_MAX: usize = 32;

/// What the pages may do.
pub(crate) struct Options {
    /// Whether runs can be cancelled.
    pub(crate) cancel: bool,
    /// Whether there is a box for SQL.
    pub(crate) sql: bool,
    /// What SQL may read besides artifacts.
    pub(crate) allowed_paths: Vec<PathBuf>,
    /// How long a query may run.
    pub(crate) timeout: Duration,
    /// The rows of a query that are shown.
    pub(crate) rows_max: usize,
    /// The memory of a query.
    pub(crate) memory_limit_bytes: Option<u64>,
}

/// What all pages share.
pub(crate) struct Site {
    home: Home,
    port: u16,
    secrets: Secrets,
    options: Options,
    stopping: AtomicBool,
    pages: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Site {
    fn new(home: Home, port: u16, options: Options) -> Result<Self> {
        Ok(Self {
            home,
            port,
            secrets: Secrets::new()?,
            options,
            stopping: AtomicBool::new(false),
            pages: Arc::new(Semaphore::new(PAGES_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        })
    }

    /// An error once the server is told to end.
    fn check(&self) -> Result<()> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorCode::Cancelled, "the server ends"));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A site of a home that is not there.
    pub(crate) fn site(port: u16) -> Site {
        let options = Options {
            cancel: false,
            sql: true,
            allowed_paths: Vec::new(),
            timeout: Duration::from_secs(30),
            rows_max: 10,
            memory_limit_bytes: None,
        };
        Site::new(Home::at("/nowhere").unwrap(), port, options).unwrap()
    }
}
