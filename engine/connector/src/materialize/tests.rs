//! The cache against races, damage, other users and its own size.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use velaria_contract::ErrorCode;

use super::*;
use crate::{FileAccess, LocalFile};

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn settings(&self) -> Materialization {
        Materialization::new(self.dir.path().join("cache"))
    }

    fn store(&self, format: DataFormat) -> Store {
        Store::open(&FileAccess::default(), &Materialization { format, ..self.settings() }).unwrap().unwrap()
    }

    fn source(&self, name: &str, content: &str) -> SourceIdentity {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        self.identity(name)
    }

    fn identity(&self, name: &str) -> SourceIdentity {
        let path = self.dir.path().join(name);
        let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap()).unwrap();
        SourceIdentity::of(&file, "csv", "delimiter=,").unwrap()
    }

    /// Every file of the cache but its lock, by name.
    fn files(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.dir.path().join("cache")).unwrap().flatten().map(|entry| entry.path());
        let folders = entries.filter(|path| path.is_dir());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().flatten().collect::<Vec<_>>());
        files.map(|file| file.file_name().into_string().unwrap()).collect()
    }
}

fn rows(first: i64, count: i64) -> RecordBatch {
    let numbers: Vec<i64> = (first..first + count).collect();
    let words: Vec<Option<String>> = numbers.iter().map(|n| (n % 7 != 0).then(|| format!("word {n}"))).collect();
    let columns: [(&str, ArrayRef); 2] =
        [("n", Arc::new(Int64Array::from(numbers))), ("w", Arc::new(StringArray::from(words)))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true))).unwrap()
}

fn put(store: &Store, source: &SourceIdentity, batches: &[RecordBatch]) -> CachedTable {
    let mut writer = store.writer(source, &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    store.publish(source, writer).unwrap()
}

fn read(table: &CachedTable, projection: Option<&Vec<usize>>, partitions: usize) -> RecordBatch {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let plan = table.scan(&context.state(), projection, &[], None).await.unwrap();
        let schema = plan.schema();
        let batches = collect(plan, context.task_ctx()).await.unwrap();
        concat_batches(&schema, &batches).unwrap()
    })
}

#[test]
fn every_format_gives_back_the_rows_in_any_projection() {
    for format in DataFormat::ALL {
        let fixture = Fixture::new();
        let store = fixture.store(format);
        let source = fixture.source("a.csv", "a\n1\n");
        assert!(store.find(&source).is_none());
        let batches = [rows(0, 1000), rows(1000, 1), rows(1001, 5000)];
        put(&store, &source, &batches);
        let table = store.find(&source).unwrap();
        let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(table.schema(), whole.schema());
        assert_eq!(table.rows(), 6001);
        assert_eq!(fixture.files(), BTreeSet::from(["meta.txt".to_owned(), format.file_name().to_owned()]));
        assert_eq!(read(&table, None, 1), whole);
        for projection in [vec![0], vec![1], vec![1, 0], vec![]] {
            let expected = whole.project(&projection).unwrap();
            assert_eq!(read(&table, Some(&projection), 1), expected, "{projection:?}");
            assert_eq!(read(&table, Some(&projection), 3).num_rows(), 6001);
        }
    }
}

#[test]
fn a_table_without_rows_has_its_columns() {
    for format in DataFormat::ALL {
        let fixture = Fixture::new();
        let (store, source) = (fixture.store(format), fixture.source("a.csv", "n,w\n"));
        put(&store, &source, &[rows(0, 0)]);
        let table = store.find(&source).unwrap();
        assert_eq!(read(&table, None, 4), rows(0, 0), "{format:?}");
    }
}

