//! JSON files: one object a line, or an array of objects.
//!
//! The types are those that the values of the first megabytes have; nested values stay structs and lists. A value further on
//! that does not have its type, or a name that no record had before, is an error with its line: nothing is dropped.

mod column;
mod parse;
mod records;
mod shape;

use std::io::Read;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use velaria_contract::{Error, ErrorCode, Result};

use self::column::{MemberColumns, Unknown};
use self::parse::{Fault, FaultKind, Parser};
pub(crate) use self::records::{Layout, Records};
use self::shape::{Members, Shape};
use crate::content::Content;
use crate::decode::{BATCH_ROWS, Batches, DecodedTable, Decoder};
use crate::input::Text;
use crate::{LocalFile, ReadOptions, TypeOf};

/// The names of the options of JSON.
pub const JSON_OPTIONS: [&str; 5] = ["format", "columns", "sample_bytes", "encoding", "compression"];

/// How much of a file is looked at to find its columns.
const SAMPLE_BYTES: u64 = 32 << 20;
/// A batch ends when its records have so many bytes, however few they are.
const BATCH_BYTES: u64 = 64 << 20;
/// Less is not worth another thread.
const PART_BYTES_MIN: u64 = 4 << 20;

/// The names of columns, with their types where these were said.
type DeclaredColumns = Vec<(String, Option<DataType>)>;

/// What the caller said about a JSON file.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonOptions {
    /// How the records stand in the file; `None` is to be found in it.
    layout: Option<Layout>,
    /// The columns, when they are not to be found in the file.
    columns: Option<DeclaredColumns>,
    sample_bytes: Option<u64>,
    encoding: Option<String>,
    compression: Option<String>,
}

impl JsonOptions {
    pub(crate) fn from_options(options: &ReadOptions, type_of: TypeOf<'_>) -> Result<Self> {
        options.check("json", &JSON_OPTIONS)?;
        let layout = options.parsed("format", "json_lines, json_array or auto", |text| {
            Some(match text.to_lowercase().as_str() {
                "auto" | "json" => None,
                "json_lines" | "jsonl" | "ndjson" | "lines" => Some(Layout::Lines),
                "json_array" | "array" => Some(Layout::Array),
                _ => return None,
            })
        })?;
        Ok(Self {
            layout: layout.flatten(),
            columns: columns(options, type_of)?,
            sample_bytes: options.count("sample_bytes")?,
            encoding: options.text("encoding").map(str::to_owned),
            compression: options.text("compression").map(str::to_owned),
        })
    }

    /// These options with the columns of `schema`, which the caller declared.
    pub(crate) fn with_columns(mut self, schema: &Schema) -> Self {
        let declared = schema.fields().iter().map(|field| (field.name().clone(), Some(field.data_type().clone())));
        self.columns = Some(declared.collect());
        self
    }

    /// The types that columns were declared with, by name.
    pub(crate) fn declared(&self) -> Option<DeclaredColumns> {
        self.columns.clone()
    }
}

/// `columns` is a list of names, or an object with a type for each name.
fn columns(options: &ReadOptions, type_of: TypeOf<'_>) -> Result<Option<DeclaredColumns>> {
    if options.text("columns").is_some_and(|text| text.trim_start().starts_with('{')) {
        let typed = options.map("columns")?.unwrap_or_default();
        return typed
            .into_iter()
            .map(|(name, word)| Ok((name, Some(type_of(&word)?))))
            .collect::<Result<_>>()
            .map(Some);
    }
    let listed = options.list("columns")?;
    Ok(listed.map(|names| crate::options::split_names(names).into_iter().map(|name| (name, None)).collect()))
}

/// Opens `file`, whose columns are those of the records in its head unless the options name them.
pub(crate) fn open(file: LocalFile, options: &JsonOptions) -> Result<DecodedTable> {
    let content = Content::detect(&file, options.compression.as_deref(), options.encoding.as_deref())?;
    let text = Text::new(file, content);
    let layout = match options.layout {
        Some(layout) => layout,
        None => layout_of(&text)?,
    };
    let all_typed = options.columns.as_ref().is_some_and(|columns| columns.iter().all(|(_, known)| known.is_some()));
    let mut found = if all_typed { Members::default() } else { sample(&text, layout, options.sample_bytes)? };
    let members = match &options.columns {
        None => found.settled(),
        Some(columns) => {
            let mut members = Members::default();
            for (name, known) in columns {
                *members.member(name) = match known {
                    Some(data_type) => Shape::of(data_type),
                    None => std::mem::take(found.member(name)).settled(),
                };
            }
            members
        }
    };
    if members.fields.is_empty() {
        return Err(Error::new(ErrorCode::EmptyFile, format!("no columns in {}", text.file().path().display()))
            .with_hint("the records have no members; name the columns to read the file all the same"));
    }
    let unknown = if options.columns.is_some() { Unknown::PassOver } else { Unknown::Refuse };
    let schema = Arc::new(Schema::new(members.arrow_fields()));
    Ok(DecodedTable::new(JsonDecoder { text, layout, members, unknown, schema }))
}

