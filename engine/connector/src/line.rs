//! Line files: logs and the like, a record a line, cut at a text or taken apart by a regular expression.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use regex::{CaptureLocations, Regex};
use velaria_contract::{Error, ErrorCode, Result};

use crate::content::Content;
use crate::decode::{BATCH_ROWS, Batches, DecodedTable, Decoder, from_arrow, part_of};
use crate::files::wider;
use crate::input::Text;
use crate::json::{Layout, Records};
use crate::options::split_names;
use crate::{LocalFile, ReadOptions, TypeOf};

/// The names of the options of line files.
pub const LINE_OPTIONS: [&str; 15] = [
    "mode",
    "delimiter",
    "split_delimiter",
    "regex",
    "regex_pattern",
    "mappings",
    "columns",
    "skip_empty_lines",
    "unmatched",
    "types",
    "all_text",
    "sample_bytes",
    "skip_rows",
    "encoding",
    "compression",
];

/// How much of a file is looked at to find its types.
const SAMPLE_BYTES: u64 = 32 << 20;
/// A batch ends when its lines have so many bytes, however few they are.
const BATCH_BYTES: u64 = 64 << 20;
/// Less is not worth another thread.
const PART_BYTES_MIN: u64 = 4 << 20;

/// What the caller said about a line file.
#[derive(Debug, Clone)]
pub(crate) struct LineOptions {
    cut: Cut,
    /// The columns, each with the part of the line that it is.
    mappings: Vec<(String, usize)>,
    skip_empty_lines: bool,
    unmatched: Unmatched,
    types: Vec<(String, DataType)>,
    all_text: bool,
    sample_bytes: u64,
    skip_rows: u64,
    encoding: Option<String>,
    compression: Option<String>,
}

/// How a line becomes parts.
#[derive(Debug, Clone)]
enum Cut {
    /// At each of these texts; the parts are counted from 0.
    Split(String),
    /// Groups of the expression; 0 is the whole match.
    Regex(Regex),
}

/// What happens to a line that the expression does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmatched {
    Skip,
    Error,
    Null,
}

impl LineOptions {
    pub(crate) fn from_options(options: &ReadOptions, type_of: TypeOf<'_>) -> Result<Self> {
        options.check("line", &LINE_OPTIONS)?;
        let cut = cut(options)?;
        let first = if matches!(cut, Cut::Regex(_)) { 1 } else { 0 };
        let mut mappings = mappings(options)?;
        if let Some(names) = options.list("columns")?
            && mappings.is_empty()
        {
            mappings = split_names(names).into_iter().zip(first..).collect();
        }
        if mappings.is_empty()
            && let Cut::Regex(regex) = &cut
        {
            mappings = named_groups(regex);
        }
        let options = Self {
            cut,
            mappings,
            skip_empty_lines: options.flag("skip_empty_lines")?.unwrap_or(true),
            unmatched: options
                .parsed("unmatched", "skip, error or null", |text| match text {
                    "skip" => Some(Unmatched::Skip),
                    "error" => Some(Unmatched::Error),
                    "null" => Some(Unmatched::Null),
                    _ => None,
                })?
                .unwrap_or(Unmatched::Skip),
            types: options
                .map("types")?
                .unwrap_or_default()
                .into_iter()
                .map(|(name, word)| Ok((name, type_of(&word)?)))
                .collect::<Result<_>>()?,
            all_text: options.flag("all_text")?.unwrap_or_default(),
            sample_bytes: options.count("sample_bytes")?.unwrap_or(SAMPLE_BYTES),
            skip_rows: options.count("skip_rows")?.unwrap_or_default(),
            encoding: options.text("encoding").map(str::to_owned),
            compression: options.text("compression").map(str::to_owned),
        };
        options.checked()
    }

    /// The types that were said, by name: columns are read as text and cast.
    pub(crate) fn types(&self) -> &[(String, DataType)] {
        &self.types
    }

    /// These options with the columns of `schema`, which the caller declared.
    pub(crate) fn with_columns(mut self, schema: &Schema) -> Self {
        let first = if matches!(self.cut, Cut::Regex(_)) { 1 } else { 0 };
        if self.mappings.is_empty() {
            self.mappings = schema.fields().iter().map(|field| field.name().clone()).zip(first..).collect();
        }
        self.types = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        self
    }

