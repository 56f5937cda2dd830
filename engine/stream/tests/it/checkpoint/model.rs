//! A query whose state after each commit is known.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use velaria_connector::testing::SimulatedFs;
use velaria_connector::{Durability, DurableFs, SinkPosition, SourceOffset};
use velaria_contract::{CheckpointManifest, Result};
use velaria_stream::{CheckpointStore, CommitHead, Identity, Recovered, StateFrame};

/// Where the checkpoint is.
pub(crate) const DIR: &str = "/data/query";
/// Commits of a whole run.
pub(crate) const COMMITS: u64 = 8;
/// Commits after which a snapshot is written.
pub(crate) const SNAPSHOTS: [u64; 2] = [3, 6];

/// The state: a sum for each key.
pub(crate) type State = BTreeMap<i64, i64>;

pub(crate) fn identity() -> Identity {
    Identity {
        parts: vec![("statement".into(), "SELECT k, SUM(v) FROM s GROUP BY k".into()), ("state".into(), "1".into())],
    }
}

pub(crate) fn head(epoch: u64) -> CommitHead {
    let mut head = CommitHead { epoch, watermark_ms: Some(-5), ..CommitHead::default() };
    head.offsets.insert("s".into(), SourceOffset(format!("{epoch}\n\"=")));
    head.sink = SinkPosition(serde_json::json!({"files": [epoch]}));
    head.limits.insert(4, epoch);
    head.progress.epoch = epoch;
    head
}

/// The keys that a commit changes.
fn changed(epoch: u64) -> Vec<i64> {
    let epoch = i64::try_from(epoch).unwrap();
    (0..epoch * 7 % 5).map(|n| (epoch * 31 + n * 17) % 11).collect()
}

fn apply(state: &mut State, epoch: u64) {
    for key in changed(epoch) {
        *state.entry(key).or_default() += i64::try_from(epoch).unwrap();
    }
}

/// The state after `epoch` commits.
pub(crate) fn state(epoch: u64) -> State {
    let mut state = State::new();
    (1..=epoch).for_each(|epoch| apply(&mut state, epoch));
    state
}

fn frame(kind: &str, rows: &[(i64, i64)]) -> StateFrame {
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let sums: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| format!("key {}", row.0))));
    let batch = RecordBatch::try_from_iter([("key", keys), ("sum", sums), ("text", texts)]).unwrap();
    StateFrame { operator: 2, kind: kind.into(), batch }
}

/// What changed with a commit: in two kinds, one of which may have no rows.
pub(crate) fn delta(epoch: u64) -> Vec<StateFrame> {
    let (before, after) = (state(epoch - 1), state(epoch));
    let new = |key: &i64| !before.contains_key(key);
    let rows = |wanted: bool| -> Vec<(i64, i64)> {
        changed(epoch).into_iter().filter(|key| new(key) == wanted).map(|key| (key, after[&key])).collect()
    };
    vec![frame("new", &rows(true)), frame("changed", &rows(false))]
}

pub(crate) fn snapshot(epoch: u64) -> Vec<StateFrame> {
    let rows: Vec<_> = state(epoch).into_iter().collect();
    let (first, second) = rows.split_at(rows.len() / 2);
    vec![frame("all", first), frame("all", second)]
}

/// The state that a checkpoint gives back.
fn restored(recovered: &Recovered) -> State {
    let mut state = State::new();
    for frame in recovered.snapshot.iter().chain(&recovered.deltas) {
        assert_eq!(frame.operator, 2);
        let (keys, sums) = (frame.batch.column(0).as_primitive::<Int64Type>(), frame.batch.column(1));
        let sums = sums.as_primitive::<Int64Type>();
        state.extend(keys.values().iter().copied().zip(sums.values().iter().copied()));
        let texts = frame.batch.column(2).as_string::<i32>();
        assert!(texts.iter().zip(keys.values()).all(|(text, key)| text.unwrap() == format!("key {key}")));
    }
    state
}

/// The epoch of what was recovered, when it is whole.
pub(crate) fn checked_epoch(recovered: Option<&Recovered>) -> u64 {
    let Some(recovered) = recovered else {
        return 0;
    };
    let epoch = recovered.head.epoch;
    assert_eq!(recovered.head, head(epoch));
    assert_eq!(restored(recovered), state(epoch), "the state at {epoch}");
    epoch
}

/// When a run waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncing {
    Always,
    EveryThird,
    Never,
}

/// What has been promised.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ledger {
    /// The last commit that is on the disk.
    pub(crate) synced: u64,
    /// The last commit that was begun.
    pub(crate) begun: u64,
}

pub(crate) fn open(fs: &SimulatedFs) -> Result<(CheckpointStore, Option<Recovered>)> {
    CheckpointStore::open(Arc::new(fs.clone()), Path::new(DIR), &identity())
}

/// Opens the checkpoint, checks what is in it, and goes on to the last commit.
pub(crate) fn run(fs: &SimulatedFs, syncing: Syncing, ledger: &mut Ledger) -> Result<()> {
    let (mut store, recovered) = open(fs)?;
    let last = checked_epoch(recovered.as_ref());
    assert!(last >= ledger.synced && last <= ledger.begun, "commit {last} of {ledger:?}");
    // Whoever goes on from a commit may tell the world of it.
    ledger.synced = last;
    for epoch in last + 1..=COMMITS {
        ledger.begun = ledger.begun.max(epoch);
        commit(&mut store, fs, epoch, syncing, ledger)?;
    }
    Ok(())
}

fn commit(
    store: &mut CheckpointStore,
    fs: &SimulatedFs,
    epoch: u64,
    syncing: Syncing,
    ledger: &mut Ledger,
) -> Result<()> {
    let durability = match syncing {
        Syncing::Always => Durability::Now,
        Syncing::EveryThird => Durability::Later,
        Syncing::Never => Durability::Never,
    };
    store.commit(&head(epoch), &delta(epoch), durability)?;
    if syncing == Syncing::EveryThird && epoch % 3 == 2 && fs.sync_file(&store.log_file()).is_ok() {
        store.note_durable(epoch);
        ledger.synced = epoch;
    }
    if syncing == Syncing::Always || epoch == 1 {
        ledger.synced = epoch;
    }
    if SNAPSHOTS.contains(&epoch) {
        store.rotate(&head(epoch), &snapshot(epoch))?;
        ledger.synced = epoch;
    }
    store.write_manifest(&CheckpointManifest { epoch, ..CheckpointManifest::default() })
}

/// A checkpoint of a whole run, with its folder.
pub(crate) fn whole(syncing: Syncing) -> SimulatedFs {
    let fs = SimulatedFs::default();
    run(&fs, syncing, &mut Ledger::default()).unwrap();
    fs.killed()
}
