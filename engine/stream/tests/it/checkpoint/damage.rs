//! Damage from outside: what is given back is whole, with a warning when something is missing; or the error says what is damaged.

use std::path::{Path, PathBuf};

use velaria_connector::DurableFs;
use velaria_connector::testing::SimulatedFs;
use velaria_contract::{ErrorCode, Result};

use super::model::{COMMITS, DIR, Ledger, Syncing, checked_epoch, open, run, whole};

/// The files of a checkpoint, without its lock.
fn files(fs: &SimulatedFs) -> Vec<(PathBuf, Vec<u8>)> {
    let names = fs.list(Path::new(DIR)).unwrap().into_iter().filter(|name| name != "LOCK");
    names.map(|name| Path::new(DIR).join(name)).map(|path| (path.clone(), fs.read(&path).unwrap())).collect()
}

fn last_log() -> PathBuf {
    Path::new(DIR).join("00000000000000000006.log")
}

/// What a damaged checkpoint gives: an epoch, and whether there was a warning; or the code of an error.
fn outcome(fs: &SimulatedFs, what: &str) -> Result<(u64, bool), ErrorCode> {
    match open(fs) {
        Ok((_, recovered)) => {
            let epoch = checked_epoch(recovered.as_ref());
            let warned = recovered.is_some_and(|recovered| recovered.warning.is_some());
            assert!(epoch > 0 && (epoch == COMMITS || warned), "{what}: commit {epoch} without a warning");
            Ok((epoch, warned))
        }
        Err(error) => {
            let codes = [ErrorCode::CheckpointCorrupt, ErrorCode::CheckpointMismatch];
            assert!(codes.contains(&error.code()) && error.message().contains(DIR), "{what}: {error:?}");
            Err(error.code())
        }
    }
}

fn damaged(fs: &SimulatedFs, path: &Path, content: &[u8], what: &str) -> Result<(u64, bool), ErrorCode> {
    let fs = fs.killed();
    fs.put(path, content);
    outcome(&fs, &format!("{} {what}", path.display()))
}

#[test]
fn files_cut_off_at_any_byte_are_seen() {
    let whole = whole(Syncing::Always);
    for (path, content) in files(&whole) {
        let step = if path == last_log() { 1 } else { 11 };
        for length in (0..content.len()).step_by(step) {
            let _ = damaged(&whole, &path, &content[..length], &format!("cut at {length}"));
        }
    }
}

#[test]
fn two_thousand_flipped_bits_are_seen() {
    for (syncing, flips) in [(Syncing::Always, 1500), (Syncing::Never, 500)] {
        let whole = whole(syncing);
        let files = files(&whole);
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..flips {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (path, content) = &files[(random >> 60) as usize % files.len()];
            let bit = (random >> 20) as usize % (content.len() * 8);
            let mut content = content.clone();
            content[bit / 8] ^= 1 << (bit % 8);
            let _ = damaged(&whole, path, &content, &format!("with bit {bit} flipped"));
        }
    }
}

#[test]
fn zeroed_sectors_and_pages_are_seen() {
    let whole = whole(Syncing::Always);
    for (path, content) in files(&whole) {
        for (bytes, start) in [512, 4096].into_iter().flat_map(|n| (0..content.len()).step_by(n).map(move |at| (n, at)))
        {
            let mut content = content.clone();
            let end = (start + bytes).min(content.len());
            content[start..end].fill(0);
            let _ = damaged(&whole, &path, &content, &format!("zeroed from {start} to {end}"));
        }
    }
}

#[test]
fn garbage_behind_a_file_is_cut_off_or_refused() {
    let whole = whole(Syncing::Always);
    for (path, content) in files(&whole) {
        for garbage in [&b"x"[..], &[0; 8], &[0xff; 5000], &[0; 4096], &content] {
            let content = [&content[..], garbage].concat();
            let outcome = damaged(&whole, &path, &content, &format!("with {} bytes behind it", garbage.len()));
            assert_eq!(outcome.map(|(epoch, _)| epoch), Ok(COMMITS), "{}", path.display());
        }
    }
}

