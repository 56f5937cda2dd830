//! A text is a vector exactly if it is one by the grammar, read here by a second parser that is as plain as it is slow.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use velaria::arrow::array::{AsArray, RecordBatch};
use velaria::arrow::datatypes::{DataType, Field, Float32Type};
use velaria::{CsvOptions, Result, Session, SessionConfig, wait};

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static SESSION: LazyLock<Session> = LazyLock::new(|| Session::new(SessionConfig::default().with_threads(1)).unwrap());

fuzz_target!(|text: &str| {
    // What stands around a field is not the question here.
    if text.is_empty() || text.trim() != text || text.contains(['|', '\n', '\r', '\0', '\u{feff}']) {
        return;
    }
    let expected = oracle(text);
    let dimensions = expected.as_ref().map_or(2, Vec::len);
    match (expected, read(text, dimensions)) {
        (None, found) => assert!(found.is_err(), "{text:?} was read as {found:?}"),
        (Some(expected), Ok(batches)) => assert_eq!(bits(&numbers(&batches)), bits(&expected), "{text:?}"),
        (Some(expected), Err(error)) => panic!("{text:?} is {expected:?}, and was refused: {error}"),
    }
});

fn read(text: &str, dimensions: usize) -> Result<Vec<RecordBatch>> {
    let path = FOLDER.path().join("fuzzed.csv");
    std::fs::write(&path, format!("v|id\n{text}|1\n")).unwrap();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let vector = DataType::FixedSizeList(item, i32::try_from(dimensions).unwrap());
    let mut options = CsvOptions::default().with_delimiter("|").unwrap();
    options.header = Some(true);
    options.quote = Some(None);
    options.escape = Some(None);
    options.comment = Some(None);
    options.skip_rows = Some(0);
    options.encoding = Some("utf-8".to_owned());
    options.types = vec![("v".to_owned(), vector)];
    let path = path.to_str().unwrap().to_owned();
    wait(async move { SESSION.read_csv(&path, &options).await?.collect().await }, || Ok(()))
}

fn numbers(batches: &[RecordBatch]) -> Vec<f32> {
    let lists = batches.iter().filter(|batch| batch.num_rows() > 0).map(|batch| batch.column(0).as_fixed_size_list());
    lists.flat_map(|list| list.value(0).as_primitive::<Float32Type>().values().to_vec()).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// The numbers of `text`: brackets around numbers, between two of them one comma or blanks or both.
fn oracle(text: &str) -> Option<Vec<f32>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut numbers = Vec::new();
    for part in inner.split(',') {
        let mut words = part.split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty()).peekable();
        words.peek()?;
        for word in words {
            let has_digits_and_marks_only = word.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
            let number: f32 =
                word.parse().ok().filter(|number: &f32| has_digits_and_marks_only && number.is_finite())?;
            numbers.push(number);
        }
    }
    Some(numbers)
}
