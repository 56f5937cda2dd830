//! What a stream of files does when files come, change, and are not what they should be.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use velaria_contract::{ErrorCode, Result};

use super::{Directory, DirectoryStream};
use crate::stream::tests::{context, text};
use crate::{FileAccess, Format, Pull, ReadOptions, SourceContext, SourceOffset, StreamSource, StreamTable};

struct Case {
    dir: tempfile::TempDir,
    options: ReadOptions,
    format: Option<Format>,
    schema: Option<SchemaRef>,
}

fn case() -> Case {
    let schema = Schema::new(vec![Field::new("k", DataType::Utf8View, true), Field::new("v", DataType::Int64, true)]);
    Case {
        dir: tempfile::tempdir().unwrap(),
        options: ReadOptions::new().with("settle_ms", "0").with("delimiter", ","),
        format: Some(Format::Csv),
        schema: Some(Arc::new(schema)),
    }
}

impl Case {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.options = self.options.with(name, value);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("in").join(name)
    }

    /// A file with a row for each of `values`.
    fn put(&self, name: &str, values: std::ops::Range<i64>) {
        let rows: String = values.map(|value| format!("k{value},{value}\n")).collect();
        self.put_text(name, &format!("k,v\n{rows}"));
    }

    fn put_text(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path("")).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn stream(&self) -> Result<DirectoryStream> {
        let path = self.path("");
        DirectoryStream::open(
            &FileAccess::default(),
            &Directory {
                path: path.to_str().unwrap(),
                format: self.format,
                options: &self.options,
                columns: self.schema.as_deref(),
                type_of: &|_| Ok(DataType::Int64),
            },
        )
    }

    fn reader(&self, resume: Option<&str>) -> Box<dyn StreamSource> {
        let mut reader = self.stream().unwrap().reader().unwrap();
        let resume = resume.map(|text| SourceOffset(text.to_owned()));
        reader.open(&context(), resume.as_ref()).unwrap();
        reader
    }

    /// A reader for a query that keeps what it was told.
    fn kept_reader(&self, kept: &Kept) -> Box<dyn StreamSource> {
        let mut reader = self.stream().unwrap().reader().unwrap();
        let history = kept.history.clone();
        let context = SourceContext { checkpoint_path: "kept".to_owned(), history, ..context() };
        reader.open(&context, kept.offset.as_ref()).unwrap();
        reader
    }
}

/// What a checkpoint keeps of a source.
#[derive(Debug, Default, Clone)]
struct Kept {
    offset: Option<SourceOffset>,
    history: Vec<RecordBatch>,
}

impl Kept {
    fn keep(&mut self, reader: &mut dyn StreamSource, offset: &str) {
        self.offset = Some(SourceOffset(offset.to_owned()));
        self.history.extend(reader.take_history());
    }

    /// Reads all that is there, and keeps it.
    fn read(&mut self, case: &Case) -> Vec<i64> {
        let mut reader = case.kept_reader(self);
        let mut seen = Vec::new();
        while let Some((values, offset)) = next(reader.as_mut()) {
            seen.extend(values);
            self.keep(reader.as_mut(), &offset);
        }
        seen
    }
}

/// The values of the next micro-batch and the offset behind it; `None` when nothing is there.
fn try_next(reader: &mut dyn StreamSource) -> Result<Option<(Vec<i64>, String)>> {
    match reader.next_batch(&context())? {
        Pull::Batch(batch, offset) => Ok(Some((values(&batch), offset.0))),
        Pull::Idle => Ok(None),
        Pull::End => panic!("a directory never ends"),
    }
}

fn next(reader: &mut dyn StreamSource) -> Option<(Vec<i64>, String)> {
    try_next(reader).unwrap()
}

/// Waits until the folder was looked at again.
fn wait(reader: &mut dyn StreamSource) -> (Vec<i64>, String) {
    (0..1000)
        .find_map(|_| {
            next(reader).or_else(|| {
                std::thread::sleep(Duration::from_millis(5));
                None
            })
        })
        .unwrap()
}

