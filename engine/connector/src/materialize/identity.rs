//! Which state of which file was read, and how.

use std::fs::{self, Metadata};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use velaria_contract::{Error, ErrorCode, Result};

use crate::{CsvOptions, LocalFile};

/// Clocks of file systems tick this often at the worst: a file that was changed less long ago could change once more and
/// look the same.
const TICK: Duration = Duration::from_millis(20);

/// A source as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIdentity {
    pub(super) format: &'static str,
    pub(super) options: String,
    pub(super) path: String,
    pub(super) version: Version,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) bytes: u64,
    pub(super) modified_ns: i128,
    /// When anything about the file changed; zero where the system does not say.
    pub(super) changed_ns: i128,
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl SourceIdentity {
    /// The state of `file` now, read as `format` with `options`, a text in which different options are different.
    ///
    /// # Errors
    /// `VEL-6003` when the file is gone.
    pub fn of(file: &LocalFile, format: &'static str, options: &str) -> Result<Self> {
        let metadata = fs::metadata(file.path()).map_err(|error| {
            Error::new(ErrorCode::Io, format!("cannot stat source file: {}", file.path().display()))
                .with_hint(error.to_string())
        })?;
        let path = file.path().to_string_lossy().into_owned();
        Ok(Self { format, options: options.to_owned(), path, version: Version::of(&metadata) })
    }

    /// The state of a CSV file now.
    ///
    /// # Errors
    /// Those of [`SourceIdentity::of`].
    pub fn of_csv(file: &LocalFile, options: &CsvOptions) -> Result<Self> {
        Self::of(file, "csv", &csv_text(options))
    }

    /// How long to wait before the file is read, so that a later change cannot look like this state.
    #[must_use]
    pub fn unsettled(&self) -> Option<Duration> {
        let now = nanoseconds(SystemTime::now());
        let age = now - self.version.modified_ns.max(self.version.changed_ns);
        let age = u64::try_from(age).map(Duration::from_nanos).ok()?;
        TICK.checked_sub(age).filter(|rest| !rest.is_zero())
    }

    /// FNV-1a, 64 bits, over the format, the options and the path, with a NUL between them.
    pub(super) fn id(&self) -> String {
        let parts = [self.format.as_bytes(), &[0], self.options.as_bytes(), &[0], self.path.as_bytes()];
        let hash = parts.iter().flat_map(|part| part.iter()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

/// The options of a CSV file as text. With a delimiter alone it is the text of the original.
fn csv_text(options: &CsvOptions) -> String {
    let delimiter = options.delimiter.map_or_else(|| "auto".to_owned(), |byte| char::from(byte).to_string());
    let plain = CsvOptions { delimiter: options.delimiter, ..CsvOptions::default() };
    if plain == *options { format!("delimiter={delimiter}") } else { format!("delimiter={delimiter};{options:?}") }
}

impl Version {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            bytes: metadata.len(),
            modified_ns: time(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: time(metadata.ctime(), metadata.ctime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified_ns = metadata.modified().map_or(0, nanoseconds);
        Self { bytes: metadata.len(), modified_ns, changed_ns: 0, device: 0, inode: 0 }
    }
}

fn nanoseconds(time: SystemTime) -> i128 {
    let signed = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_the_contract() {
        let version = Version { bytes: 0, modified_ns: 0, changed_ns: 0, device: 0, inode: 0 };
        let identity = |options: &str| SourceIdentity {
            format: "csv",
            options: options.to_owned(),
            path: "/data/a.csv".to_owned(),
            version,
        };
        // Computed apart: FNV-1a 64 over b"csv\0delimiter=,\0/data/a.csv".
        assert_eq!(identity("delimiter=,").id(), "89066a1729be25ec");
        assert_ne!(identity("delimiter=;").id(), identity("delimiter=,").id());
    }

    #[test]
    fn every_option_of_csv_counts() {
        let comma = CsvOptions::default().with_delimiter(",").unwrap();
        assert_eq!(csv_text(&comma), "delimiter=,");
        let mut other = comma.clone();
        other.all_text = true;
        assert_ne!(csv_text(&other), csv_text(&comma));
    }

    #[test]
    fn a_file_that_was_written_just_now_is_waited_for() {
        let now = nanoseconds(SystemTime::now());
        let at = |modified_ns| SourceIdentity {
            format: "csv",
            options: String::new(),
            path: String::new(),
            version: Version { bytes: 0, modified_ns, changed_ns: 0, device: 0, inode: 0 },
        };
        assert!(at(now).unsettled().is_some_and(|wait| wait <= TICK));
        assert_eq!(at(now - 1_000_000_000).unsettled(), None);
        assert_eq!(at(now + 3_600_000_000_000).unsettled(), None, "a time to come is not waited for");
    }
}