/// An array begins with a bracket, whatever the file is called.
fn layout_of(text: &Text) -> Result<Layout> {
    let (mut content, _) = text.whole()?;
    let mut chunk = [0; 4096];
    loop {
        let read =
            content.read(&mut chunk).map_err(|error| records::Broken::Io(error).into_error(|_| String::new()))?;
        match chunk.get(..read).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => return Ok(Layout::Array),
            None if read > 0 => {}
            _ => return Ok(Layout::Lines),
        }
    }
}

/// What the records in the head of the file look like.
fn sample(text: &Text, layout: Layout, sample_bytes: Option<u64>) -> Result<Members> {
    let (content, start) = text.whole()?;
    let mut records = Records::new(content, layout, start, u64::MAX);
    let mut members = Members::default();
    let bytes_max = sample_bytes.unwrap_or(SAMPLE_BYTES);
    while let Some(record) = records.next().map_err(|broken| broken.into_error(|at| text.place(at)))? {
        let mut parser = Parser::new(record.text);
        let seen = members.observe(&mut parser).and_then(|()| parser.end());
        seen.map_err(|fault| fault_error(text, layout, record.at, &fault))?;
        if record.at - start >= bytes_max {
            break;
        }
    }
    Ok(members)
}

fn fault_error(text: &Text, layout: Layout, at: u64, fault: &Fault) -> Error {
    let place = text.place(at + fault.at as u64);
    let (code, hint) = match fault.kind {
        FaultKind::Syntax if layout == Layout::Lines => (
            ErrorCode::MalformedFile,
            "every line has to be one JSON object; the format json_array reads an array of them",
        ),
        FaultKind::Syntax => (ErrorCode::MalformedFile, "the file has to be an array of JSON objects"),
        FaultKind::Type if fault.what == "expected an object" => {
            (ErrorCode::MalformedFile, "rows are JSON objects; other values have no columns")
        }
        FaultKind::Repeated => (ErrorCode::MalformedFile, "it is not known which of the two values is meant"),
        FaultKind::Type => (
            ErrorCode::Cast,
            "the columns are found in the head of the file; look at more of it with sample_bytes, or name them with columns",
        ),
    };
    Error::new(code, format!("{place}: {}", fault.what)).with_hint(hint)
}

/// Reads one JSON file.
#[derive(Debug)]
struct JsonDecoder {
    text: Text,
    layout: Layout,
    members: Members,
    unknown: Unknown,
    schema: SchemaRef,
}

impl Decoder for JsonDecoder {
    fn file(&self) -> &LocalFile {
        self.text.file()
    }