fn wait_for_error(reader: &mut dyn StreamSource) -> velaria_contract::Error {
    (0..1000)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(5));
            try_next(reader).err()
        })
        .unwrap()
}

fn values(batch: &RecordBatch) -> Vec<i64> {
    batch.column_by_name("v").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn all(reader: &mut dyn StreamSource) -> Vec<i64> {
    std::iter::from_fn(|| next(reader)).flat_map(|(values, _)| values).collect()
}

fn plain(values: std::ops::Range<i64>, offset: &str) -> Option<(Vec<i64>, String)> {
    Some((values.collect(), offset.to_owned()))
}

#[test]
fn files_are_read_in_the_order_of_their_names_and_the_name_is_the_offset() {
    let case = case();
    case.put("part-001.csv", 0..2);
    case.put("part-002.csv", 2..5);
    case.put(".hidden.csv", 90..91);
    case.put("_SUCCESS", 90..91);
    for ending in ["tmp", "part", "crdownload"] {
        case.put(&format!("x.{ending}"), 90..91);
    }
    fs::create_dir(case.path("folder")).unwrap();
    let mut reader = case.reader(None);
    assert_eq!(next(reader.as_mut()), plain(0..2, "part-001.csv"));
    assert_eq!(next(reader.as_mut()), plain(2..5, "part-002.csv"));
    assert_eq!(next(reader.as_mut()), None);
    case.put("part-003.csv", 5..6);
    assert_eq!(wait(reader.as_mut()), plain(5..6, "part-003.csv").unwrap());
    let mut again = case.reader(Some("part-001.csv"));
    assert_eq!(next(again.as_mut()), plain(2..5, "part-002.csv"));
}

#[test]
fn a_smaller_name_that_comes_later_is_read_also_after_a_restart() {
    let case = case();
    case.put("b.csv", 0..2);
    let mut kept = Kept::default();
    let mut reader = case.kept_reader(&kept);
    assert_eq!(next(reader.as_mut()), plain(0..2, "b.csv"));
    kept.keep(reader.as_mut(), "b.csv");
    case.put("a.csv", 2..3);
    case.put("aa.csv", 3..4);
    case.put("c.csv", 4..5);
    // After a crash right here,
    assert_eq!(all(case.kept_reader(&kept).as_mut()), [2, 3, 4]);
    // and without one.
    for (values, name) in [(2..3, "a.csv"), (3..4, "aa.csv"), (4..5, "c.csv")] {
        let rest: Vec<i64> = (values.end..5).collect();
        assert_eq!(wait(reader.as_mut()), plain(values, name).unwrap());
        kept.keep(reader.as_mut(), name);
        assert_eq!(all(case.kept_reader(&kept).as_mut()), rest);
    }
}

#[test]
fn what_is_moved_into_the_folder_while_nobody_reads_is_new_whatever_its_age() {
    let case = case().with("rows_per_batch", "2");
    case.put("n.tmp", 10..11);
    case.put("m.csv", 0..3);
    let mut kept = Kept::default();
    let mut reader = case.kept_reader(&kept);
    let (values, offset) = next(reader.as_mut()).unwrap();
    assert_eq!(values, [0, 1]);
    kept.keep(reader.as_mut(), &offset);
    drop(reader);
    // In the middle of the first file,
    fs::rename(case.path("n.tmp"), case.path("b.csv")).unwrap();
    assert_eq!(kept.read(&case), [2, 10]);
    // behind it, from another folder with its old time,
    let other = case.dir.path().join("other.csv");
    fs::write(&other, "k,v\nk,11\n").unwrap();
    let old = fs::File::options().write(true).open(&other).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(9)).unwrap();
    fs::rename(&other, case.path("a.csv")).unwrap();
    assert_eq!(kept.read(&case), [11]);
    // and as one more name of a file that was read.
    fs::hard_link(case.path("m.csv"), case.path("aa.csv")).unwrap();
    assert_eq!(kept.read(&case), [0, 1, 2]);
    assert_eq!(kept.read(&case), Vec::<i64>::new());
}