    fn checked(self) -> Result<Self> {
        let groups = match &self.cut {
            Cut::Split(_) => None,
            Cut::Regex(regex) => Some(regex.captures_len()),
        };
        for (index, (name, part)) in self.mappings.iter().enumerate() {
            if self.mappings.iter().take(index).any(|(own, _)| own == name) {
                return Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}")));
            }
            if groups.is_some_and(|groups| *part >= groups) {
                return Err(Error::new(ErrorCode::InvalidArgument, format!("the pattern has no group {part}: {name}"))
                    .with_hint(format!(
                        "its groups are 0, the whole match, to {}",
                        groups.unwrap_or_default().saturating_sub(1)
                    )));
            }
        }
        Ok(self)
    }
}

fn cut(options: &ReadOptions) -> Result<Cut> {
    let mode = options.parsed("mode", "split or regex", |text| match text.to_lowercase().as_str() {
        "split" => Some(false),
        "regex" => Some(true),
        _ => None,
    })?;
    let pattern = options.text("regex_pattern").or_else(|| options.text("regex")).filter(|pattern| !pattern.is_empty());
    if mode.unwrap_or(pattern.is_some()) {
        let pattern = pattern.ok_or_else(|| {
            Error::new(ErrorCode::InvalidArgument, "regex_pattern is missing")
                .with_hint("mode regex needs a pattern with groups")
        })?;
        return Regex::new(pattern).map(Cut::Regex).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::new(ErrorCode::InvalidArgument, format!("not a regular expression: {pattern}")).with_hint(reason)
        });
    }
    let delimiter = options.text("split_delimiter").or_else(|| options.text("delimiter")).unwrap_or(",");
    match delimiter {
        "" => Err(Error::new(ErrorCode::InvalidArgument, "split_delimiter must not be empty")),
        "\\t" => Ok(Cut::Split("\t".to_owned())),
        _ => Ok(Cut::Split(delimiter.to_owned())),
    }
}

/// `mappings` is `name:0,name:1`, or a JSON object or array of pairs that says the same.
fn mappings(options: &ReadOptions) -> Result<Vec<(String, usize)>> {
    let parsed = options.parsed("mappings", "pairs of a name and a number, as in 'id:0,name:2'", |text| {
        if text.trim_start().starts_with('{') {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
            return object.into_iter().map(|(name, index)| Some((name, number(&index)?))).collect();
        }
        if text.trim_start().starts_with('[') {
            let pairs: Vec<(String, serde_json::Value)> = serde_json::from_str(text).ok()?;
            return pairs.into_iter().map(|(name, index)| Some((name, number(&index)?))).collect();
        }
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        pairs
            .map(|pair| {
                let (name, index) = pair.rsplit_once(':')?;
                Some((name.trim().to_owned(), index.trim().parse().ok()?))
            })
            .collect::<Option<Vec<_>>>()
    })?;
    Ok(parsed.unwrap_or_default())
}

fn number(value: &serde_json::Value) -> Option<usize> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    usize::try_from(number).ok()
}

/// The groups that the pattern itself names.
fn named_groups(regex: &Regex) -> Vec<(String, usize)> {
    let names = regex.capture_names().enumerate();
    names.filter_map(|(group, name)| Some((name?.to_owned(), group))).collect()
}

