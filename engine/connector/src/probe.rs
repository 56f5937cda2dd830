//! What a file is and how to read it, as a report: the format, the options, and the calls that say them.
//!
//! A probe reads the beginning of a file, and a few places behind it to tell the encoding. It decides as readers do, so
//! what it reports is what they find.

mod binary;
mod calls;
mod json;
mod report;

use std::path::Path;

use arrow::datatypes::DataType;
use serde::Serialize;
use velaria_contract::{Error, ErrorCode, Result};

use crate::content::Content;
use crate::csv::sniff::{self, Sniffed, shown};
use crate::csv::{CsvOptions, Dialect};
use crate::{FileAccess, LocalFile, ReadOptions};

/// The text that is looked at.
const HEAD_BYTES: usize = 256 << 10;

/// What a file is and how to read it. Keys that the kind of file does not have are left out of the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Probe {
    /// The path, as it was given.
    pub path: String,
    /// `csv`, `line`, `json`, `parquet`, `arrow` or `excel`.
    pub kind: &'static str,
    /// The format in detail: `csv`, `tsv`, `line_split`, `json_lines`, `json_array`, `parquet`, …
    pub final_format: &'static str,
    /// How well the best candidate fits, from 0 to 100.
    pub score: u32,
    /// `high`, `medium` or `low`, from the score and from its lead over the next candidate.
    pub confidence: &'static str,
    /// The names of the columns.
    pub schema: Vec<String>,
    /// A name for the table: that of the file without its endings.
    pub suggested_table_name: String,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// The formats that were considered, best first.
    pub candidates: Vec<ProbeCandidate>,
    /// Of `csv` and `line`: the character between two fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Of `line`: `split`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// Of `line`: where each column comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mappings: Option<Vec<ProbeMapping>>,
    /// Of `json`: `json_lines` or `json_array`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// Of `json`: the names of the members of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The columns with their types, where those are known without reading on.
    pub fields: Vec<ProbeField>,
    /// Of text: `none`, `gzip`, `zstd`, `bzip2`, `xz` or `zip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<&'static str>,
    /// Of text: the encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Of text: why it is this encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_reason: Option<String>,
    /// The options that read the file in this way, by name.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Calls that read the file with these options.
    pub calls: ProbeCalls,
}

/// A format that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProbeCandidate {
    /// As [`Probe::final_format`].
    pub format: &'static str,
    /// As [`Probe::kind`].
    pub kind: &'static str,
    /// From 0 to 100.
    pub score: u32,
    /// Why it was considered.
    pub reason: String,
    /// What was seen.
    pub evidence: Vec<String>,
}

/// Where a column of a line file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProbeMapping {
    /// The name of the column.
    pub column: String,
    /// The place of the field in the line, from 0.
    pub source_index: usize,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProbeField {
    /// The name.
    pub name: String,
    /// The type, where it is known.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
}

/// The same call on each surface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProbeCalls {
    /// Python.
    pub python: String,
    /// SQL.
    pub sql: String,
    /// The command line.
    pub shell: String,
}

/// Says what the file at `path` is and how to read it. `options` are those of CSV; they win over what is seen.
///
/// # Errors
/// `VEL-6001` to `VEL-6004` when the file cannot be opened, `VEL-5007` when it has no content, `VEL-5002`, `VEL-5008` for
/// content that cannot be read, `VEL-7001` for options that cannot be, `VEL-7003` when the encoding, the delimiter or the
/// header cannot be told.
pub fn probe(access: &FileAccess, path: &str, options: &ReadOptions) -> Result<Probe> {
    let file = LocalFile::open(access, path).map_err(|error| match error.code() {
        ErrorCode::EmptyFile => empty(path),
        _ => error,
    })?;
    if let Some(binary) = crate::content::binary(&file)?
        && let Some(probe) = binary::probe(path, &file, binary)?
    {
        return Ok(probe.finished());
    }
    let csv = CsvOptions::from_options(options, |_| Ok(DataType::Utf8))?;
    let content = Content::detect(&file, csv.compression.as_deref(), csv.encoding.as_deref())?;
    let head = content.head(&file, HEAD_BYTES)?;
    if head.text.trim().is_empty() {
        return Err(empty(path));
    }
    let mut probe = match json::probe(path, &head) {
        Some(probe) if options.iter().all(|(key, _)| matches!(key, "encoding" | "compression")) => probe,
        _ => {
            let sniffed = sniff::sniff(&head.text, head.whole, &csv).map_err(|error| with_path(path, &error))?;
            table(path, &sniffed, &csv, options)
        }
    };
    if probe.kind == "csv" {
        probe.add_types(access, path, &csv);
    }
    probe.add_content(&content);
    Ok(probe.finished())
}