#[test]
fn a_file_that_changed_after_it_was_read_is_told_also_when_nobody_read_then() {
    for how in ["append", "truncate", "cut", "replace"] {
        for rows_per_batch in ["1", "9"] {
            let case = case().with("rows_per_batch", rows_per_batch);
            case.put("a.csv", 0..2);
            case.put("b.csv", 2..5);
            let mut kept = Kept::default();
            assert_eq!(kept.read(&case), [0, 1, 2, 3, 4]);
            change(&case, how);
            let error = try_next(case.kept_reader(&kept).as_mut()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::SourceChanged, "{how}");
            let case = case.with("on_change", "skip");
            case.put("c.csv", 5..6);
            let mut reader = case.kept_reader(&kept);
            assert_eq!(next(reader.as_mut()), plain(5..6, "c.csv"), "{how}");
            assert_eq!(reader.notes().skipped_files, 1, "{how}");
            // It is told once.
            kept.keep(reader.as_mut(), "c.csv");
            let mut reader = case.kept_reader(&kept);
            assert_eq!((next(reader.as_mut()), reader.notes().skipped_files), (None, 0), "{how}");
        }
    }
}

#[test]
fn a_file_that_was_gone_is_new_when_it_comes_back_also_after_a_restart() {
    let case = case();
    case.put("a.csv", 0..1);
    let mut kept = Kept::default();
    assert_eq!(kept.read(&case), [0]);
    fs::remove_file(case.path("a.csv")).unwrap();
    case.put("b.csv", 1..2);
    assert_eq!(kept.read(&case), [1]);
    case.put("a.csv", 2..3);
    assert_eq!(kept.read(&case), [2]);
    assert_eq!(kept.read(&case), Vec::<i64>::new());
}

#[test]
fn a_file_that_was_long_in_the_making_is_read_after_a_restart() {
    let case = case();
    case.put("a.tmp", 2..3);
    std::thread::sleep(Duration::from_millis(20));
    case.put("b.csv", 0..2);
    let mut kept = Kept::default();
    assert_eq!(kept.read(&case), [0, 1]);
    std::thread::sleep(Duration::from_millis(20));
    fs::rename(case.path("a.tmp"), case.path("a.csv")).unwrap();
    assert_eq!(kept.read(&case), [2]);
}

#[test]
fn every_order_of_arrival_goes_on_exactly_after_every_micro_batch() {
    for order in [["a", "b", "c", "d"], ["d", "c", "b", "a"], ["b", "d", "a", "c"], ["c", "a", "d", "b"]] {
        for together in 1..=4 {
            let case = case().with("rows_per_batch", "2");
            let mut kept = Kept::default();
            let mut reader = case.kept_reader(&kept);
            let mut seen = Vec::new();
            let mut given = 0;
            for (place, name) in order.iter().enumerate() {
                case.put(name, given..given + 3);
                given += 3;
                if (place + 1) % together > 0 && place < 3 {
                    continue;
                }
                while seen.len() < given as usize {
                    let (values, offset) = wait(reader.as_mut());
                    seen.extend(values);
                    kept.keep(reader.as_mut(), &offset);
                    let mut rest = all(case.kept_reader(&kept).as_mut());
                    rest.extend(&seen);
                    rest.sort_unstable();
                    assert_eq!(rest, (0..given).collect::<Vec<_>>(), "{order:?} {together} {offset}");
                }
            }
        }
    }
}