/// Opens `file`, whose types are those of the lines in its head unless the options say them.
pub(crate) fn open(file: LocalFile, mut options: LineOptions) -> Result<DecodedTable> {
    let content = Content::of_text(&file, options.compression.as_deref(), options.encoding.as_deref())?;
    let text = Text::new(file, content);
    if options.mappings.is_empty() {
        options.mappings = found_mappings(&text, &options)?;
    }
    let mut types = vec![DataType::Null; options.mappings.len()];
    for (data_type, (name, _)) in types.iter_mut().zip(&options.mappings) {
        if options.all_text || options.types.iter().any(|(own, _)| own == name) {
            *data_type = DataType::Utf8;
        }
    }
    let sampled = sample(&text, &options, &mut types)?;
    if sampled.lines == sampled.unmatched && matches!(options.cut, Cut::Regex(_)) {
        return Err(Error::new(
            ErrorCode::MalformedFile,
            format!("no line of {} matches the pattern", text.file().path().display()),
        )
        .with_hint("try the pattern on one line, or set unmatched to null to see the lines"));
    }
    let field = |((name, _), data_type): (&(String, usize), DataType)| {
        Field::new(name, if data_type == DataType::Null { DataType::Utf8 } else { data_type }, true)
    };
    let fields: Vec<Field> = options.mappings.iter().zip(types).map(field).collect();
    let notes = text.warning().into_iter().chain(sampled.note(&text, options.unmatched)).collect();
    let (options, schema) = (Arc::new(options), Arc::new(Schema::new(fields)));
    Ok(DecodedTable::new(LineDecoder { text, options, schema, notes }))
}

/// `c0`, `c1` and so on for the parts of the first line.
fn found_mappings(text: &Text, options: &LineOptions) -> Result<Vec<(String, usize)>> {
    let mut lines = Lines::open(text, options, 0, 1)?;
    let parts = match &options.cut {
        Cut::Regex(regex) => regex.captures_len() - 1,
        Cut::Split(delimiter) => lines.next(text)?.map_or(1, |(_, line)| line.matches(delimiter.as_str()).count() + 1),
    };
    let first = if matches!(options.cut, Cut::Regex(_)) { 1 } else { 0 };
    Ok((0..parts).map(|index| (format!("c{index}"), index + first)).collect())
}

/// What was seen in the head of a file.
#[derive(Debug, Default)]
struct Sampled {
    lines: u64,
    unmatched: u64,
    whole: bool,
}

impl Sampled {
    /// What a person should know about lines that are left out.
    fn note(&self, text: &Text, unmatched: Unmatched) -> Option<String> {
        if self.unmatched == 0 || unmatched != Unmatched::Skip {
            return None;
        }
        let (path, first) = (text.file().path().display(), if self.whole { "" } else { "the first " });
        let count = format!("{} of {first}{} lines", self.unmatched, self.lines);
        Some(format!("{path}: {count} do not match the pattern and are left out"))
    }
}

/// Finds the types that are not known, and counts the lines that have no parts.
fn sample(text: &Text, options: &LineOptions, types: &mut [DataType]) -> Result<Sampled> {
    let mut lines = Lines::open(text, options, 0, 1)?;
    let mut parts = Parts::new(&options.cut);
    let mut sampled = Sampled { whole: true, ..Sampled::default() };
    while let Some((at, line)) = lines.next(text)? {
        sampled.lines += 1;
        if !parts.cut(&options.cut, line) {
            sampled.unmatched += 1;
            continue;
        }
        for (data_type, (_, part)) in types.iter_mut().zip(&options.mappings) {
            if let Some(cell) = parts.get(line, *part)
                && *data_type != DataType::Utf8
            {
                *data_type = wider(data_type, &cell_type(cell)).unwrap_or(DataType::Utf8);
            }
        }
        if at >= options.sample_bytes {
            sampled.whole = false;
            break;
        }
    }
    Ok(sampled)
}

/// The narrowest type that writes `cell` the way it is written.
fn cell_type(cell: &str) -> DataType {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') && !leading_zero;
    if is_number && cell.parse::<i64>().is_ok() {
        return DataType::Int64;
    }
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && !is_whole && cell.parse::<f64>().is_ok_and(f64::is_finite) {
        return DataType::Float64;
    }
    if truth(cell).is_some() { DataType::Boolean } else { DataType::Utf8 }
}