fn empty(path: &str) -> Error {
    Error::new(ErrorCode::EmptyFile, format!("probe found empty input: {path}"))
}

fn with_path(path: &str, error: &Error) -> Error {
    let named = Error::new(error.code(), format!("{path}: {}", error.message()));
    error.hint().map_or_else(|| named.clone(), |hint| named.clone().with_hint(hint))
}

/// The report on a text with columns.
fn table(path: &str, sniffed: &Sniffed, csv: &CsvOptions, options: &ReadOptions) -> Probe {
    let dialect = &sniffed.dialect;
    let format = format_of(dialect.delimiter);
    let mut probe = Probe::new(path, "csv", format, sniffed.names.clone());
    probe.delimiter = Some(char::from(dialect.delimiter).to_string());
    probe.warnings.clone_from(&sniffed.warnings);
    probe.candidates = sniffed.candidates.iter().map(candidate).collect();
    probe.score = sniffed.score;
    let is_line = dialect.delimiter == b'|' && !dialect.header && csv.delimiter.is_none() && csv.header.is_none();
    if is_line {
        probe.become_line();
    } else {
        probe.options = dialect_options(dialect);
    }
    for (key, value) in options.iter().filter(|(key, _)| !DIALECT_OPTIONS.contains(key)) {
        probe.options.insert(key.to_owned(), json_value(value));
    }
    probe
}

fn format_of(delimiter: u8) -> &'static str {
    if delimiter == b'\t' { "tsv" } else { "csv" }
}

fn candidate(candidate: &sniff::Candidate) -> ProbeCandidate {
    let evidence = vec![
        format!("columns: {}", candidate.columns),
        format!("{} of {} records have as many fields", candidate.records - candidate.uneven, candidate.records),
    ];
    ProbeCandidate {
        format: format_of(candidate.delimiter),
        kind: "csv",
        score: candidate.score,
        reason: format!("fields separated by {}", shown(candidate.delimiter)),
        evidence,
    }
}

const DIALECT_OPTIONS: [&str; 10] = [
    "delimiter",
    "quote",
    "escape",
    "comment",
    "header",
    "skip_rows",
    "decimal",
    "thousands",
    "encoding",
    "compression",
];

/// The options that say `dialect`: the delimiter, and what is not as usual.
fn dialect_options(dialect: &Dialect) -> serde_json::Map<String, serde_json::Value> {
    let usual = Dialect::default();
    let text = |byte: Option<u8>| byte.map(|byte| char::from(byte).to_string()).unwrap_or_default();
    let mut options = serde_json::Map::new();
    options.insert("delimiter".to_owned(), text(Some(dialect.delimiter)).into());
    let mut unusual = |name: &str, differs: bool, value: serde_json::Value| {
        if differs {
            options.insert(name.to_owned(), value);
        }
    };
    unusual("quote", dialect.quote != usual.quote, text(dialect.quote).into());
    unusual("escape", dialect.escape != usual.escape, text(dialect.escape).into());
    unusual("comment", dialect.comment != usual.comment, text(dialect.comment).into());
    unusual("header", dialect.header != usual.header, dialect.header.into());
    unusual("skip_rows", dialect.skip_rows != usual.skip_rows, dialect.skip_rows.into());
    unusual("decimal", dialect.decimal != usual.decimal, text(Some(dialect.decimal)).into());
    let thousands = dialect.thousands.map(String::from).unwrap_or_default();
    unusual("thousands", dialect.thousands != usual.thousands, thousands.into());
    options
}

/// The value of an option that was given as text: numbers, booleans, lists and objects are those of JSON.
fn json_value(text: &str) -> serde_json::Value {
    match serde_json::from_str(text) {
        Ok(value @ (serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_))) => value,
        _ => text.into(),
    }
}