#[test]
fn an_empty_file_is_read_when_something_is_in_it() {
    let case = case();
    case.put_text("a.csv", "");
    case.put("b.csv", 0..2);
    let mut kept = Kept::default();
    let mut reader = case.kept_reader(&kept);
    let (_, offset) = next(reader.as_mut()).unwrap();
    kept.keep(reader.as_mut(), &offset);
    assert_eq!(next(reader.as_mut()), None);
    fs::write(case.path("a.csv"), "k,v\nk,7\n").unwrap();
    assert_eq!(wait(reader.as_mut()).0, [7]);
    assert_eq!(all(case.kept_reader(&kept).as_mut()), [7]);
}

#[test]
fn a_file_is_cut_into_micro_batches_and_gone_on_with_inside() {
    let case = case().with("rows_per_batch", "2");
    case.put("a.csv", 0..5);
    case.put("b.csv", 5..7);
    let mut reader = case.reader(None);
    let (first, offset) = next(reader.as_mut()).unwrap();
    assert_eq!(first, [0, 1]);
    assert!(offset.starts_with("{\"file\":\"a.csv\",\"rows\":2,"), "{offset}");
    assert_eq!(all(case.reader(Some(&offset)).as_mut()), [2, 3, 4, 5, 6]);
    let (_, offset) = next(reader.as_mut()).unwrap();
    let mut again = case.reader(Some(&offset));
    assert_eq!(next(again.as_mut()), plain(4..5, "a.csv"));
    assert_eq!(next(again.as_mut()), plain(5..7, "b.csv"));
}

#[test]
fn a_half_written_file_is_read_when_it_is_complete() {
    let case = case().with("settle_ms", "60");
    let mut kept = Kept::default();
    let mut reader = case.kept_reader(&kept);
    case.put_text("a.csv", "k,v\nk0,0\nk1");
    assert_eq!(next(reader.as_mut()), None);
    fs::write(case.path("a.csv"), "k,v\nk0,0\nk1,1\n").unwrap();
    let (values, offset) = wait(reader.as_mut());
    assert_eq!(values, [0, 1]);
    kept.keep(reader.as_mut(), &offset);
    // One that is not complete yet is not taken for read because a larger name was.
    std::thread::sleep(Duration::from_millis(80));
    case.put("c.csv", 2..3);
    std::thread::sleep(Duration::from_millis(80));
    case.put("b.csv", 3..4);
    let (values, offset) = wait(reader.as_mut());
    assert_eq!(values, [2]);
    kept.keep(reader.as_mut(), &offset);
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(all(case.kept_reader(&kept).as_mut()), [3]);
}