    fn notes(&self) -> Vec<String> {
        self.text.warning().into_iter().collect()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// A line end is never inside of a record, so lines can be cut anywhere.
    fn partitions(&self, partitions_max: usize) -> usize {
        match self.layout {
            Layout::Lines if self.text.is_plain() => {
                let worth = usize::try_from(self.file().bytes() / PART_BYTES_MIN).unwrap_or(usize::MAX);
                partitions_max.min(worth).max(1)
            }
            Layout::Lines | Layout::Array => 1,
        }
    }

    fn read(&self, part: usize, partitions: usize, wanted: &[usize]) -> Result<Batches> {
        let records = crate::decode::part_of(&self.text, self.layout, part, partitions)?;
        let schema = Arc::new(self.schema.project(wanted).map_err(crate::decode::from_arrow)?);
        let mut sorted = wanted.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let order = wanted.iter().filter_map(|index| sorted.binary_search(index).ok()).collect();
        let columns = MemberColumns::new(&self.members, Some(&sorted), self.unknown);
        let (text, layout) = (self.text.clone(), self.layout);
        Ok(Box::new(JsonBatches { text, layout, records, columns, order, schema, done: false }))
    }
}

/// The batches of one part.
struct JsonBatches {
    text: Text,
    layout: Layout,
    records: Records<Box<dyn Read + Send>>,
    columns: MemberColumns,
    /// Where each wanted column stands among the columns that are read.
    order: Vec<usize>,
    schema: SchemaRef,
    done: bool,
}

impl JsonBatches {
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut first = None;
        while self.columns.objects() < BATCH_ROWS {
            let record = self.records.next();
            let Some(record) = record.map_err(|broken| broken.into_error(|at| self.text.place(at)))? else {
                break;
            };
            let mut parser = Parser::new(record.text);
            if !record.text.trim_start().starts_with('{') {
                let fault = Fault { at: 0, kind: FaultKind::Type, what: "expected an object".to_owned() };
                return Err(fault_error(&self.text, self.layout, record.at, &fault));
            }
            let kind = parser.kind();
            let read = kind.and_then(|_| self.columns.read(&mut parser)).and_then(|()| parser.end());
            read.map_err(|fault| fault_error(&self.text, self.layout, record.at, &fault))?;
            if record.at - *first.get_or_insert(record.at) >= BATCH_BYTES {
                break;
            }
        }
        let rows = self.columns.objects();
        if rows == 0 {
            return Ok(None);
        }
        let read = self.columns.finish().map_err(crate::decode::from_arrow)?;
        let columns = self.order.iter().filter_map(|index| read.get(*index).cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        batch.map(Some).map_err(crate::decode::from_arrow)
    }
}

impl Iterator for JsonBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let batch = self.batch().transpose();
        self.done = !matches!(batch, Some(Ok(_)));
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
    use arrow::compute::concat_batches;
    use proptest::prelude::*;

    use super::*;
    use crate::{FileAccess, JsonLayout, JsonWriter};

