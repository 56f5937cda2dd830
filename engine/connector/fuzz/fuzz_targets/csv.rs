//! Any bytes are a table or an error, and the same one for every number of threads and every size of the sample: reading
//! never panics, hangs, or shows where a file was cut.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use velaria::arrow::util::pretty::pretty_format_batches;
use velaria::{CsvOptions, ErrorCode, Session, SessionConfig, wait};

/// A sample of one record, and one of the whole file.
const SAMPLES: [u64; 2] = [1, 1 << 20];

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static SESSIONS: LazyLock<[Session; 2]> =
    LazyLock::new(|| [1, 4].map(|threads| Session::new(SessionConfig::default().with_threads(threads)).unwrap()));

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.path().join("fuzzed.csv");
    std::fs::write(&path, bytes).unwrap();
    let [one, many] = &*SESSIONS;
    assert_eq!(table(one, &path, &CsvOptions::default()), table(many, &path, &CsvOptions::default()), "threads");

    // With every column as text the types that a sample suggests cannot differ: all that is left is where records end.
    let [small, whole] = SAMPLES.map(|sample_bytes| {
        let mut options = CsvOptions::default().with_delimiter(",").unwrap();
        options.header = Some(true);
        options.quote = Some(Some(b'"'));
        options.escape = Some(None);
        options.comment = Some(None);
        options.skip_rows = Some(0);
        options.encoding = Some("utf-8".to_owned());
        options.compression = Some("none".to_owned());
        options.all_text = true;
        options.sample_bytes = Some(sample_bytes);
        table(many, &path, &options)
    });
    assert_eq!(small, whole, "size of the sample");
});

/// The table as text, or the code of the error.
fn table(session: &Session, path: &Path, options: &CsvOptions) -> Result<String, ErrorCode> {
    let (session, path, options) = (session.clone(), path.to_str().unwrap().to_owned(), options.clone());
    let read = async move { session.read_csv(&path, &options).await?.collect().await };
    match wait(read, || Ok(())) {
        Ok(batches) => Ok(pretty_format_batches(&batches).unwrap().to_string()),
        Err(error) => {
            assert_ne!(error.code(), ErrorCode::Internal, "{error}");
            Err(error.code())
        }
    }
}