fn change(case: &Case, how: &str) {
    std::thread::sleep(Duration::from_millis(12));
    let path = case.path("a.csv");
    match how {
        "append" => fs::write(&path, text(&path) + "k9,9\n").unwrap(),
        "truncate" => fs::write(&path, "").unwrap(),
        "cut" => fs::write(&path, "k,v\nk0,").unwrap(),
        "replace" => {
            case.put("new.tmp", 50..53);
            fs::rename(case.path("new.tmp"), &path).unwrap();
        }
        "delete" => fs::remove_file(&path).unwrap(),
        "directory" => {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
        "loop" => {
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(&path, &path).unwrap();
        }
        "pipe" => {
            fs::remove_file(&path).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        }
        _ => unreachable!(),
    }
}

const CHANGES: [&str; 8] = ["append", "truncate", "cut", "replace", "delete", "directory", "loop", "pipe"];

#[test]
fn a_file_that_changes_while_it_is_read_fails_the_query_or_is_passed_over() {
    for how in CHANGES {
        for policy in ["fail", "skip"] {
            let case = case().with("rows_per_batch", "2").with("on_change", policy);
            case.put("a.csv", 0..5);
            case.put("b.csv", 5..7);
            let mut reader = case.reader(None);
            assert_eq!(next(reader.as_mut()).unwrap().0, [0, 1]);
            change(&case, how);
            if policy == "fail" {
                let error = try_next(reader.as_mut()).unwrap_err();
                assert_eq!(error.code(), ErrorCode::SourceChanged, "{how}");
                assert!(error.message().contains("a.csv"), "{error}");
                continue;
            }
            assert_eq!(next(reader.as_mut()).unwrap().0, [5, 6], "{how}");
            assert_eq!(next(reader.as_mut()), None, "{how}");
            let notes = reader.notes();
            assert_eq!(notes.skipped_files, 1, "{how}");
            assert!(notes.warning.unwrap().contains("a.csv"), "{how}");
        }
    }
}

#[test]
fn a_file_that_changed_while_nobody_read_is_not_gone_on_with() {
    for how in CHANGES {
        let case = case().with("rows_per_batch", "2");
        case.put("a.csv", 0..5);
        let (_, offset) = next(case.reader(None).as_mut()).unwrap();
        change(&case, how);
        let error = try_next(case.reader(Some(&offset)).as_mut()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SourceChanged, "{how}");
        let case = case.with("on_change", "skip");
        assert_eq!(all(case.reader(Some(&offset)).as_mut()), Vec::<i64>::new(), "{how}");
    }
}

#[test]
fn a_file_that_changes_after_it_was_read_is_told_and_a_deleted_one_is_not_missed() {
    for how in ["append", "truncate", "cut", "replace"] {
        let case = case();
        case.put("a.csv", 0..2);
        let mut reader = case.reader(None);
        assert_eq!(next(reader.as_mut()), plain(0..2, "a.csv"));
        change(&case, how);
        assert_eq!(wait_for_error(reader.as_mut()).code(), ErrorCode::SourceChanged, "{how}");
    }
    for how in ["delete", "directory", "pipe", "loop"] {
        let case = case();
        case.put("a.csv", 0..2);
        let mut reader = case.reader(None);
        assert_eq!(next(reader.as_mut()), plain(0..2, "a.csv"));
        change(&case, how);
        case.put("b.csv", 2..3);
        assert_eq!(wait(reader.as_mut()).0, [2], "{how}");
    }
}

#[test]
fn malformed_rows_are_counted_and_kept() {
    let case = case();
    let bad = case.dir.path().join("bad");
    let case = case.with("quarantine_path", bad.to_str().unwrap());
    case.put_text("a.csv", "k,v\na,1\nb\nc,x\nd,4\n");
    case.put("b.csv", 5..6);
    let mut reader = case.reader(None);
    assert_eq!(next(reader.as_mut()), Some((vec![1, 4], "a.csv".to_owned())));
    assert_eq!(next(reader.as_mut()), plain(5..6, "b.csv"));
    let notes = reader.notes();
    assert_eq!((notes.bad_rows, notes.skipped_files), (2, 0));
    assert!(notes.warning.unwrap().ends_with("a.csv:3: wrong number of fields"));
    let kept = "line,byte_offset,column,reason,raw\n3,8,,wrong number of fields,b\n4,10,v,type mismatch,\"c,x\"\n";
    assert_eq!(text(&bad.join("a.csv.rejects.csv")), kept);
    // Reading it again leaves the same.
    all(case.reader(None).as_mut());
    assert_eq!(text(&bad.join("a.csv.rejects.csv")), kept);
}

#[test]
fn malformed_rows_fail_the_query_when_that_is_wanted() {
    let case = case().with("on_bad_row", "fail");
    case.put_text("a.csv", "k,v\na,1\nb,x\n");
    let error = try_next(case.reader(None).as_mut()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cast);
    assert!(error.message().contains("a.csv:3"), "{error}");
}

#[test]
fn malformed_rows_do_not_move_the_cuts() {
    let case = case().with("rows_per_batch", "2").with("on_bad_row", "skip");
    let rows: String =
        (0..200_000).map(|row| if row == 150_000 { "x\n".to_owned() } else { format!("k,{row}\n") }).collect();
    case.put_text("a.csv", &format!("k,v\n{rows}"));
    let case = case.with("rows_per_batch", "70000");
    let mut reader = case.reader(None);
    let first = next(reader.as_mut()).unwrap();
    assert_eq!((first.0.first(), first.0.last()), (Some(&0), Some(&69_999)));
    let mut rest = case.reader(Some(&first.1));
    let expected: Vec<i64> = (70_000..200_000).filter(|row| *row != 150_000).collect();
    assert!(all(rest.as_mut()) == expected);
    assert!(all(reader.as_mut()) == expected);
    assert_eq!(reader.notes().bad_rows, 1);
}

#[test]
fn a_poisoned_file_does_not_block_those_behind_it() {
    for (poison, code) in [
        (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], ErrorCode::MalformedFile),
        (b"<!DOCTYPE html><html><body>no</body></html>\n", ErrorCode::MalformedFile),
        (b"other,names\n1,2\n", ErrorCode::ColumnNotFound),
        (b"k,k,v\n1,2,3\n", ErrorCode::DuplicateColumn),
        (b"k,v\n\xff\xff,1\n", ErrorCode::InvalidEncoding),
    ] {
        for first in [true, false] {
            let case = case();
            if !first {
                case.put("0.csv", 0..1);
            }
            case.put("1.csv", 0..0);
            fs::write(case.path("1.csv"), poison).unwrap();
            case.put("2.csv", 1..2);
            let mut reader = case.reader(None);
            let expected: &[i64] = if first { &[1] } else { &[0, 1] };
            assert_eq!(all(reader.as_mut()), expected, "{code:?} {first}");
            let notes = reader.notes();
            assert_eq!(notes.skipped_files + notes.bad_rows, 1, "{code:?} {first}: {notes:?}");
            assert!(notes.warning.unwrap().contains("1.csv"));
            let case = case.with("on_bad_row", "fail");
            let mut reader = case.reader(None);
            let error = (0..3).find_map(|_| try_next(reader.as_mut()).err()).unwrap();
            assert!(error.message().contains("1.csv"), "{error}");
        }
    }
}