impl Probe {
    fn new(path: &str, kind: &'static str, final_format: &'static str, names: Vec<String>) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            final_format,
            score: 0,
            confidence: "low",
            fields: names.iter().map(|name| ProbeField { name: name.clone(), data_type: None }).collect(),
            schema: names,
            suggested_table_name: table_name(path),
            warnings: Vec::new(),
            candidates: Vec::new(),
            delimiter: None,
            mode: None,
            mappings: None,
            format: None,
            columns: None,
            compression: None,
            encoding: None,
            encoding_reason: None,
            options: serde_json::Map::new(),
            calls: ProbeCalls::default(),
        }
    }

    /// Lines of fields between `|` without names are a line file by the contract, whatever the name of the file ends with.
    fn become_line(&mut self) {
        self.kind = "line";
        self.final_format = "line_split";
        self.mode = Some("split");
        let mapping = |(source_index, column): (usize, &String)| ProbeMapping { column: column.clone(), source_index };
        self.mappings = Some(self.schema.iter().enumerate().map(mapping).collect());
        if let Some(best) = self.candidates.first_mut() {
            (best.kind, best.format) = (self.kind, self.final_format);
        }
        self.options.insert("mode".to_owned(), "split".into());
        self.options.insert("split_delimiter".to_owned(), self.delimiter.clone().unwrap_or_default().into());
        let mappings: Vec<String> =
            self.schema.iter().enumerate().map(|(index, column)| format!("{column}:{index}")).collect();
        self.options.insert("mappings".to_owned(), mappings.join(",").into());
    }

    /// The types of the columns, as the reader finds them. What it cannot read says so when it is read.
    fn add_types(&mut self, access: &FileAccess, path: &str, options: &CsvOptions) {
        let Ok((types, notes)) = crate::csv::look(access, path, options) else { return };
        for (field, word) in self.fields.iter_mut().zip(types) {
            field.data_type = Some(word);
        }
        let own = notes.into_iter().filter(|note| self.warnings.iter().all(|known| !note.ends_with(known.as_str())));
        self.warnings.extend(own.collect::<Vec<_>>());
    }

    fn add_content(&mut self, content: &Content) {
        let (encoding, compression) = (content.encoding_name(), content.compression_name());
        self.warnings.extend(content.encoding_warning().map(str::to_owned));
        if encoding != "utf-8" {
            self.options.insert("encoding".to_owned(), encoding.clone().into());
        }
        if compression != "none" {
            self.options.insert("compression".to_owned(), compression.into());
        }
        self.encoding_reason = Some(content.encoding_reason().to_owned());
        (self.encoding, self.compression) = (Some(encoding), Some(compression));
    }

    /// The confidence by the rule of the contract, and the calls.
    fn finished(mut self) -> Self {
        let second = self.candidates.get(1).map_or(0, |candidate| candidate.score);
        let lead = self.score.saturating_sub(second);
        self.confidence = match (self.score, lead) {
            (90.., 15..) => "high",
            (65.., 8..) => "medium",
            _ => "low",
        };
        if self.confidence == "low" {
            self.warnings.push("the confidence is low: look at the candidates before reading the file".to_owned());
        }
        self.calls = calls::calls(&self);
        self
    }
}

