//! The commits after an epoch, one frame each.

use std::collections::VecDeque;
use std::path::Path;

use velaria_connector::DurableFs;
use velaria_contract::Result;

use super::commit;
use super::file::{self, FileKind, FileWriter};
use super::frame::{self, was_durable};
use super::rows::{RowsDecoder, RowsEncoder};
use super::{CommitHead, Identity, fault};
use crate::StateFrame;

/// A log that commits are added to.
pub(super) struct LogWriter {
    file: FileWriter,
    rows: RowsEncoder,
    commits: u64,
    /// Epochs that are not surely on the disk, with the bytes of the log up to their end.
    unsynced: VecDeque<(u64, u64)>,
}

impl LogWriter {
    /// Begins the log of the commits after `base`, under its temporary name.
    pub(super) fn begin(fs: &dyn DurableFs, dir: &Path, base: u64, identity: &Identity) -> Result<Self> {
        let file = FileWriter::begin(fs, dir, FileKind::Log, base, identity)?;
        Ok(Self { file, rows: RowsEncoder::default(), commits: 0, unsynced: VecDeque::new() })
    }

    /// Adds a commit and tells its bytes. After an error nothing may be added any more.
    pub(super) fn append(&mut self, head: &CommitHead, frames: &[StateFrame]) -> Result<u64> {
        let frame = commit::encode(head, frames, &mut self.rows)?;
        self.file.append(&frame)?;
        self.commits += 1;
        self.unsynced.push_back((head.epoch, self.file.bytes()));
        Ok(frame.bytes())
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.sync()?;
        self.unsynced.clear();
        Ok(())
    }

    /// Someone else has synced the log when `epoch` was in it.
    pub(super) fn note_durable(&mut self, epoch: u64) {
        while let Some((_, bytes)) = self.unsynced.pop_front_if(|(unsynced, _)| *unsynced <= epoch) {
            self.file.note_durable(bytes);
        }
    }

    /// Gives the log its name.
    pub(super) fn publish(&self, fs: &dyn DurableFs) -> Result<()> {
        self.file.publish(fs)
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits
    }
}

/// A commit that was read.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) head: CommitHead,
    pub(super) frames: Vec<StateFrame>,
    /// Whether it was surely on the disk when it was read.
    pub(super) durable: bool,
}

/// Bytes that are no commit.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) why: &'static str,
}

/// A log that was read.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) commits: Vec<Commit>,
    /// What follows the last commit that is whole.
    pub(super) tail: Option<Tail>,
    pub(super) bytes: u64,
}

/// Reads the log of the commits after `base`, up to the epoch `until`.
pub(super) fn read(fs: &dyn DurableFs, dir: &Path, base: u64, until: Option<u64>, identity: &Identity) -> Result<Log> {
    let opened = file::open(fs, dir, FileKind::Log, base, identity)?;
    let mut reader = Reader { opened, rows: RowsDecoder::default(), epoch: base, durable: 0, commits: Vec::new() };
    let tail = reader.read_until(until)?;
    Ok(reader.finish(tail))
}

struct Reader {
    opened: file::Opened,
    rows: RowsDecoder,
    epoch: u64,
    /// So many bytes were surely on the disk.
    durable: u64,
    commits: Vec<(Commit, u64)>,
}

impl Reader {
    fn read_until(&mut self, until: Option<u64>) -> Result<Option<Tail>> {
        let mut offset = self.opened.start;
        let length = self.opened.content.len() as u64;
        while offset < length && until.is_none_or(|until| self.epoch < until) {
            match frame::read(&self.opened.content, offset) {
                Ok(found) => offset = self.take(&found, offset)?,
                Err(why) if was_durable(&self.opened.content, offset) => return Err(self.corrupt(offset, why)),
                Err(why) => return Ok(Some(Tail { offset, bytes: length - offset, why })),
            }
        }
        Ok(None)
    }

    fn take(&mut self, found: &frame::Found, offset: u64) -> Result<u64> {
        let (head, frames) = commit::decode(found, &mut self.rows).map_err(|why| self.corrupt(offset, why))?;
        if self.epoch.checked_add(1) != Some(head.epoch) {
            let why = format!("commit {} follows commit {}", head.epoch, self.epoch);
            return Err(self.corrupt(offset, why));
        }
        self.epoch = head.epoch;
        self.durable = self.durable.max(found.durable);
        self.commits.push((Commit { head, frames, durable: false }, found.end));
        Ok(found.end)
    }

    fn corrupt(&self, offset: u64, why: impl std::fmt::Display) -> velaria_contract::Error {
        fault::corrupt(&self.opened.path, offset, why)
    }

    fn finish(self, tail: Option<Tail>) -> Log {
        let durable = self.durable;
        let commits = self.commits.into_iter().map(|(commit, end)| Commit { durable: end <= durable, ..commit });
        Log { commits: commits.collect(), tail, bytes: self.opened.content.len() as u64 }
    }
}
