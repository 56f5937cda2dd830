//! Where the commits of one query are kept.
//!
//! A generation is a snapshot `<epoch>.snap` and the logs of the commits after it, `<epoch>.log`; the first one has no snapshot.
//! Each start begins a log of its own: what the last one holds beyond what was surely synced is written once more, since after a
//! failed sync the system may show bytes that the disk never got.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use velaria_connector::{Durability, DurableFs, LockGuard, SinkPosition, create_dir_durably};
use velaria_contract::{CheckpointManifest, Error, ErrorCode, Result};

use super::file::{self, FileKind};
use super::log::LogWriter;
use super::recover::{self, Chain};
use super::{CommitHead, Identity, fault, manifest, snapshot};
use crate::StateFrame;

const LOCK_NAME: &str = "LOCK";
/// Below this a log is never worth a snapshot.
const LOG_BYTES_MIN: u64 = 64 << 20;
/// Replaying more commits takes longer than reading a snapshot.
const LOG_COMMITS_MAX: u64 = 10_000;
/// Each start adds a log.
const LOGS_MAX: u64 = 8;

/// The commits of one query. It holds a lock as long as it lives.
pub struct CheckpointStore {
    fs: Arc<dyn DurableFs>,
    dir: PathBuf,
    identity: Identity,
    _lock: LockGuard,
    log: LogWriter,
    /// The last commit.
    epoch: u64,
    /// The epoch of the snapshot that the logs follow; 0 without one.
    base: u64,
    snapshot_bytes: u64,
    /// The logs before this one and after the snapshot.
    earlier: Earlier,
    /// Why nothing can be written any more.
    broken: Option<Error>,
}

/// Logs that are read again at the next start.
#[derive(Debug, Clone, Copy, Default)]
struct Earlier {
    bytes: u64,
    commits: u64,
    logs: u64,
    /// Whether the newest snapshot is damaged.
    fell_back: bool,
}

/// What a query goes on from.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The last commit.
    pub head: CommitHead,
    /// The state at the last snapshot.
    pub snapshot: Vec<StateFrame>,
    /// What changed since then, in order.
    pub deltas: Vec<StateFrame>,
    /// What users should know about how it was read.
    pub warning: Option<String>,
}

/// Whether a commit, of which is told whether it was surely on the disk, can be gone on from.
pub type CommitCheck<'a> = dyn Fn(&CommitHead, bool) -> Result<bool> + 'a;

/// A commit that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Bytes that were written.
    pub bytes: u64,
}

impl CheckpointStore {
    /// Opens the checkpoint in the folder `dir`, and makes it if it is not there.
    ///
    /// # Errors
    /// `VEL-6101` when another query has it open; `VEL-6102` when it is damaged and commits would be lost; `VEL-6103` when it
    /// is that of another query, of another version, or no folder; `VEL-6003` when it cannot be read or written.
    pub fn open(fs: Arc<dyn DurableFs>, dir: &Path, identity: &Identity) -> Result<(Self, Option<Recovered>)> {
        Self::open_checked(fs, dir, identity, &|_, _| Ok(true))
    }

    /// The same, with a check of the commits in their order: from the first one of which it says `false` on, they are given up.
    /// It is told as well whether the commit was surely on the disk.
    ///
    /// # Errors
    /// Those of [`CheckpointStore::open`], and those of the check.
    pub fn open_checked(
        fs: Arc<dyn DurableFs>,
        dir: &Path,
        identity: &Identity,
        check: &CommitCheck<'_>,
    ) -> Result<(Self, Option<Recovered>)> {
        create_dir(fs.as_ref(), dir)?;
        let lock_path = dir.join(LOCK_NAME);
        let lock = fs.lock(&lock_path).map_err(|error| fault::refused("lock", &lock_path, error))?;
        let lock = lock.ok_or_else(|| fault::locked(dir))?;
        let mut chain = recover::recover(fs.as_ref(), dir, identity)?;
        if let Some(chain) = &mut chain {
            give_up(fs.as_ref(), dir, chain, check)?;
        }
        // They go before new ones of the same name are made: where renames are not atomic, one may be the same file as a
        // finished one.
        remove_files(fs.as_ref(), dir, |name| file::is_temporary(name) || manifest::is_temporary(name));
        let log = begin_log(fs.as_ref(), dir, chain.as_ref(), identity)?;
        let store = Self {
            dir: dir.to_path_buf(),
            identity: identity.clone(),
            _lock: lock,
            epoch: chain.as_ref().map_or(0, Chain::epoch),
            base: chain.as_ref().map_or(0, |chain| chain.base),
            snapshot_bytes: chain.as_ref().and_then(|chain| chain.snapshot.as_ref()).map_or(0, |found| found.bytes),
            earlier: chain.as_ref().map(Earlier::of).unwrap_or_default(),
            broken: None,
            log,
            fs,
        };
        Ok((store, chain.and_then(Recovered::of)))
    }

