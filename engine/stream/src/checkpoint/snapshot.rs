//! The whole state at an epoch, in a file of one frame.

use std::path::Path;

use velaria_connector::DurableFs;
use velaria_contract::Result;

use super::commit;
use super::file::{self, FileKind, FileWriter};
use super::frame;
use super::rows::{RowsDecoder, RowsEncoder};
use super::{CommitHead, Identity, fault};
use crate::StateFrame;

/// Writes a snapshot, synced, under its temporary name.
pub(super) fn write(
    fs: &dyn DurableFs,
    dir: &Path,
    head: &CommitHead,
    frames: &[StateFrame],
    identity: &Identity,
) -> Result<FileWriter> {
    let mut file = FileWriter::begin(fs, dir, FileKind::Snapshot, head.epoch, identity)?;
    file.append(&commit::encode(head, frames, &mut RowsEncoder::default())?)?;
    file.sync()?;
    Ok(file)
}

/// A snapshot that was read.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) head: CommitHead,
    pub(super) frames: Vec<StateFrame>,
    pub(super) bytes: u64,
}

/// Reads the snapshot of the epoch `base`.
pub(super) fn read(fs: &dyn DurableFs, dir: &Path, base: u64, identity: &Identity) -> Result<Snapshot> {
    let opened = file::open(fs, dir, FileKind::Snapshot, base, identity)?;
    let bytes = opened.content.len() as u64;
    let damaged = |why: String| fault::corrupt(&opened.path, opened.start, why);
    let found = frame::read(&opened.content, opened.start).map_err(|why| damaged(why.to_owned()))?;
    let (head, frames) = commit::decode(&found, &mut RowsDecoder::default()).map_err(damaged)?;
    if head.epoch != base {
        return Err(damaged(format!("it holds the state of commit {}", head.epoch)));
    }
    if found.end != bytes {
        return Err(fault::corrupt(&opened.path, found.end, "bytes follow the snapshot"));
    }
    Ok(Snapshot { head, frames, bytes })
}
