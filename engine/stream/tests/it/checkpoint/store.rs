//! Commits, snapshots and starts on the files of the operating system.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use velaria_connector::{Durability, OsFs};
use velaria_contract::{CheckpointManifest, Error, ErrorCode, Result};
use velaria_stream::{CheckpointStore, Identity, Recovered};

use super::model::{checked_epoch, delta, head, identity, snapshot};

fn open(dir: &Path) -> Result<(CheckpointStore, Option<Recovered>)> {
    CheckpointStore::open(Arc::new(OsFs), dir, &identity())
}

fn refused(dir: &Path, identity: &Identity) -> Error {
    CheckpointStore::open(Arc::new(OsFs), dir, identity).map(drop).unwrap_err()
}

fn commit(store: &mut CheckpointStore, epochs: std::ops::RangeInclusive<u64>) {
    for epoch in epochs {
        assert!(store.commit(&head(epoch), &delta(epoch), Durability::Never).unwrap().bytes > 100);
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_committed_is_there_after_each_start() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a/new/folder");
    for start in 0..4 {
        let (mut store, recovered) = open(&dir).unwrap();
        assert_eq!(checked_epoch(recovered.as_ref()), start * 5);
        assert_eq!(recovered.and_then(|recovered| recovered.warning), None);
        commit(&mut store, start * 5 + 1..=start * 5 + 5);
    }
}

#[test]
fn the_generation_before_is_kept_and_older_ones_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path()).unwrap();
    for epochs in [1..=3, 4..=6, 7..=9] {
        let last = *epochs.end();
        commit(&mut store, epochs);
        store.rotate(&head(last), &snapshot(last)).unwrap();
        // Nothing was committed since then.
        store.rotate(&head(last), &snapshot(last)).unwrap();
    }
    commit(&mut store, 10..=11);
    store.write_manifest(&CheckpointManifest { epoch: 11, ..CheckpointManifest::default() }).unwrap();
    let expected = ["00000000000000000006.log", "00000000000000000006.snap", "00000000000000000009.log"];
    assert_eq!(names(dir.path())[..3], expected);
    assert_eq!(names(dir.path())[3..], ["00000000000000000009.snap", "LOCK", "checkpoint.json"]);
    drop(store);
    let (_, recovered) = open(dir.path()).unwrap();
    let recovered = recovered.unwrap();
    assert_eq!((recovered.head.epoch, recovered.deltas.len(), recovered.warning.clone()), (11, 4, None));
    assert_eq!(checked_epoch(Some(&recovered)), 11);
}

#[test]
fn many_starts_make_a_snapshot_due() {
    let dir = tempfile::tempdir().unwrap();
    for start in 0..12 {
        let (mut store, recovered) = open(dir.path()).unwrap();
        assert_eq!(checked_epoch(recovered.as_ref()), start * 2);
        for epoch in start * 2 + 1..=start * 2 + 2 {
            store.commit(&head(epoch), &delta(epoch), Durability::Now).unwrap();
        }
        if store.wants_snapshot() {
            assert!(start > 5, "a snapshot was due at start {start}");
            return;
        }
    }
    panic!("no snapshot was due");
}

#[test]
fn many_commits_make_a_snapshot_due() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path()).unwrap();
    for epoch in 1..=10_001 {
        assert!(!store.wants_snapshot(), "after {} commits", epoch - 1);
        store.commit(&head(epoch), &[], Durability::Never).unwrap();
    }
    assert!(store.wants_snapshot());
}

#[test]
fn a_second_query_is_refused_while_the_first_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path()).unwrap();
    assert_eq!(refused(dir.path(), &identity()).code(), ErrorCode::CheckpointLocked);
    drop(store);
    assert!(open(dir.path()).is_ok());
}

#[test]
fn another_query_is_refused_and_told_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path()).unwrap();
    commit(&mut store, 1..=2);
    drop(store);
    let mut other = identity();
    other.parts[0].1.push_str(" HAVING SUM(v) > 1");
    let error = refused(dir.path(), &other);
    assert_eq!(error.code(), ErrorCode::CheckpointMismatch);
    assert!(error.message().contains("its statement is 'SELECT k, SUM(v) FROM s GROUP BY k'"), "{error}");
    // It is still there for the query that it belongs to.
    assert_eq!(checked_epoch(open(dir.path()).unwrap().1.as_ref()), 2);
}

#[test]
fn paths_that_are_no_folder_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "batches_pulled=2\n").unwrap();
    assert_eq!(refused(&file, &identity()).code(), ErrorCode::CheckpointMismatch);
    assert_eq!(refused(&file.join("below"), &identity()).code(), ErrorCode::Io);
    assert_eq!(fs::read_to_string(&file).unwrap(), "batches_pulled=2\n");
}

#[test]
fn files_that_cannot_be_read_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("00000000000000000000.log")).unwrap();
    assert_eq!(refused(dir.path(), &identity()).code(), ErrorCode::Io);
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_in_circles_are_errors() {
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    symlink(dir.path().join("circle"), dir.path().join("circle")).unwrap();
    assert_eq!(refused(&dir.path().join("circle"), &identity()).code(), ErrorCode::Io);
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    symlink("/nowhere/at/all", inner.join("00000000000000000000.log")).unwrap();
    assert_eq!(refused(&inner, &identity()).code(), ErrorCode::FileNotFound);
}

#[test]
fn commits_out_of_order_are_refused_and_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path()).unwrap();
    commit(&mut store, 1..=1);
    for epoch in [0, 1, 3, u64::MAX] {
        let error = store.commit(&head(epoch), &[], Durability::Now).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Internal);
    }
    assert_eq!(store.rotate(&head(5), &[]).unwrap_err().code(), ErrorCode::Internal);
    commit(&mut store, 2..=3);
}