    /// Adds a commit. The first one of all is synced whatever `sync` says, so that a checkpoint with nothing in it is one that
    /// never had anything.
    ///
    /// # Errors
    /// `VEL-6003` when it cannot be written: whether it was made is told by the next start, and nothing can be committed until
    /// then. `VEL-9001` when `head` is not the next commit.
    pub fn commit(&mut self, head: &CommitHead, frames: &[StateFrame], sync: Durability) -> Result<Committed> {
        self.check_whole()?;
        if self.epoch.checked_add(1) != Some(head.epoch) {
            return Err(fault::internal(format!("commit {} cannot follow commit {}", head.epoch, self.epoch)));
        }
        let written = self.append(head, frames, sync);
        self.remember(written)
    }

    /// Remembers where the sink stands before the first commit, as commit 0. A checkpoint that has commits is left alone.
    ///
    /// # Errors
    /// Those of [`CheckpointStore::commit`].
    pub fn begin(&mut self, sink: SinkPosition) -> Result<()> {
        self.check_whole()?;
        if self.epoch > 0 {
            return Ok(());
        }
        let head = CommitHead { sink, ..CommitHead::default() };
        let written = self.write_first(&head);
        self.remember(written)
    }

    fn write_first(&self, head: &CommitHead) -> Result<()> {
        snapshot::write(self.fs.as_ref(), &self.dir, head, &[], &self.identity)?.publish(self.fs.as_ref())?;
        sync_dir(self.fs.as_ref(), &self.dir)
    }

    fn append(&mut self, head: &CommitHead, frames: &[StateFrame], sync: Durability) -> Result<Committed> {
        let bytes = self.log.append(head, frames)?;
        if sync == Durability::Now || self.epoch == 0 {
            self.log.sync()?;
        }
        self.epoch = head.epoch;
        Ok(Committed { bytes })
    }

    /// The file that commits go to: with [`Durability::Later`] the caller has to sync it.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.log.path().to_path_buf()
    }

    /// The caller has synced the log after `epoch` was committed. Only so can damage be told from what a crash left.
    pub fn note_durable(&mut self, epoch: u64) {
        self.log.note_durable(epoch);
    }

    /// Whether it is time for [`CheckpointStore::rotate`].
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        let Earlier { bytes, commits, logs, fell_back } = self.earlier;
        fell_back
            || bytes + self.log.bytes() > LOG_BYTES_MIN.max(self.snapshot_bytes)
            || commits + self.log.commits() > LOG_COMMITS_MAX
            || logs > LOGS_MAX
    }

    /// Writes the whole state at the last commit, and begins a new log. Then all commits are on the disk.
    ///
    /// # Errors
    /// Those of [`CheckpointStore::commit`].
    pub fn rotate(&mut self, head: &CommitHead, snapshot: &[StateFrame]) -> Result<()> {
        self.check_whole()?;
        if head.epoch != self.epoch {
            return Err(fault::internal(format!("a snapshot of commit {} after commit {}", head.epoch, self.epoch)));
        }
        if self.epoch == self.base {
            return Ok(());
        }
        let written = self.begin_generation(head, snapshot);
        self.remember(written)
    }

    fn begin_generation(&mut self, head: &CommitHead, frames: &[StateFrame]) -> Result<()> {
        let fs = Arc::clone(&self.fs);
        // The generation before stays readable to its end, in case the new snapshot is damaged one day.
        self.log.sync()?;
        let snapshot = snapshot::write(fs.as_ref(), &self.dir, head, frames, &self.identity)?;
        let mut log = LogWriter::begin(fs.as_ref(), &self.dir, head.epoch, &self.identity)?;
        log.sync()?;
        snapshot.publish(fs.as_ref())?;
        log.publish(fs.as_ref())?;
        sync_dir(fs.as_ref(), &self.dir)?;
        let keep = self.base;
        remove_files(fs.as_ref(), &self.dir, |name| is_before(name, keep));
        (self.base, self.snapshot_bytes) = (head.epoch, snapshot.bytes());
        (self.log, self.earlier) = (log, Earlier::default());
        Ok(())
    }

    /// Replaces `checkpoint.json`, which tells people of the last commit.
    ///
    /// # Errors
    /// `VEL-6003` when it cannot be written; commits are not touched by that.
    pub fn write_manifest(&self, manifest: &CheckpointManifest) -> Result<()> {
        manifest::write(self.fs.as_ref(), &self.dir, manifest)
    }

    fn check_whole(&self) -> Result<()> {
        let Some(error) = &self.broken else {
            return Ok(());
        };
        let message = format!("the checkpoint takes no commits after an error: {error}");
        Err(Error::new(ErrorCode::Io, message).with_hint("start the query again"))
    }

    /// What was half written, or not synced, is known only after the files are read again.
    fn remember<T>(&mut self, result: Result<T>) -> Result<T> {
        self.broken = self.broken.take().or_else(|| result.as_ref().err().cloned());
        result
    }
}