    fn local(content: &[u8]) -> (tempfile::TempDir, LocalFile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        fs::write(&path, content).unwrap();
        let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap()).unwrap();
        (dir, file)
    }

    fn decoder(file: &LocalFile, options: &JsonOptions) -> Result<Arc<dyn Decoder>> {
        open(file.clone(), options).map(|table| table.decoder())
    }

    fn read(file: &LocalFile, options: &JsonOptions, partitions: usize) -> Result<RecordBatch> {
        let decoder = decoder(file, options)?;
        let wanted: Vec<usize> = (0..decoder.schema().fields().len()).collect();
        let mut batches = Vec::new();
        for part in 0..partitions {
            for batch in decoder.read(part, partitions, &wanted)? {
                batches.push(batch?);
            }
        }
        concat_batches(&decoder.schema(), &batches).map_err(crate::decode::from_arrow)
    }

    #[test]
    fn only_wanted_columns_are_read_in_the_order_that_is_wanted() {
        let (_dir, file) = local(b"{\"a\": 1, \"b\": {\"c\": [1, 2.5]}, \"d\": \"x\"}\n{\"d\": \"y\"}\n");
        let decoder = decoder(&file, &JsonOptions::default()).unwrap();
        let batches: Vec<_> = decoder.read(0, 1, &[2, 0]).unwrap().map(Result::unwrap).collect();
        let expected = RecordBatch::try_from_iter_with_nullable([
            ("d", Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef, true),
            ("a", Arc::new(Int64Array::from(vec![Some(1), None])), true),
        ]);
        assert_eq!(batches, [expected.unwrap()]);
        let counted: Vec<_> = decoder.read(0, 1, &[]).unwrap().map(Result::unwrap).collect();
        assert_eq!((counted[0].num_rows(), counted[0].num_columns()), (2, 0));
    }

    #[test]
    fn a_value_behind_the_sample_is_an_error_with_its_line() {
        let mut text = "{\"a\": 1}\n".repeat(3);
        text.push_str("{\"a\": 1.5}\n");
        let (_dir, file) = local(text.as_bytes());
        let options = JsonOptions { sample_bytes: Some(1), ..JsonOptions::default() };
        let error = read(&file, &options, 1).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Cast);
        assert!(
            error.message().ends_with("x.json:4: column a: expected a whole number of 64 bits, found 1.5"),
            "{error}"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_their_place() {
        let (_dir, file) = local(b"{\"a\": 1}\n{\"a\": \"\xff\"}\n");
        let options = JsonOptions { encoding: Some("utf-8".to_owned()), ..JsonOptions::default() };
        let error = read(&file, &options, 1).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidEncoding);
        assert!(error.message().ends_with("x.json:2: not valid UTF-8"), "{error}");
        assert_eq!(error.hint(), Some("byte 16 of the file begins no character"));
        let options = JsonOptions { encoding: Some("windows-1252".to_owned()), ..JsonOptions::default() };
        assert_eq!(strings(&file, &options), ["1", "ÿ"]);
    }

    /// The texts of the only column.
    fn strings(file: &LocalFile, options: &JsonOptions) -> Vec<String> {
        let batch = read(file, options, 1).unwrap();
        let values = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap();
        values.iter().flatten().map(str::to_owned).collect()
    }

    #[test]
    fn text_is_read_however_it_is_stored_and_errors_name_its_lines() {
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let (lines, array) = ("{\"a\": \"ä\"}\n{\"a\": \"é\"}\n", "[{\"a\": \"ä\"},\n{\"a\": \"é\"}]");
        for text in [lines, array] {
            let latin = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
            let marked = utf16(&format!("\u{feff}{text}"));
            for content in [gzip(text.as_bytes()), utf16(text), gzip(&marked), marked, latin] {
                let (_dir, file) = local(&content);
                assert_eq!(strings(&file, &JsonOptions::default()), ["ä", "é"], "{text}");
            }
        }
        let (_dir, file) = local(&gzip(format!("{lines}{{\"a\": 1x}}\n").as_bytes()));
        let error = read(&file, &JsonOptions::default(), 1).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedFile);
        assert!(error.message().contains("x.json:3: "), "{error}");
        let packed = gzip(lines.as_bytes());
        let (_dir, file) = local(&packed[..packed.len() - 3]);
        assert_eq!(read(&file, &JsonOptions::default(), 1).unwrap_err().code(), ErrorCode::MalformedFile);
    }

    #[test]
    fn only_plain_text_is_cut_into_parts() {
        let large = b"{\"a\": 1}\n".repeat(PART_BYTES_MIN as usize / 4);
        let (_dir, file) = local(&large);
        assert_eq!(decoder(&file, &JsonOptions::default()).unwrap().partitions(2), 2);
        let wide: Vec<u8> = large.iter().flat_map(|byte| [*byte, 0]).collect();
        let (_dir, file) = local(&wide);
        assert_eq!(decoder(&file, &JsonOptions::default()).unwrap().partitions(2), 1);
    }

    type Row = (Option<i64>, Option<f64>, Option<String>, Option<bool>);

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let float = any::<f64>().prop_filter("JSON has no others", |value| value.is_finite());
        let text = "[a\"\\\\,}\\n\\]é]{0,5}";
        let row =
            (any::<Option<i64>>(), proptest::option::of(float), proptest::option::of(text), any::<Option<bool>>());
        // The first row has every value, so that the types are known.
        let first = (any::<i64>(), "[a-z]{1,3}", any::<bool>());
        (first, proptest::collection::vec(row, 0..40)).prop_map(|((int, text, truth), mut rows)| {
            rows.insert(0, (Some(int), Some(0.5), Some(text), Some(truth)));
            rows
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read_in_any_number_of_parts(rows in rows(), array in any::<bool>(), partitions in 1_usize..5) {
            let batch = RecordBatch::try_from_iter_with_nullable([
                ("i", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0))) as ArrayRef, true),
                ("f", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.1))), true),
                ("t", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.as_deref()))), true),
                ("b", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.3))), true),
            ]).unwrap();
            let layout = if array { JsonLayout::Array } else { JsonLayout::Lines };
            let mut writer = JsonWriter::new(Vec::new(), layout);
            writer.write(&batch).unwrap();
            let (_dir, file) = local(&writer.finish().unwrap());
            let partitions = if array { 1 } else { partitions };
            prop_assert_eq!(read(&file, &JsonOptions::default(), partitions).unwrap(), batch);
        }

        #[test]
        fn damaged_text_is_an_error_or_rows(content in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b':'), Just(b','), Just(b'\n'), Just(b'1'), Just(b'a'), any::<u8>()], 1..64)) {
            let (_dir, file) = local(&content);
            let _ = read(&file, &JsonOptions::default(), 1);
        }
    }
}