fn truth(cell: &str) -> Option<bool> {
    match cell {
        "true" | "TRUE" | "True" => Some(true),
        "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The lines of one part of a file that are not passed over.
struct Lines {
    records: Records<Box<dyn Read + Send>>,
    skip_empty: bool,
    skip_rows: u64,
}

impl Lines {
    fn open(text: &Text, options: &LineOptions, part: usize, partitions: usize) -> Result<Self> {
        let records = part_of(text, Layout::Lines, part, partitions)?;
        Ok(Self { records, skip_empty: options.skip_empty_lines, skip_rows: options.skip_rows })
    }

    fn next(&mut self, text: &Text) -> Result<Option<(u64, &str)>> {
        let Self { records, skip_empty, skip_rows } = self;
        let wanted = |line: &str| {
            if *skip_rows > 0 {
                *skip_rows -= 1;
                return false;
            }
            !*skip_empty || !line.trim().is_empty()
        };
        let record = records.next_line(wanted).map_err(|broken| broken.into_error(|at| text.place(at)))?;
        Ok(record.map(|record| (record.at, record.text)))
    }
}

/// The parts of one line.
enum Parts {
    Split(Vec<(usize, usize)>),
    Regex(CaptureLocations),
}

impl Parts {
    fn new(cut: &Cut) -> Self {
        match cut {
            Cut::Split(_) => Self::Split(Vec::new()),
            Cut::Regex(regex) => Self::Regex(regex.capture_locations()),
        }
    }

    /// Cuts `line`, and tells whether it has parts.
    fn cut(&mut self, cut: &Cut, line: &str) -> bool {
        match (self, cut) {
            (Self::Split(parts), Cut::Split(delimiter)) => {
                parts.clear();
                let mut start = 0;
                for (end, found) in line.match_indices(delimiter.as_str()) {
                    parts.push((start, end));
                    start = end + found.len();
                }
                parts.push((start, line.len()));
                true
            }
            (Self::Regex(parts), Cut::Regex(regex)) => regex.captures_read(parts, line).is_some(),
            (Self::Split(_), Cut::Regex(_)) | (Self::Regex(_), Cut::Split(_)) => false,
        }
    }

    /// A part that is there and not empty.
    fn get<'a>(&self, line: &'a str, part: usize) -> Option<&'a str> {
        let (start, end) = match self {
            Self::Split(parts) => *parts.get(part)?,
            Self::Regex(parts) => parts.get(part)?,
        };
        line.get(start..end).filter(|cell| !cell.is_empty())
    }
}

/// Reads one line file.
#[derive(Debug)]
struct LineDecoder {
    text: Text,
    options: Arc<LineOptions>,
    schema: SchemaRef,
    notes: Vec<String>,
}

impl Decoder for LineDecoder {
    fn file(&self) -> &LocalFile {
        self.text.file()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self, partitions_max: usize) -> usize {
        if self.options.skip_rows > 0 || !self.text.is_plain() {
            return 1;
        }
        partitions_max.min(usize::try_from(self.file().bytes() / PART_BYTES_MIN).unwrap_or(usize::MAX)).max(1)
    }

    fn read(&self, part: usize, partitions: usize, wanted: &[usize]) -> Result<Batches> {
        let schema = Arc::new(self.schema.project(wanted).map_err(from_arrow)?);
        let columns = schema.fields().iter().map(|field| Column::new(field.data_type())).collect();
        let mapped = wanted.iter().filter_map(|index| self.options.mappings.get(*index)).map(|(_, part)| *part);
        Ok(Box::new(LineBatches {
            lines: Lines::open(&self.text, &self.options, part, partitions)?,
            text: self.text.clone(),
            parts: Parts::new(&self.options.cut),
            mapped: mapped.collect(),
            options: Arc::clone(&self.options),
            columns,
            schema,
            done: false,
        }))
    }
}

enum Column {
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Text(StringBuilder),
}

