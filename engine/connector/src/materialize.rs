//! Sources that are kept in another form beside their files, so that the next session does not decode them again.
//!
//! A cache is a directory with one folder for each source: `<16 hex digits>/meta.txt`, which says what the source was, and
//! the rows in `table.bin`, `table.nanoarrow`, `table.arrow` or `table.parquet`. The names and the words of the formats are
//! those of the original Velaria; what is inside is Arrow IPC, and Parquet in the last.
//!
//! The rows are used as long as the file is the one that was read: its path, options, size, times and inode. Everything
//! that is read back is checked by a sum first, so damage means that the source is read again. What is published is whole or
//! not there, whoever else writes at the same time, and a folder that others may write to is refused.

mod checked;
mod evict;
mod identity;
mod meta;
mod private;
mod store;
mod table;
mod write;

use std::path::{Path, PathBuf};

pub use self::identity::SourceIdentity;
pub use self::store::Store;
pub use self::table::CachedTable;
pub use self::write::CacheWriter;

/// Where sources are kept, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Materialization {
    /// The directory of the cache.
    pub dir: PathBuf,
    /// The form of the rows.
    pub format: DataFormat,
    /// The most bytes in the directory; what was not used for the longest time goes first.
    pub bytes_max: u64,
}

impl Materialization {
    /// The most bytes of a cache whose owner did not say.
    pub const BYTES_MAX: u64 = 10 << 30;

    /// A cache in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), format: DataFormat::default(), bytes_max: Self::BYTES_MAX }
    }

    /// The directory of a cache in the temporary directory `temp`, for callers who did not say another.
    #[must_use]
    pub fn default_dir(temp: &Path) -> PathBuf {
        temp.join("velaria_source_materialization_cache")
    }
}

/// The form in which the rows of a source are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DataFormat {
    /// Arrow IPC in `table.bin`.
    #[default]
    Binary,
    /// Arrow IPC in `table.nanoarrow`.
    Nanoarrow,
    /// Arrow IPC in `table.arrow`.
    Arrow,
    /// Parquet in `table.parquet`.
    Parquet,
}

impl DataFormat {
    const ALL: [Self; 4] = [Self::Binary, Self::Nanoarrow, Self::Arrow, Self::Parquet];

    /// The format that `word` means: `binary`, `binary_row_batch`, `nanoarrow`, `nanoarrow_ipc`, `arrow` or `parquet`.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        match word.trim().to_lowercase().as_str() {
            "binary" | "binary_row_batch" => Some(Self::Binary),
            "nanoarrow" | "nanoarrow_ipc" => Some(Self::Nanoarrow),
            "arrow" => Some(Self::Arrow),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The word in `meta.txt`.
    fn word(self) -> &'static str {
        match self {
            Self::Binary => "binary_row_batch",
            Self::Nanoarrow => "nanoarrow_ipc",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Binary => "table.bin",
            Self::Nanoarrow => "table.nanoarrow",
            Self::Arrow => "table.arrow",
            Self::Parquet => "table.parquet",
        }
    }
}

#[cfg(test)]
mod tests;
