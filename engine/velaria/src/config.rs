//! What a session can be told when it is made.

use std::num::NonZeroUsize;
use std::thread;

use velaria_contract::{Error, ErrorCode, Result};

/// The settings of a session. They cannot change afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    threads: Option<usize>,
}

impl SessionConfig {
    /// The same settings with `threads` partitions running at the same time; the default is one for each core.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The number of partitions that run at the same time.
    ///
    /// # Errors
    /// `VEL-7001` when it was set to zero.
    pub(crate) fn target_partitions(&self) -> Result<usize> {
        match self.threads {
            Some(0) => Err(Error::new(ErrorCode::InvalidArgument, "threads must be at least 1")),
            Some(threads) => Ok(threads),
            None => Ok(thread::available_parallelism().map_or(1, NonZeroUsize::get)),
        }
    }
}
