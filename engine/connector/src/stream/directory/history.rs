//! The files that were read, as rows that go into the commits: one for each file when it was read, passed over, or is gone.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{Int64Type, UInt64Type};
use velaria_contract::{Error, ErrorCode, Result};

use super::progress::Stamp;

const COLUMNS: [&str; 4] = ["name", "bytes", "mtime_ns", "inode"];

/// The rows for `news`; a file without a stamp is gone.
pub(super) fn rows(news: &[(String, Option<Stamp>)]) -> Option<RecordBatch> {
    let names = StringArray::from_iter_values(news.iter().map(|(name, _)| name));
    let stamps = || news.iter().map(|(_, stamp)| stamp.as_ref());
    let columns: [ArrayRef; 4] = [
        Arc::new(names),
        Arc::new(stamps().map(|stamp| stamp.map(|stamp| stamp.bytes)).collect::<UInt64Array>()),
        Arc::new(stamps().map(|stamp| stamp.map(|stamp| stamp.modified_ns)).collect::<Int64Array>()),
        Arc::new(stamps().map(|stamp| stamp.map(|stamp| stamp.inode)).collect::<UInt64Array>()),
    ];
    let columns = COLUMNS.into_iter().zip(columns).map(|(name, column)| (name, column, true));
    // The columns are equally long and of the types that they say.
    RecordBatch::try_from_iter_with_nullable(columns).ok()
}

/// What `history` says of each file in the end.
pub(super) fn files(history: &[RecordBatch]) -> Result<HashMap<String, Stamp>> {
    let mut files = HashMap::new();
    for batch in history {
        read(batch, &mut files).ok_or_else(|| {
            Error::new(ErrorCode::CheckpointCorrupt, "the checkpoint holds no list of the files of a directory")
        })?;
    }
    Ok(files)
}

fn read(batch: &RecordBatch, files: &mut HashMap<String, Stamp>) -> Option<()> {
    let [names, bytes, modified, inodes] = COLUMNS.map(|name| batch.column_by_name(name));
    let names = names?.as_string_opt::<i32>()?;
    let bytes = bytes?.as_primitive_opt::<UInt64Type>()?;
    let modified = modified?.as_primitive_opt::<Int64Type>()?;
    let inodes = inodes?.as_primitive_opt::<UInt64Type>()?;
    for (row, name) in names.iter().enumerate() {
        let name = name?;
        match bytes.is_null(row) {
            true => files.remove(name),
            false => {
                let (bytes, modified_ns, inode) = (bytes.value(row), modified.value(row), inodes.value(row));
                files.insert(name.to_owned(), Stamp { bytes, modified_ns, inode })
            }
        };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_file_counts() {
        let stamp = |bytes| Stamp { bytes, modified_ns: -5, inode: u64::MAX };
        let news = [("a", Some(stamp(1))), ("b", Some(stamp(2))), ("a", Some(stamp(3)))];
        let gone = [("b", None), ("{c", Some(stamp(4)))];
        let rows = |news: &[(&str, Option<Stamp>)]| {
            rows(&news.iter().map(|(name, stamp)| ((*name).to_owned(), *stamp)).collect::<Vec<_>>()).unwrap()
        };
        let found = files(&[rows(&news), rows(&gone)]).unwrap();
        assert_eq!(found, HashMap::from([("a".to_owned(), stamp(3)), ("{c".to_owned(), stamp(4))]));
    }

    #[test]
    fn rows_of_something_else_are_refused() {
        let other = RecordBatch::try_from_iter([("name", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert_eq!(files(&[other]).unwrap_err().code(), ErrorCode::CheckpointCorrupt);
    }
}