#[test]
fn files_that_are_swapped_missing_or_empty_are_seen() {
    let whole = whole(Syncing::Always);
    let files = files(&whole);
    for (left, left_content) in &files {
        for (right, right_content) in &files {
            let fs = whole.killed();
            fs.put(left, right_content);
            let _ = outcome(&fs, &format!("{} is {}", left.display(), right.display()));
            fs.put(right, left_content);
            let _ = outcome(&fs.killed(), &format!("{} and {} are swapped", left.display(), right.display()));
        }
        let _ = damaged(&whole, left, &[], "is empty");
        let fs = whole.killed();
        fs.take(left);
        let _ = outcome(&fs, &format!("{} is missing", left.display()));
    }
}

#[test]
fn damage_of_the_newest_snapshot_falls_back_to_the_one_before_it() {
    let whole = whole(Syncing::Always);
    let path = Path::new(DIR).join("00000000000000000006.snap");
    let fs = whole.killed();
    fs.put(&path, b"no snapshot");
    let (mut store, recovered) = open(&fs).unwrap();
    assert_eq!(checked_epoch(recovered.as_ref()), COMMITS);
    let warning = recovered.unwrap().warning.unwrap();
    assert!(warning.contains("00000000000000000006.snap is damaged at byte 0"), "{warning}");
    assert!(store.wants_snapshot());
    store.rotate(&super::model::head(COMMITS), &super::model::snapshot(COMMITS)).unwrap();
    assert!(!store.wants_snapshot());
    drop(store);
    assert_eq!(outcome(&fs.killed(), "after a new snapshot"), Ok((COMMITS, false)));
}

#[test]
fn damage_between_commits_that_were_synced_is_refused_with_its_place() {
    let whole = whole(Syncing::Always);
    let mut content = whole.read(&last_log()).unwrap();
    let middle = content.len() / 2 - 200;
    content[middle] ^= 1;
    let fs = whole.killed();
    fs.put(&last_log(), &content);
    let error = open(&fs).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CheckpointCorrupt);
    assert!(error.message().contains("00000000000000000006.log is damaged at byte "), "{error}");
}

#[test]
fn a_checkpoint_that_has_lost_everything_but_its_manifest_does_not_begin_anew() {
    let fs = whole(Syncing::Never);
    for (path, _) in files(&fs).into_iter().filter(|(path, _)| !path.ends_with("checkpoint.json")) {
        fs.take(&path);
    }
    assert_eq!(outcome(&fs, "all files are gone"), Err(ErrorCode::CheckpointCorrupt));
}

#[test]
fn a_future_version_is_refused_by_name() {
    let whole = whole(Syncing::Always);
    let mut content = whole.read(&last_log()).unwrap();
    let version = 7_u32.to_le_bytes();
    content[8..12].copy_from_slice(&version);
    let sum = crc32fast::hash(&content[..12]).to_le_bytes();
    content[12..16].copy_from_slice(&sum);
    assert_eq!(damaged(&whole, &last_log(), &content, "of version 7"), Err(ErrorCode::CheckpointMismatch));
}

#[test]
fn a_damaged_manifest_changes_nothing() {
    let whole = whole(Syncing::Always);
    let path = Path::new(DIR).join("checkpoint.json");
    for content in ["", "{", "[]", "{\"epoch\": -1}", "{\"epoch\": \"9\"}", "\u{0}"] {
        assert_eq!(damaged(&whole, &path, content.as_bytes(), content), Ok((COMMITS, false)));
    }
    assert_eq!(damaged(&whole, &path, b"{\"epoch\": 9}", "from the future"), Ok((COMMITS, true)));
}

#[test]
fn a_run_goes_on_after_damage_that_was_warned_of() {
    let fs = whole(Syncing::Always);
    let content = fs.read(&last_log()).unwrap();
    fs.put(&last_log(), &content[..content.len() - 9]);
    run(&fs, Syncing::Always, &mut Ledger { synced: 0, begun: COMMITS }).unwrap();
    assert_eq!(outcome(&fs.killed(), "after it went on"), Ok((COMMITS, false)));
}
