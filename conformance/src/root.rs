//! Finds the repository: the nearest folder above that holds both the corpus and this crate.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The root of the repository that `start` lies in.
///
/// # Errors
/// [`Error::Usage`] when no folder from `start` upwards holds `sqllogic` and `conformance`.
pub fn find_root(start: &Path) -> Result<PathBuf> {
    start
        .ancestors()
        .find(|folder| folder.join("sqllogic").is_dir() && folder.join("conformance/suites").is_dir())
        .map(Path::to_owned)
        .ok_or_else(|| Error::Usage(format!("{} is not inside the Velaria repository", start.display())))
}
