//! What the files of a checkpoint say: the newest snapshot that is whole, and the commits after it.

use std::collections::BTreeSet;
use std::path::Path;

use velaria_connector::DurableFs;
use velaria_contract::{ErrorCode, Result};

use super::file::FileKind;
use super::log::{self, Commit, Log};
use super::snapshot::{self, Snapshot};
use super::{Identity, fault, manifest};

/// A snapshot and all that was committed after it.
#[derive(Debug)]
pub(super) struct Chain {
    /// The epoch of the snapshot; 0 without one.
    pub(super) base: u64,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) commits: Vec<Commit>,
    pub(super) log_bytes: u64,
    pub(super) logs: u64,
    pub(super) warnings: Vec<String>,
    /// Whether a newer snapshot is damaged.
    pub(super) fell_back: bool,
}

impl Chain {
    /// The last commit.
    pub(super) fn epoch(&self) -> u64 {
        self.commits.last().map_or(self.base, |commit| commit.head.epoch)
    }

    /// The epoch up to which all is surely on the disk.
    pub(super) fn durable_epoch(&self) -> u64 {
        self.commits.iter().rfind(|commit| commit.durable).map_or(self.base, |commit| commit.head.epoch)
    }
}

/// Reads what is in `dir`; `None` when there is nothing.
pub(super) fn recover(fs: &dyn DurableFs, dir: &Path, identity: &Identity) -> Result<Option<Chain>> {
    let names = fs.list(dir).map_err(|error| fault::refused("list", dir, error))?;
    let bases = |kind: FileKind| names.iter().filter_map(|name| kind.base(name)).collect::<BTreeSet<u64>>();
    let (snapshots, logs) = (bases(FileKind::Snapshot), bases(FileKind::Log));
    let chain = match snapshots.is_empty() && logs.is_empty() {
        true => None,
        false => Some(read_chain(fs, dir, &snapshots, &logs, identity)?),
    };
    check_manifest(fs, dir, chain)
}

fn read_chain(
    fs: &dyn DurableFs,
    dir: &Path,
    snapshots: &BTreeSet<u64>,
    logs: &BTreeSet<u64>,
    identity: &Identity,
) -> Result<Chain> {
    let mut chain = read_snapshot(fs, dir, snapshots, logs, identity)?;
    let mut bases = logs.range(chain.base..).copied().peekable();
    while let Some(base) = bases.next() {
        if base != chain.epoch() {
            let why = format!("the commits after {} up to {base} are missing", chain.epoch());
            return Err(fault::lost(dir, why));
        }
        let until = bases.peek().copied();
        let log = log::read(fs, dir, base, until, identity)?;
        check_end(dir, base, &log, until)?;
        chain.add(log);
    }
    match chain.fell_back && chain.epoch() == 0 {
        true => Err(fault::lost(dir, chain.warnings.join("; "))),
        false => Ok(chain),
    }
}

/// A log ends before the next one only by damage.
fn check_end(dir: &Path, base: u64, log: &Log, until: Option<u64>) -> Result<()> {
    match (&log.tail, until) {
        (Some(tail), Some(_)) => Err(fault::corrupt(&FileKind::Log.path(dir, base), tail.offset, tail.why)),
        _ => Ok(()),
    }
}

/// The newest snapshot that is whole, or the beginning.
fn read_snapshot(
    fs: &dyn DurableFs,
    dir: &Path,
    snapshots: &BTreeSet<u64>,
    logs: &BTreeSet<u64>,
    identity: &Identity,
) -> Result<Chain> {
    let mut damage = None;
    for base in snapshots.iter().rev().copied() {
        match snapshot::read(fs, dir, base, identity) {
            Ok(snapshot) => return Ok(Chain::after(base, Some(snapshot), damage)),
            Err(error) if error.code() == ErrorCode::CheckpointCorrupt => damage = damage.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match (logs.contains(&0), damage) {
        (true, damage) => Ok(Chain::after(0, None, damage)),
        (false, Some(damage)) => Err(damage),
        (false, None) => Err(fault::lost(dir, "the snapshot before its commits is missing")),
    }
}

impl Chain {
    fn after(base: u64, snapshot: Option<Snapshot>, damage: Option<velaria_contract::Error>) -> Self {
        let fell_back = damage.is_some();
        let warnings =
            damage.map(|damage| format!("{damage}; went on from the snapshot before it")).into_iter().collect();
        Self { base, snapshot, commits: Vec::new(), log_bytes: 0, logs: 0, warnings, fell_back }
    }

    /// Gives up all but the first `kept` commits.
    pub(super) fn cut(&mut self, kept: usize) {
        let lost = self.commits.len() - kept;
        self.commits.truncate(kept);
        let epoch = self.epoch();
        self.warnings.push(format!(
            "went back to commit {epoch}: a power failure took rows that {lost} later commits had written to the sink"
        ));
    }

    fn add(&mut self, log: Log) {
        // What an earlier log holds up to the beginning of the next one was on the disk before that was begun.
        self.commits.iter_mut().for_each(|commit| commit.durable = true);
        self.commits.extend(log.commits);
        self.log_bytes += log.bytes;
        self.logs += 1;
        if let Some(tail) = log.tail {
            let epoch = self.epoch();
            self.warnings.push(format!(
                "the last {} bytes of the checkpoint were cut off after commit {epoch}: {}",
                tail.bytes, tail.why
            ));
        }
    }
}

/// The manifest is not trusted, but what it has seen was there.
fn check_manifest(fs: &dyn DurableFs, dir: &Path, mut chain: Option<Chain>) -> Result<Option<Chain>> {
    let found = chain.as_ref().map_or(0, Chain::epoch);
    let Some(told) = manifest::epoch(fs, dir).filter(|told| *told > found) else {
        return Ok(chain);
    };
    let why = format!("{} tells of commit {told}, and the last that is there is {found}", manifest::NAME);
    match &mut chain {
        Some(chain) if found > 0 => chain.warnings.push(why),
        _ => return Err(fault::lost(dir, format!("{} tells of commit {told}, and none is there", manifest::NAME))),
    }
    Ok(chain)
}
