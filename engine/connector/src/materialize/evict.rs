//! What leaves a cache that is too large.
//!
//! Only what the cache itself made is removed: folders whose names are 16 hexadecimal digits, and in them only files by the
//! names that are written there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::DataFormat;
use super::store::{META, TEMPORARY};

/// A file under a temporary name that is older than this was left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// Removes what was not used for the longest time until `root` holds at most `bytes_max`; `keep` stays.
pub(super) fn evict(root: &Path, bytes_max: u64, keep: &Path) {
    let mut entries = entries(root);
    entries.sort_by_key(|entry| entry.used);
    let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    for entry in entries.iter().filter(|entry| entry.path != keep) {
        if total <= bytes_max {
            break;
        }
        remove(&entry.path);
        total = total.saturating_sub(entry.bytes);
    }
}

/// Removes the rows of one source.
pub(super) fn remove(entry: &Path) {
    // The description first: without it nobody looks for the rows. What cannot be removed is tried again next time.
    let _ = fs::remove_file(entry.join(META));
    for format in DataFormat::ALL {
        let _ = fs::remove_file(entry.join(format.file_name()));
    }
    let _ = fs::remove_dir(entry);
}

fn entries(root: &Path) -> Vec<Entry> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let named = |name: &str| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ours = folders.filter(|folder| folder.file_name().to_str().is_some_and(named));
    ours.map(|folder| measured(folder.path())).collect()
}

fn measured(path: PathBuf) -> Entry {
    let mut entry = Entry { path, bytes: 0, used: SystemTime::UNIX_EPOCH };
    for file in fs::read_dir(&entry.path).into_iter().flatten().flatten() {
        let Ok(metadata) = file.metadata() else { continue };
        let name = file.file_name();
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if name.to_string_lossy().starts_with(TEMPORARY) {
            if modified.elapsed().is_ok_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(file.path());
                continue;
            }
            // Somebody writes here.
            entry.used = SystemTime::now();
        }
        entry.bytes += metadata.len();
        if name == META {
            entry.used = entry.used.max(metadata.accessed().unwrap_or(modified));
        }
    }
    entry
}