#[test]
fn rows_are_those_of_one_state_of_the_file_and_of_its_options() {
    let fixture = Fixture::new();
    let store = fixture.store(DataFormat::Binary);
    let source = fixture.source("a.csv", "a\n1\n");
    put(&store, &source, &[rows(0, 3)]);
    assert_eq!(store.find(&fixture.identity("a.csv")).unwrap().rows(), 3);

    let other_options = SourceIdentity { options: "delimiter=;".to_owned(), ..source.clone() };
    assert!(store.find(&other_options).is_none());
    for change in [
        |version: &mut identity::Version| version.bytes += 1,
        |version: &mut identity::Version| version.modified_ns += 1,
        |version: &mut identity::Version| version.changed_ns += 1,
        |version: &mut identity::Version| version.inode += 1,
        |version: &mut identity::Version| version.device += 1,
    ] {
        let mut changed = source.clone();
        change(&mut changed.version);
        assert!(store.find(&changed).is_none());
    }
    assert!(fixture.store(DataFormat::Nanoarrow).find(&source).is_none(), "the rows are kept in another format");
    assert_eq!(store.find(&source).unwrap().rows(), 3, "nothing of that forgot them");

    // A file of the same size and times in the place of the first is another file.
    let path = fixture.dir.path().join("a.csv");
    fs::write(fixture.dir.path().join("b.csv"), "a\n2\n").unwrap();
    fs::rename(fixture.dir.path().join("b.csv"), &path).unwrap();
    assert!(store.find(&fixture.identity("a.csv")).is_none());
}

#[test]
fn another_format_takes_the_place_of_the_first() {
    let fixture = Fixture::new();
    let source = fixture.source("a.csv", "a\n1\n");
    for format in DataFormat::ALL {
        put(&fixture.store(format), &source, &[rows(0, 3)]);
        assert_eq!(fixture.files(), BTreeSet::from(["meta.txt".to_owned(), format.file_name().to_owned()]));
    }
}

#[test]
fn finding_rows_writes_no_file() {
    let fixture = Fixture::new();
    let (store, source) = (fixture.store(DataFormat::Binary), fixture.source("a.csv", "a\n1\n"));
    put(&store, &source, &[rows(0, 3)]);
    let entry = fixture.dir.path().join("cache").join(source.id());
    let modified = || ["meta.txt", "table.bin"].map(|name| fs::metadata(entry.join(name)).unwrap().modified().unwrap());
    let before = modified();
    thread::sleep(std::time::Duration::from_millis(30));
    assert!(store.find(&source).is_some());
    put(&store, &source, &[rows(0, 3)]);
    assert_eq!(modified(), before, "also when the rows are already there");
}

#[test]
fn damage_anywhere_is_found_and_repaired() {
    for format in [DataFormat::Binary, DataFormat::Parquet] {
        let fixture = Fixture::new();
        let (store, source) = (fixture.store(format), fixture.source("a.csv", "a\n1\n"));
        let batches = [rows(0, 300)];
        put(&store, &source, &batches);
        let entry = fixture.dir.path().join("cache").join(source.id());
        for (name, step) in [(format.file_name(), 64), ("meta.txt", 1)] {
            let path = entry.join(name);
            let whole = fs::read(&path).unwrap();
            let damages = (0..whole.len()).step_by(step);
            let flipped = damages.clone().map(|at| {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x20;
                bytes
            });
            let cut = damages.map(|at| whole[..at].to_vec());
            let longer = [[whole.as_slice(), b"x"].concat(), Vec::new()];
            for bytes in flipped.chain(cut).chain(longer) {
                fs::write(&path, &bytes).unwrap();
                assert!(store.find(&source).is_none(), "{name}: {} bytes", bytes.len());
                put(&store, &source, &batches);
                assert_eq!(read(&store.find(&source).unwrap(), None, 1), batches[0], "{name} is written anew");
            }
        }
    }
}