#[test]
fn columns_are_found_by_name_and_others_are_left() {
    let case = case();
    case.put_text("a.csv", "v,more,k\n1,x,a\n");
    case.put_text("b.csv", "\u{feff}k,v\nb,2\n");
    case.put_text("c.csv", "k,v\n");
    assert_eq!(all(case.reader(None).as_mut()), [1, 2]);
}

#[test]
fn names_may_be_strange() {
    use std::os::unix::ffi::OsStrExt;
    let case = case();
    let long = format!("{}.csv", "n".repeat(251));
    let names = ["a\nb.csv", "{\"file\".csv", "*[1]?.csv", "é.csv", long.as_str()];
    names.iter().zip(0..).for_each(|(name, value)| case.put(name, value..value + 1));
    fs::write(case.path("").join(std::ffi::OsStr::from_bytes(b"\xff.csv")), "k,v\n9,9\n").unwrap();
    let mut reader = case.reader(None);
    let mut seen = Vec::new();
    while let Some((values, offset)) = next(reader.as_mut()) {
        seen.extend(values);
        assert_eq!(all(case.reader(Some(&offset)).as_mut()).len(), 5 - seen.len(), "{offset}");
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    assert_eq!(reader.notes().warning.unwrap(), "1 files have names that are not UTF-8");
}

#[test]
fn many_small_files_are_read_once() {
    let case = case();
    fs::create_dir_all(case.path("")).unwrap();
    for number in 0..10_000 {
        fs::write(case.path(&format!("{number:05}.csv")), format!("k,v\nk,{number}\n")).unwrap();
    }
    let mut reader = case.reader(None);
    let mut seen = Vec::new();
    let mut longest = 0;
    while let Some((values, offset)) = next(reader.as_mut()) {
        seen.extend(values);
        longest = longest.max(offset.len());
    }
    assert!(seen == (0..10_000).collect::<Vec<_>>());
    assert!(longest < 100, "{longest}");
}

#[test]
fn other_formats_are_read() {
    let case = Case { format: None, schema: None, ..case() };
    let case = Case { options: ReadOptions::new().with("settle_ms", "0").with("pattern", "*.ndjson"), ..case };
    case.put_text("a.ndjson", "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n");
    case.put_text("b.ndjson", "{\"v\":3,\"more\":true}\n");
    case.put_text("c.ndjson", "{\"v\":\n");
    case.put_text("d.ndjson", "{\"v\":4}\n");
    case.put("e.csv", 9..10);
    let mut reader = case.reader(None);
    assert_eq!(all(reader.as_mut()), [1, 2, 3, 4]);
    assert_eq!(reader.notes().skipped_files, 1);

    let case = Case { options: ReadOptions::new().with("settle_ms", "0").with("rows_per_batch", "700"), ..case };
    let case = Case { dir: tempfile::tempdir().unwrap(), ..case };
    fs::create_dir(case.path("")).unwrap();
    let write = |name: &str, values: std::ops::Range<i64>| {
        let column = Arc::new(Int64Array::from_iter_values(values));
        let batch = RecordBatch::try_from_iter([("v", column as _)]).unwrap();
        let file = fs::File::create(case.path(name)).unwrap();
        let mut writer = datafusion::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    write("a.parquet", 0..1000);
    fs::write(case.path("b.parquet"), "PAR1PAR1").unwrap();
    write("c.parquet", 1000..1500);
    let mut reader = case.reader(None);
    assert!(all(reader.as_mut()) == (0..1500).collect::<Vec<_>>());
    assert_eq!(reader.notes().skipped_files, 1);
}

#[test]
fn columns_have_to_be_known() {
    let declared = case();
    assert_eq!(next(declared.reader(None).as_mut()), None);
    declared.put("a.csv", 0..1);
    assert_eq!(all(declared.reader(None).as_mut()), [0]);
    let case = Case { schema: None, ..case() };
    assert_eq!(case.stream().unwrap_err().code(), ErrorCode::InvalidArgument);
    case.put("a.csv", 0..1);
    assert_eq!(case.stream().unwrap().description().schema, declared.stream().unwrap().description().schema);
    fs::remove_dir_all(case.path("")).unwrap();
    fs::write(case.dir.path().join("in"), "k,v\n").unwrap();
    assert_eq!(case.stream().unwrap_err().code(), ErrorCode::NotAFile);
}

#[test]
fn an_offset_of_something_else_is_refused() {
    let case = case();
    for text in ["", "a/b.csv", "{\"file\":1}", "{}"] {
        let mut reader = case.stream().unwrap().reader().unwrap();
        let error = reader.open(&context(), Some(&SourceOffset(text.to_owned()))).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{text}");
    }
}

#[test]
fn only_what_the_session_may_read_is_read() {
    let case = case();
    case.put("a.csv", 0..1);
    let other = tempfile::tempdir().unwrap();
    let access = FileAccess::new(false, Some(&[other.path().to_path_buf()])).unwrap();
    let path = case.path("");
    let directory = Directory {
        path: path.to_str().unwrap(),
        format: case.format,
        options: &case.options,
        columns: case.schema.as_deref(),
        type_of: &|_| Ok(DataType::Int64),
    };
    assert_eq!(DirectoryStream::open(&access, &directory).unwrap_err().code(), ErrorCode::AccessDenied);
}

#[test]
fn other_rights_are_no_change() {
    use std::os::unix::fs::PermissionsExt;
    let case = case().with("rows_per_batch", "2");
    case.put("a.csv", 0..4);
    let mut reader = case.reader(None);
    let (_, offset) = next(reader.as_mut()).unwrap();
    fs::set_permissions(case.path("a.csv"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(next(reader.as_mut()).unwrap().0, [2, 3]);
    assert_eq!(all(case.reader(Some(&offset)).as_mut()), [2, 3]);
    assert_eq!(reader.notes().skipped_files, 0);
}