impl Column {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Appends `cell`, and tells whether it has the type of the column.
    fn append(&mut self, cell: Option<&str>) -> bool {
        match self {
            Self::Int(values) => {
                let value = cell.filter(|cell| cell_type(cell) == DataType::Int64).and_then(|cell| cell.parse().ok());
                values.append_option(value);
                value.is_some() == cell.is_some()
            }
            Self::Float(values) => {
                let value = cell.and_then(|cell| cell.parse().ok()).filter(|value: &f64| value.is_finite());
                values.append_option(value);
                value.is_some() == cell.is_some()
            }
            Self::Bool(values) => {
                let value = cell.and_then(truth);
                values.append_option(value);
                value.is_some() == cell.is_some()
            }
            Self::Text(values) => {
                values.append_option(cell);
                true
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(values) => Arc::new(values.finish()),
            Self::Float(values) => Arc::new(values.finish()),
            Self::Bool(values) => Arc::new(values.finish()),
            Self::Text(values) => Arc::new(values.finish()),
        }
    }
}

/// The batches of one part.
struct LineBatches {
    text: Text,
    options: Arc<LineOptions>,
    lines: Lines,
    parts: Parts,
    /// The part of the line that each column is.
    mapped: Vec<usize>,
    columns: Vec<Column>,
    schema: SchemaRef,
    done: bool,
}

impl LineBatches {
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let (mut rows, mut first) = (0, None);
        while rows < BATCH_ROWS {
            let Some((at, line)) = self.lines.next(&self.text)? else { break };
            let matched = self.parts.cut(&self.options.cut, line);
            match (matched, self.options.unmatched) {
                (true, _) | (false, Unmatched::Null) => {}
                (false, Unmatched::Skip) => continue,
                (false, Unmatched::Error) => {
                    let message = format!("{}: the line does not match the pattern", self.text.place(at));
                    return Err(
                        Error::new(ErrorCode::MalformedFile, message).with_hint("unmatched skip leaves such lines out")
                    );
                }
            }
            for ((column, part), field) in self.columns.iter_mut().zip(&self.mapped).zip(self.schema.fields()) {
                let cell = if matched { self.parts.get(line, *part) } else { None };
                if !column.append(cell) {
                    return Err(wrong_type(&self.text, at, field, cell.unwrap_or_default()));
                }
            }
            rows += 1;
            if at - *first.get_or_insert(at) >= BATCH_BYTES {
                break;
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map(Some).map_err(from_arrow)
    }
}

impl Iterator for LineBatches {
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

fn wrong_type(text: &Text, at: u64, field: &Field, cell: &str) -> Error {
    const SHOWN_CHARS: usize = 40;
    let shown: String = cell.chars().take(SHOWN_CHARS).collect();
    let message =
        format!("{}: cannot read '{shown}' in column {} as {}", text.place(at), field.name(), field.data_type());
    Error::new(ErrorCode::Cast, message)
        .with_hint("the types are found in the head of the file; all_text true reads every column as text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileAccess;

    fn opened(content: &[u8], options: &ReadOptions) -> (tempfile::TempDir, Result<DecodedTable>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        std::fs::write(&path, content).unwrap();
        let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap()).unwrap();
        let options = LineOptions::from_options(options, &|_| Ok(DataType::Utf8)).unwrap();
        let table = open(file, options);
        (dir, table)
    }

    fn rows(table: &DecodedTable) -> usize {
        let batches = table.decoder().read(0, 1, &[0]).unwrap();
        batches.map(|batch| batch.unwrap().num_rows()).sum()
    }

    #[test]
    fn lines_that_are_left_out_are_counted() {
        let text = b"a 1\nb 2\nx\nc 3\ny\n";
        let options = ReadOptions::new().with("regex_pattern", r"(\w) (\d)");
        let (_dir, table) = opened(text, &options);
        let table = table.unwrap();
        assert_eq!(rows(&table), 3);
        let [note] = &table.notes()[..] else { panic!("{:?}", table.notes()) };
        assert!(note.ends_with("x.log: 2 of 5 lines do not match the pattern and are left out"), "{note}");
        let (_dir, table) = opened(text, &options.clone().with("sample_bytes", "8"));
        assert!(
            table.unwrap().notes()[0].ends_with(": 1 of the first 4 lines do not match the pattern and are left out")
        );
        let (_dir, table) = opened(text, &options.with("unmatched", "null"));
        assert_eq!(table.unwrap().notes(), Vec::<String>::new());
    }

    #[test]
    fn lines_of_any_encoding_are_read_and_pages_are_lines() {
        let wide: Vec<u8> = "<html>ä\nb\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let (_dir, table) = opened(&wide, &ReadOptions::new());
        let table = table.unwrap();
        let batches: Vec<_> = table.decoder().read(0, 1, &[0]).unwrap().map(Result::unwrap).collect();
        let values = batches[0].column(0).as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
        assert_eq!(values.iter().flatten().collect::<Vec<_>>(), ["<html>ä", "b"]);
    }
}
