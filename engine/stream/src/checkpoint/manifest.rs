//! `checkpoint.json`: the last commit, for people.

use std::io::{self, Write};
use std::path::Path;

use velaria_connector::DurableFs;
use velaria_contract::{CheckpointManifest, Result, json};

use super::{fault, file};

pub(super) const NAME: &str = "checkpoint.json";

/// Replaces the manifest. It is not synced: nothing depends on it.
pub(super) fn write(fs: &dyn DurableFs, dir: &Path, manifest: &CheckpointManifest) -> Result<()> {
    let text = json::to_pretty(manifest)?;
    replace(fs, &dir.join(NAME), &text).map_err(|error| fault::refused("write", &dir.join(NAME), error))
}

fn replace(fs: &dyn DurableFs, path: &Path, text: &str) -> io::Result<()> {
    let temporary = file::temporary(path);
    fs.create(&temporary)?.write_all(text.as_bytes())?;
    fs.rename(&temporary, path)
}

/// Whether a file of this name is a manifest that was never finished.
pub(super) fn is_temporary(name: &str) -> bool {
    Path::new(name) == file::temporary(Path::new(NAME))
}

/// The epoch that the manifest tells of, if there is one that can be read.
pub(super) fn epoch(fs: &dyn DurableFs, dir: &Path) -> Option<u64> {
    let text = fs.read(&dir.join(NAME)).ok()?;
    serde_json::from_slice::<serde_json::Value>(&text).ok()?.get("epoch")?.as_u64()
}