/// The name of the file without its endings, also that of a compression.
fn table_name(path: &str) -> String {
    const COMPRESSED: [&str; 5] = ["gz", "zst", "bz2", "xz", "zip"];
    let mut path = Path::new(path);
    let stem;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
    if COMPRESSED.contains(&extension.as_str()) {
        stem = path.with_extension("");
        path = &stem;
    }
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, bytes: &[u8]) -> Result<Probe> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut probe = probe(&FileAccess::default(), path.to_str().unwrap(), &ReadOptions::new());
        if let Ok(probe) = &mut probe {
            let shorten = |text: &mut String| *text = text.replace(&format!("{}/", dir.path().display()), "");
            [&mut probe.path, &mut probe.calls.python, &mut probe.calls.sql, &mut probe.calls.shell]
                .into_iter()
                .for_each(shorten);
        }
        probe
    }

    #[test]
    fn a_table_is_reported_with_the_calls_that_read_it() {
        let probe = of("sales.csv.gz", "día;precio\n2024-01-01;1,5\n2024-01-02;2,5\n".as_bytes()).unwrap();
        assert_eq!((probe.kind, probe.final_format, probe.confidence), ("csv", "csv", "high"));
        assert_eq!(probe.suggested_table_name, "sales");
        assert_eq!(probe.schema, ["día", "precio"]);
        assert_eq!(probe.calls.python, r#"session.read_csv("sales.csv.gz", delimiter=";", decimal=",")"#);
        assert_eq!(
            probe.calls.sql,
            "CREATE TABLE sales USING csv OPTIONS(path: 'sales.csv.gz', delimiter: ';', decimal: ',')"
        );
        assert_eq!(
            probe.calls.shell,
            "velaria-cli csv-sql --csv sales.csv.gz --option 'delimiter=;' --option decimal=, --query 'SELECT * FROM \
             input_table'"
        );
    }

    #[test]
    fn keys_stand_in_the_order_of_the_contract() {
        let json = serde_json::to_string(&of("a.csv", b"a,b\n1,2\n").unwrap()).unwrap();
        let document: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        let keys: Vec<&str> = document.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "path",
                "kind",
                "final_format",
                "score",
                "confidence",
                "schema",
                "suggested_table_name",
                "warnings",
                "candidates",
                "delimiter",
                "fields",
                "compression",
                "encoding",
                "encoding_reason",
                "options",
                "calls"
            ]
        );
    }

    #[test]
    fn lines_of_pipes_without_names_are_a_line_file() {
        let probe = of("a.csv", b"1|x\n2|y\n").unwrap();
        assert_eq!((probe.kind, probe.final_format, probe.mode), ("line", "line_split", Some("split")));
        assert_eq!(probe.schema, ["c0", "c1"]);
        assert_eq!(probe.mappings.unwrap()[1], ProbeMapping { column: "c1".to_owned(), source_index: 1 });
        assert_eq!(of("a.csv", b"id|x\n1|a\n2|b\n").unwrap().kind, "csv");
    }

    #[test]
    fn json_is_told_from_tables() {
        let probe = of("a.json", b"{\"a\": 1, \"b\": [1]}\n{\"a\": 2, \"c\": {}}\n").unwrap();
        assert_eq!((probe.kind, probe.final_format, probe.format), ("json", "json_lines", Some("json_lines")));
        assert_eq!(probe.columns.unwrap(), ["a", "b", "c"]);
        let probe = of("a.json", b" [ {\"a\": \"],[{\"},\n {\"b\": 2} ]").unwrap();
        assert_eq!((probe.final_format, probe.columns.unwrap()), ("json_array", vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(of("a.csv", b"v\n[1 2]\n[3 4]\n").unwrap().kind, "csv");
        assert_eq!(of("a.csv", b"[1 2]\n[3 4]\n").unwrap().kind, "csv");
    }

    #[test]
    fn what_has_no_content_and_what_cannot_be_told_are_errors() {
        for bytes in [&b""[..], b"\xef\xbb\xbf", b"\n \n"] {
            let error = of("a.csv", bytes).unwrap_err();
            assert_eq!(error.code(), ErrorCode::EmptyFile);
            assert!(error.message().starts_with("probe found empty input: "), "{error}");
        }
        assert_eq!(of("a.csv", b"a,b|c\nd,e|f\n").unwrap_err().code(), ErrorCode::Ambiguous);
        assert_eq!(of("a.csv", b"\x89PNG\r\n\x1a\n").unwrap_err().code(), ErrorCode::MalformedFile);
    }

    #[test]
    fn calls_are_quoted_as_their_language_wants() {
        let probe = of("it's a.csv", b"a\tb\n1\t2\n").unwrap();
        assert_eq!(probe.final_format, "tsv");
        assert_eq!(probe.calls.python, r#"session.read_csv("it's a.csv", delimiter="\t")"#);
        assert_eq!(probe.calls.sql, "CREATE TABLE \"it's a\" USING csv OPTIONS(path: 'it''s a.csv', delimiter: '\\t')");
        assert!(probe.calls.shell.starts_with(r"velaria-cli csv-sql --csv 'it'\''s a.csv' --option 'delimiter=\t'"));
    }
}