#[test]
fn a_missing_part_is_a_missing_entry() {
    let fixture = Fixture::new();
    let (store, source) = (fixture.store(DataFormat::Binary), fixture.source("a.csv", "a\n1\n"));
    let entry = fixture.dir.path().join("cache").join(source.id());
    for name in ["table.bin", "meta.txt"] {
        put(&store, &source, &[rows(0, 3)]);
        fs::remove_file(entry.join(name)).unwrap();
        assert!(store.find(&source).is_none(), "{name}");
    }
    put(&store, &source, &[rows(0, 3)]);
    assert_eq!(store.find(&source).unwrap().rows(), 3);
}

#[test]
fn what_is_dropped_or_fails_leaves_nothing() {
    let fixture = Fixture::new();
    let (store, source) = (fixture.store(DataFormat::Binary), fixture.source("a.csv", "a\n1\n"));
    let mut writer = store.writer(&source, &rows(0, 1).schema()).unwrap();
    writer.write(&rows(0, 100)).unwrap();
    drop(writer);
    assert_eq!(fixture.files(), BTreeSet::new());
}

#[test]
fn writers_and_readers_at_the_same_time_see_whole_rows_only() {
    let fixture = Fixture::new();
    let store = fixture.store(DataFormat::Binary);
    let source = fixture.source("a.csv", "a\n1\n");
    let start = Barrier::new(6);
    thread::scope(|scope| {
        for thread in 0..6 {
            let (store, source, start, fixture) = (&store, &source, &start, &fixture);
            let entry = fixture.dir.path().join("cache").join(source.id());
            scope.spawn(move || {
                start.wait();
                for round in 0..20 {
                    match thread {
                        // Batches are cut in as many ways as there are writers: the files differ, the rows do not.
                        0..3 => {
                            let half = 100 + 10 * thread;
                            put(store, source, &[rows(0, half), rows(half, 500 - half)]);
                        }
                        // Somebody damages the data from time to time.
                        3 if round % 5 == 0 => {
                            let damaged = tempfile::NamedTempFile::new_in(fixture.dir.path()).unwrap();
                            fs::write(damaged.path(), "damaged").unwrap();
                            let _ = damaged.persist(entry.join("table.bin"));
                        }
                        _ => {
                            if let Some(table) = store.find(source) {
                                assert_eq!(table.rows(), 500);
                                assert_eq!(read(&table, None, 2).num_rows(), 500);
                            }
                        }
                    }
                }
            });
        }
    });
    put(&store, &source, &[rows(0, 500)]);
    assert_eq!(read(&store.find(&source).unwrap(), None, 1), rows(0, 500));
    assert_eq!(fixture.files(), BTreeSet::from(["meta.txt".to_owned(), "table.bin".to_owned()]));
}

#[test]
fn a_table_stays_readable_when_the_cache_forgets_it() {
    for format in DataFormat::ALL {
        let fixture = Fixture::new();
        let (store, source) = (fixture.store(format), fixture.source("a.csv", "a\n1\n"));
        let table = put(&store, &source, &[rows(0, 1000)]);
        fs::remove_dir_all(fixture.dir.path().join("cache")).unwrap();
        assert_eq!(read(&table, None, 1), rows(0, 1000));
    }
}

