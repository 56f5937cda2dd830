//! What a session can be told when it is made.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use velaria_connector::FileAccess;
use velaria_contract::{Error, ErrorCode, Result};

use crate::progress::ProgressListener;

/// The settings of a session. They cannot change afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    threads: Option<usize>,
    pub(crate) memory_limit_bytes: Option<u64>,
    pub(crate) temp_dir: Option<PathBuf>,
    pub(crate) statement_timeout: Option<Duration>,
    read_only: bool,
    allowed_paths: Option<Vec<PathBuf>>,
    no_local_files: bool,
    pub(crate) progress_listener: Option<ProgressListener>,
}

impl SessionConfig {
    /// The same settings with `threads` partitions running at the same time; the default is one for each core.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The same settings with at most `bytes` of memory for what running queries keep; the default is three quarters of
    /// the memory that the process may use. What does not fit is written to temporary files, or is error `VEL-8001`.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit_bytes = Some(bytes);
        self
    }

    /// The same settings with temporary files in a private directory inside `path`; the default is the directory of the
    /// system. The private directory goes with the session.
    #[must_use]
    pub fn with_temp_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.temp_dir = Some(path.into());
        self
    }

    /// The same settings with statements that end by error `VEL-8003` once they ran for `timeout`.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// The same settings for a session that changes nothing: no table and no file.
    #[must_use]
    pub fn with_read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same settings with access to `paths` only: these files, and everything beneath these directories.
    #[must_use]
    pub fn with_allowed_paths<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.allowed_paths = Some(paths.into_iter().map(Into::into).collect());
        self
    }

    /// The same settings for a session that opens no file at all, neither to read nor to write.
    #[must_use]
    pub fn without_local_files(mut self) -> Self {
        self.no_local_files = true;
        self
    }

    /// The same settings with someone who is told how far statements are; [`crate::Session::set_progress_listener`] changes it.
    #[must_use]
    pub fn with_progress_listener(mut self, listener: ProgressListener) -> Self {
        self.progress_listener = Some(listener);
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

    /// The files that the session may open.
    ///
    /// # Errors
    /// `VEL-7001` for an allowed path whose directory does not exist.
    pub(crate) fn file_access(&self) -> Result<FileAccess> {
        if self.no_local_files {
            return Ok(FileAccess::none(self.read_only));
        }
        FileAccess::new(self.read_only, self.allowed_paths.as_deref())
    }
}

/// The number of bytes that `text` says: `1GiB`, `512 MB`, `1000`.
///
/// # Errors
/// `VEL-7001` when it says none.
pub fn bytes_of(text: &str) -> Result<u64> {
    ByteSize::from_str(text).map(|size| size.as_u64()).map_err(|_| {
        Error::new(ErrorCode::InvalidArgument, format!("not a number of bytes: {text}"))
            .with_hint("write a number with or without a unit, as in 1GiB, 512MB or 1000000")
    })
}

/// The time that `seconds` says.
///
/// # Errors
/// `VEL-7001` when it is not a positive, finite number.
pub fn duration_of(seconds: f64) -> Result<Duration> {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(Error::new(ErrorCode::InvalidArgument, format!("not a time limit: {seconds}"))
            .with_hint("pass a number of seconds above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        let read = |text| bytes_of(text).unwrap();
        assert_eq!((read("1GiB"), read("512MB"), read("1.5 KiB"), read("7")), (1 << 30, 512_000_000, 1536, 7));
        for text in ["", "x", "-1", "1 parsec", "GiB"] {
            assert_eq!(bytes_of(text).unwrap_err().code(), ErrorCode::InvalidArgument, "{text:?}");
        }
    }

    #[test]
    fn a_time_limit_is_above_zero() {
        assert_eq!(duration_of(0.25).unwrap(), Duration::from_millis(250));
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(duration_of(seconds).unwrap_err().code(), ErrorCode::InvalidArgument, "{seconds}");
        }
    }
}
