//! Laws of CSV that hold for any rows: what was written by RFC 4180 is read back, no record is lost, no thread is seen.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use velaria::arrow::array::{ArrayRef, RecordBatch, StringArray};
use velaria::{CsvOptions, DataFrame, Result, Session, wait};

use crate::{session, sql, text};

/// Above the size from which several threads read one file.
const LARGE_BYTES: usize = 22_000_000;

fn field() -> impl Strategy<Value = String> {
    "[a-c,;\"' \t\r\n#\\\\é🙂]{0,6}"
}

fn record() -> impl Strategy<Value = (String, String)> {
    (field(), field())
}

/// Everything that could be found out is said, so that only reading is on trial.
fn plain() -> CsvOptions {
    let mut options = CsvOptions::default();
    options.delimiter = Some(b',');
    options.quote = Some(Some(b'"'));
    options.escape = Some(None);
    options.comment = Some(None);
    options.header = Some(true);
    options.skip_rows = Some(0);
    options.encoding = Some("utf-8".to_owned());
    options.compression = Some("none".to_owned());
    options.all_text = true;
    options
}

fn read_csv(session: &Session, path: &Path) -> Result<DataFrame> {
    let (session, path) = (session.clone(), path.to_str().unwrap().to_owned());
    wait(async move { session.read_csv(&path, &plain()).await }, || Ok(()))
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

fn written(records: &[(String, String)], line_end: &str) -> String {
    let lines = records.iter().map(|(a, b)| format!("{},{}{line_end}", quoted(a), quoted(b)));
    std::iter::once(format!("a,b{line_end}")).chain(lines).collect()
}

/// The same rows without a file.
fn in_memory(session: &Session, records: &[(String, String)]) -> DataFrame {
    let column = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("a", column(records.iter().map(|record| record.0.as_str()).collect()), true),
        ("b", column(records.iter().map(|record| record.1.as_str()).collect()), true),
    ])
    .unwrap();
    session.create_dataframe_from_arrow(batch.schema(), vec![batch]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn quoted_fields_read_back(
        records in prop::collection::vec(record(), 1..30),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        fs::write(&path, written(&records, line_end)).unwrap();
        let session = session(1);
        let found = text(&read_csv(&session, &path).unwrap());
        prop_assert_eq!(found, text(&in_memory(&session, &records)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2))]

    #[test]
    fn threads_do_not_show_in_a_large_file(records in prop::collection::vec(record(), 20..40)) {
        const TOTALS: &str = "SELECT a, COUNT(*) AS n, COUNT(b) AS texts, MIN(b) AS low, MAX(b) AS high FROM t GROUP BY a ORDER BY a";
        let block = written(&records, "\n").split_once('\n').map(|(_, block)| block.to_owned()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        fs::write(&path, format!("a,b\n{}", block.repeat(LARGE_BYTES / block.len() + 1))).unwrap();
        let totals = [1, 3].map(|threads| {
            let session = session(threads);
            session.create_temp_view("t", &read_csv(&session, &path).unwrap()).unwrap();
            text(&sql(&session, TOTALS).unwrap())
        });
        prop_assert_eq!(&totals[0], &totals[1]);
    }
}