#[test]
fn a_writer_that_was_stopped_is_not_waited_for() {
    let fixture = Fixture::new();
    let store = fixture.store(DataFormat::Binary);
    let (kept, other) = (fixture.source("a.csv", "a\n1\n"), fixture.source("b.csv", "a\n1\n"));
    put(&store, &kept, &[rows(0, 3)]);
    let stopped = fs::File::open(fixture.settings().dir.join(".lock")).unwrap();
    stopped.lock().unwrap();
    let mut writer = store.writer(&other, &rows(0, 1).schema()).unwrap();
    writer.write(&rows(0, 5)).unwrap();
    assert_eq!(store.publish(&other, writer).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    assert_eq!(store.find(&kept).unwrap().rows(), 3, "readers need no lock");
    drop(stopped);
    put(&store, &other, &[rows(0, 5)]);
    assert_eq!(store.find(&other).unwrap().rows(), 5);
}

#[test]
fn a_file_that_is_written_into_while_it_is_used_is_an_error() {
    let fixture = Fixture::new();
    let (store, source) = (fixture.store(DataFormat::Binary), fixture.source("a.csv", "a\n1\n"));
    let table = put(&store, &source, &[rows(0, 1000)]);
    thread::sleep(std::time::Duration::from_millis(30));
    let path = fixture.dir.path().join("cache").join(source.id()).join("table.bin");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let context = SessionContext::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let failed = runtime.block_on(table.scan(&context.state(), None, &[], None)).unwrap_err();
    assert!(failed.to_string().contains("the kept rows of a file were damaged while they were in use"), "{failed}");
    fs::write(&path, whole).unwrap();
    assert_eq!(read(&table, None, 1), rows(0, 1000), "the same content is checked and taken");
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let fixture = Fixture::new();
    let settings = fixture.settings();
    let sources: Vec<_> = (0..4).map(|index| fixture.source(&format!("{index}.csv"), "a\n1\n")).collect();
    let unbounded = fixture.store(DataFormat::Binary);
    let tick = || thread::sleep(std::time::Duration::from_millis(20));
    for source in &sources[..3] {
        put(&unbounded, source, &[rows(0, 1000)]);
        tick();
    }
    let entry = settings.dir.join(sources[0].id());
    let size: u64 = fs::read_dir(&entry).unwrap().flatten().map(|file| file.metadata().unwrap().len()).sum();
    // What is not ours stays, and does not count.
    fs::write(settings.dir.join("notes.txt"), vec![b'x'; 100_000]).unwrap();
    fs::create_dir(settings.dir.join("folder")).unwrap();
    // The first is used again, so the second is the oldest.
    assert!(unbounded.find(&sources[0]).is_some());
    tick();
    let bounded = Materialization { bytes_max: 3 * size + size / 2, ..settings.clone() };
    let bounded = Store::open(&FileAccess::default(), &bounded).unwrap().unwrap();
    put(&bounded, &sources[3], &[rows(0, 1000)]);
    let found: Vec<bool> = sources.iter().map(|source| bounded.find(source).is_some()).collect();
    assert_eq!(found, [true, false, true, true]);
    assert!(settings.dir.join("notes.txt").exists() && settings.dir.join("folder").exists());

    // Rows that alone are too large are not kept at all.
    let tiny = Materialization { bytes_max: 1000, ..settings };
    let tiny = Store::open(&FileAccess::default(), &tiny).unwrap().unwrap();
    let source = fixture.source("large.csv", "a\n1\n");
    let mut writer = tiny.writer(&source, &rows(0, 1).schema()).unwrap();
    let written = (0..100).map(|_| writer.write(&rows(0, 1000))).find(Result::is_err);
    assert!(written.unwrap().unwrap_err().to_string().contains("file too large"));
}

#[test]
fn a_session_that_changes_nothing_reads_a_cache_and_writes_none() {
    let fixture = Fixture::new();
    let source = fixture.source("a.csv", "a\n1\n");
    let read_only = FileAccess::new(true, None).unwrap();
    assert!(Store::open(&read_only, &fixture.settings()).unwrap().is_none());
    assert!(!fixture.settings().dir.exists());
    put(&fixture.store(DataFormat::Binary), &source, &[rows(0, 3)]);
    let store = Store::open(&read_only, &fixture.settings()).unwrap().unwrap();
    assert_eq!(store.find(&source).unwrap().rows(), 3);
    assert!(store.writer(&source, &rows(0, 1).schema()).is_err());
}

#[test]
fn a_session_with_allowed_paths_uses_a_cache_beneath_them_only() {
    let fixture = Fixture::new();
    let other = tempfile::tempdir().unwrap();
    let open = |allowed: &Path| {
        Store::open(&FileAccess::new(false, Some(&[allowed.to_path_buf()])).unwrap(), &fixture.settings()).unwrap()
    };
    assert!(open(other.path()).is_none());
    assert!(open(fixture.dir.path()).is_some());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn refusal(settings: &Materialization) -> String {
        let error = Store::open(&FileAccess::default(), settings).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AccessDenied);
        error.message().rsplit(": ").next().unwrap().to_owned()
    }

    #[test]
    fn nobody_else_can_read_what_is_kept() {
        let fixture = Fixture::new();
        let (store, source) = (fixture.store(DataFormat::Binary), fixture.source("a.csv", "a\n1\n"));
        put(&store, &source, &[rows(0, 3)]);
        let root = fixture.settings().dir;
        let entry = root.join(source.id());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&root), mode(&entry)), (0o700, 0o700));
        let files = [entry.join("meta.txt"), entry.join("table.bin"), root.join(".lock")];
        assert_eq!(files.map(|path| mode(&path)), [0o600; 3]);
    }

    #[test]
    fn directories_that_others_could_fill_are_refused() {
        let fixture = Fixture::new();
        let settings = fixture.settings();
        fs::create_dir(&settings.dir).unwrap();
        for mode in [0o777, 0o770, 0o1777, 0o702] {
            fs::set_permissions(&settings.dir, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(refusal(&settings), "other users may write into it; chmod 700 closes it");
        }
        fs::set_permissions(&settings.dir, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Store::open(&FileAccess::default(), &settings).unwrap().is_some());

        let link = Materialization::new(fixture.dir.path().join("link"));
        symlink(&settings.dir, &link.dir).unwrap();
        assert_eq!(refusal(&link), "it is a symbolic link");
        let dangling = Materialization::new(fixture.dir.path().join("dangling"));
        symlink(fixture.dir.path().join("nowhere"), &dangling.dir).unwrap();
        assert_eq!(refusal(&dangling), "it is a symbolic link");
        let file = Materialization::new(fixture.dir.path().join("file"));
        fs::write(&file.dir, "x").unwrap();
        assert_eq!(refusal(&file), "it is not a directory");
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        // Root owns these and others do not; who is root makes one for somebody else.
        let fixture = Fixture::new();
        let settings = fixture.settings();
        fs::create_dir(&settings.dir).unwrap();
        let other = match std::os::unix::fs::chown(&settings.dir, Some(12_345), None) {
            Ok(()) => settings,
            Err(_) => Materialization::new("/usr"),
        };
        assert_eq!(refusal(&other), "it belongs to another user");
    }

    #[test]
    fn an_entry_that_is_a_link_is_not_written_through() {
        let fixture = Fixture::new();
        let (store, source) = (fixture.store(DataFormat::Binary), fixture.source("a.csv", "a\n1\n"));
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), fixture.settings().dir.join(source.id())).unwrap();
        assert!(store.writer(&source, &rows(0, 1).schema()).is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn rows_and_descriptions_that_are_links_are_not_read() {
        let fixture = Fixture::new();
        let (store, source) = (fixture.store(DataFormat::Binary), fixture.source("a.csv", "a\n1\n"));
        let entry = fixture.settings().dir.join(source.id());
        for name in ["table.bin", "meta.txt"] {
            put(&store, &source, &[rows(0, 3)]);
            let elsewhere = fixture.dir.path().join(name);
            fs::rename(entry.join(name), &elsewhere).unwrap();
            symlink(&elsewhere, entry.join(name)).unwrap();
            assert!(store.find(&source).is_none(), "{name}");
            assert!(elsewhere.exists(), "only the link may be removed");
        }
    }

    #[test]
    fn a_place_without_write_access_is_no_cache_and_no_error() {
        let fixture = Fixture::new();
        // Not even root can make a directory there.
        let none = Materialization::new(Path::new("/proc/velaria/cache"));
        assert!(Store::open(&FileAccess::default(), &none).unwrap().is_none());
        drop(fixture);
    }
}