impl std::fmt::Debug for CheckpointStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckpointStore").field("dir", &self.dir).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Recovered {
    fn of(chain: Chain) -> Option<Self> {
        let Chain { snapshot, commits, warnings, .. } = chain;
        let (mut head, snapshot) = snapshot.map(|found| (found.head, found.frames)).unzip();
        let mut deltas = Vec::new();
        for commit in commits {
            head = Some(commit.head);
            deltas.extend(commit.frames);
        }
        let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
        Some(Self { head: head?, snapshot: snapshot.unwrap_or_default(), deltas, warning })
    }
}

impl Earlier {
    fn of(chain: &Chain) -> Self {
        let Chain { log_bytes, commits, logs, fell_back, .. } = chain;
        Self { bytes: *log_bytes, commits: commits.len() as u64, logs: *logs, fell_back: *fell_back }
    }
}

/// Creates the folder, and returns when its name and those above it are on the disk.
fn create_dir(fs: &dyn DurableFs, dir: &Path) -> Result<()> {
    if matches!(fs.length(dir), Ok(Some(_))) {
        return Err(fault::mismatch(dir, "it is a file and not a folder"));
    }
    create_dir_durably(fs, dir).map_err(|error| fault::refused("create", dir, error))
}

fn sync_dir(fs: &dyn DurableFs, dir: &Path) -> Result<()> {
    fs.sync_dir(dir).map_err(|error| fault::refused("sync", dir, error))
}

/// Gives up the commits from the first one on that does not pass the check.
fn give_up(fs: &dyn DurableFs, dir: &Path, chain: &mut Chain, check: &CommitCheck<'_>) -> Result<()> {
    let mut kept = 0;
    for commit in &chain.commits {
        if !check(&commit.head, commit.durable)? {
            break;
        }
        kept += 1;
    }
    if kept == chain.commits.len() {
        return Ok(());
    }
    chain.cut(kept);
    // A log that begins after the last commit would be taken for the one that follows the next commits.
    let last = chain.epoch();
    for name in fs.list(dir).map_err(|error| fault::refused("list", dir, error))? {
        if FileKind::Log.base(&name).is_some_and(|base| base > last) {
            let path = dir.join(name);
            fs.remove(&path).map_err(|error| fault::refused("remove", &path, error))?;
        }
    }
    sync_dir(fs, dir)
}

/// Begins the log of this start, with the commits that may not be on the disk.
fn begin_log(fs: &dyn DurableFs, dir: &Path, chain: Option<&Chain>, identity: &Identity) -> Result<LogWriter> {
    let base = chain.map_or(0, Chain::durable_epoch);
    let mut log = LogWriter::begin(fs, dir, base, identity)?;
    let again = chain.into_iter().flat_map(|chain| &chain.commits).filter(|commit| commit.head.epoch > base);
    for commit in again {
        log.append(&commit.head, &commit.frames)?;
    }
    log.sync()?;
    log.publish(fs)?;
    sync_dir(fs, dir)?;
    Ok(log)
}

fn is_before(name: &str, epoch: u64) -> bool {
    let base = FileKind::Snapshot.base(name).or_else(|| FileKind::Log.base(name));
    base.is_some_and(|base| base < epoch)
}

/// Removes files that nothing needs. One that stays does no harm, and is tried again.
fn remove_files(fs: &dyn DurableFs, dir: &Path, is_unneeded: impl Fn(&str) -> bool) {
    let names = fs.list(dir).unwrap_or_default();
    for name in names.iter().filter(|name| is_unneeded(name)) {
        drop(fs.remove(&dir.join(name)));
    }
}
