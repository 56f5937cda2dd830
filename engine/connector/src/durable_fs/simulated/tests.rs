//! Tests of the simulated file system.

use super::*;

const FILE: &str = "/d/file";
const DIR: &str = "/d";

fn fs() -> SimulatedFs {
    let fs = SimulatedFs::default();
    fs.create_dir_all(Path::new(DIR)).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    fs
}

fn write(fs: &SimulatedFs, path: &str, bytes: &[u8]) -> Box<dyn DurableFile> {
    let mut file = fs.create(Path::new(path)).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn read(fs: &SimulatedFs, path: &str) -> Option<Vec<u8>> {
    fs.read(Path::new(path)).ok()
}

/// Every outcome of a power failure that some seed gives.
fn outcomes<T: Ord>(fs: &SimulatedFs, look: impl Fn(&SimulatedFs) -> T) -> std::collections::BTreeSet<T> {
    (0..400).map(|seed| look(&fs.power_loss(seed))).collect()
}

#[test]
fn what_is_synced_with_its_name_survives_every_power_failure() {
    let fs = fs();
    write(&fs, FILE, b"kept").sync().unwrap();
    fs.sync_dir(Path::new(DIR)).unwrap();
    assert_eq!(outcomes(&fs, |fs| read(fs, FILE)), [Some(b"kept".to_vec())].into());
}

#[test]
fn a_name_that_is_not_synced_may_go_and_takes_the_content_along() {
    let fs = fs();
    write(&fs, FILE, b"kept").sync().unwrap();
    assert_eq!(outcomes(&fs, |fs| read(fs, FILE)), [None, Some(b"kept".to_vec())].into());
}

#[test]
fn writes_that_are_not_synced_are_kept_lost_torn_and_reordered_by_sector() {
    let fs = fs();
    let mut file = write(&fs, FILE, b"");
    fs.sync_dir(Path::new(DIR)).unwrap();
    file.write_all(&[1; 512]).unwrap();
    file.write_all(&[2; 512]).unwrap();
    let firsts = |fs: &SimulatedFs| {
        let content = read(fs, FILE).unwrap();
        (content.first().copied(), content.get(512).copied())
    };
    let expected = [(None, None), (Some(1), None), (Some(0), Some(2)), (Some(1), Some(2))];
    assert_eq!(outcomes(&fs, firsts), expected.into());
    assert_eq!(firsts(&fs.killed()), (Some(1), Some(2)));
}

#[test]
fn a_rename_is_whole_or_not_there() {
    let fs = fs();
    write(&fs, "/d/old", b"old").sync().unwrap();
    write(&fs, "/d/new", b"new").sync().unwrap();
    fs.sync_dir(Path::new(DIR)).unwrap();
    fs.rename(Path::new("/d/new"), Path::new("/d/old")).unwrap();
    let seen = outcomes(&fs, |fs| (read(fs, "/d/old"), read(fs, "/d/new")));
    let (old, new) = (b"old".to_vec(), b"new".to_vec());
    assert_eq!(seen, [(Some(old), Some(new.clone())), (Some(new), None)].into());
}

#[test]
fn no_file_has_two_names_after_a_power_failure() {
    let fs = fs();
    write(&fs, "/d/tmp", b"new").sync().unwrap();
    fs.rename(Path::new("/d/tmp"), Path::new("/d/new")).unwrap();
    let seen = outcomes(&fs, |fs| fs.list(Path::new(DIR)).unwrap());
    assert_eq!(seen, [vec![], vec!["new".to_owned()], vec!["tmp".to_owned()]].into());
}

#[test]
fn after_a_failed_sync_a_later_one_does_not_save_what_was_written_before() {
    let fs = fs();
    let mut file = write(&fs, FILE, b"");
    fs.sync_dir(Path::new(DIR)).unwrap();
    file.write_all(b"lost").unwrap();
    fs.fail(fs.operations() + 1, Fault::Io);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(outcomes(&fs, |fs| read(fs, FILE)), [Some(Vec::new()), Some(b"lost".to_vec())].into());
    // The same bytes written once more are on the disk after a sync.
    write(&fs, "/d/copy", b"lost").sync().unwrap();
    fs.sync_dir(Path::new(DIR)).unwrap();
    assert_eq!(outcomes(&fs, |fs| read(fs, "/d/copy")), [Some(b"lost".to_vec())].into());
}

#[test]
fn a_dead_process_does_nothing_more_and_its_last_write_is_half_done() {
    let fs = fs();
    let mut file = write(&fs, FILE, b"");
    fs.crash_after(fs.operations());
    assert_eq!(file.write_all(b"abcd").unwrap_err().to_string(), "the process is dead");
    assert!(file.write_all(b"ef").is_err() && file.sync().is_err());
    assert!(fs.read(Path::new(FILE)).is_err() && fs.list(Path::new(DIR)).is_err());
    assert_eq!(read(&fs.killed(), FILE), Some(b"ab".to_vec()));
}

#[test]
fn faults_hit_one_operation() {
    let fs = fs();
    let mut file = write(&fs, FILE, b"");
    let next = fs.operations() + 1;
    fs.fail(next, Fault::ShortWrite);
    fs.fail(next + 1, Fault::Interrupted);
    fs.fail(next + 3, Fault::NoSpace);
    file.write_all(b"abcd").unwrap();
    assert_eq!(read(&fs, FILE), Some(b"abcd".to_vec()));
    assert_eq!(file.write_all(b"xy").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(read(&fs, FILE), Some(b"abcdx".to_vec()));
}

#[test]
fn a_lock_ends_with_its_guard_and_with_its_process() {
    let (fs, path) = (fs(), Path::new("/d/LOCK"));
    let guard = fs.lock(path).unwrap().unwrap();
    assert!(fs.clone().lock(path).unwrap().is_none());
    assert!(fs.killed().lock(path).unwrap().is_some());
    drop(guard);
    assert!(fs.lock(path).unwrap().is_some());
}

#[test]
fn the_same_seed_takes_the_same() {
    let fs = fs();
    write(&fs, FILE, &[7; 4096]);
    for seed in 0..50 {
        assert_eq!(read(&fs.power_loss(seed), FILE), read(&fs.power_loss(seed), FILE));
    }
}

#[test]
fn appending_truncating_and_listing_are_those_of_the_operating_system() {
    let (fs, dir) = (fs(), Path::new(DIR));
    write(&fs, FILE, b"abc");
    fs.append(Path::new(FILE)).unwrap().write_all(b"def").unwrap();
    fs.truncate(Path::new(FILE), 4).unwrap();
    assert_eq!(read(&fs, FILE), Some(b"abcd".to_vec()));
    assert_eq!((fs.length(Path::new(FILE)).unwrap(), fs.length(Path::new("/d/no")).unwrap()), (Some(4), None));
    assert!(fs.length(dir).is_err());
    assert_eq!(fs.list(dir).unwrap(), ["file"]);
    assert_eq!(fs.list(Path::new("/no")).unwrap(), Vec::<String>::new());
    fs.remove(Path::new(FILE)).unwrap();
    assert_eq!(fs.remove(Path::new(FILE)).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(fs.create(Path::new("/no/file")).is_err());
}
