//! The formats of files, and the one way to open what a path means as a table.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{Session, TableProvider};
use velaria_contract::{Error, ErrorCode, Result};

use crate::compression::Compression;
use crate::content::{self, Content};
use crate::csv::{CSV_OPTIONS, CsvOptions, OnTypeError, open_csv};
use crate::decode::DecodedTable;
use crate::excel::{EXCEL_OPTIONS, open_excel};
use crate::files::wider;
use crate::ipc::{self, ARROW_OPTIONS};
use crate::json::{self, JSON_OPTIONS, JsonOptions};
use crate::line::{self, LINE_OPTIONS, LineOptions};
use crate::located::{Located, Partitioning, locate};
use crate::magic::Binary;
use crate::parquet::{self, PARQUET_OPTIONS};
use crate::{Differences, FileAccess, FilesTable, LocalFile, ReadOptions, input};

/// The type that a word of SQL means.
pub type TypeOf<'a> = &'a (dyn Fn(&str) -> Result<DataType> + Send + Sync);

/// The names of the options that every format has: they are about several files.
pub const FILE_OPTIONS: [&str; 2] = ["union_by_name", "hive_partitioning"];

/// What is looked at to tell a format.
const HEAD_BYTES: u64 = 4096;

/// A format that files are read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Values with a character between them.
    Csv,
    /// JSON objects, one a line or in an array.
    Json,
    /// Parquet.
    Parquet,
    /// An Arrow IPC file or stream.
    Arrow,
    /// Lines that are cut or matched.
    Line,
    /// A workbook.
    Excel,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Csv, Self::Json, Self::Parquet, Self::Arrow, Self::Line, Self::Excel];

    /// The word for the format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Line => "line",
            Self::Excel => "excel",
        }
    }

    /// The format that `word` means, in any case.
    ///
    /// # Errors
    /// `VEL-7001` for a word that means none.
    pub fn named(word: &str) -> Result<Self> {
        match word.to_lowercase().as_str() {
            "csv" | "tsv" => Ok(Self::Csv),
            "json" | "jsonl" | "ndjson" | "json_lines" | "json_array" => Ok(Self::Json),
            "parquet" => Ok(Self::Parquet),
            "arrow" | "ipc" | "feather" => Ok(Self::Arrow),
            "line" | "lines" => Ok(Self::Line),
            "excel" | "xlsx" | "xls" | "xlsb" | "ods" => Ok(Self::Excel),
            _ => {
                let known = Self::ALL.map(Self::name).join(", ");
                Err(Error::new(ErrorCode::InvalidArgument, format!("unknown format: {word}"))
                    .with_hint(format!("there are: {known}")))
            }
        }
    }

    /// The names of the options of the format, without those of [`FILE_OPTIONS`].
    #[must_use]
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &CSV_OPTIONS,
            Self::Json => &JSON_OPTIONS,
            Self::Parquet => &PARQUET_OPTIONS,
            Self::Arrow => &ARROW_OPTIONS,
            Self::Line => &LINE_OPTIONS,
            Self::Excel => &EXCEL_OPTIONS,
        }
    }

    /// The format of `file`, by what is in it, and by its name where that could be any text. Of the options, those that say
    /// how the text is stored count.
    ///
    /// # Errors
    /// `VEL-6003` when the file cannot be read, and those of its compression and encoding.
    pub(crate) fn of(file: &LocalFile, options: &ReadOptions) -> Result<Self> {
        let name = file.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let packed = [".gz", ".zst", ".bz2", ".xz", ".zip"];
        let name = packed.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let head = input::head(file, HEAD_BYTES)?;
        match content::binary(file)? {
            Some(Binary::Parquet) => return Ok(Self::Parquet),
            Some(Binary::ArrowFile | Binary::ArrowStream) => return Ok(Self::Arrow),
            Some(Binary::Excel) => return Ok(Self::Excel),
            // A damaged archive does not say what it was.
            None if head.starts_with(b"PK") && ends(&[".xlsx", ".xlsm", ".xlsb", ".ods"]) => return Ok(Self::Excel),
            // The reader of text says what else it is.
            Some(Binary::Compressed(_) | Binary::Other(_)) | None => {}
        }
        let text = text_head(file, head, options)?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text).trim_ascii_start();
        let is_object = text.first() == Some(&b'{');
        let is_array =
            text.strip_prefix(b"[").is_some_and(|rest| matches!(rest.trim_ascii_start().first(), Some(b'{' | b']')));
        let called_json = ends(&[".json", ".jsonl", ".ndjson"]);
        Ok(if is_object || is_array || called_json { Self::Json } else { Self::Csv })
    }
}

/// The beginning of the text of a file that begins with `head`. Every encoding but UTF-16 has ASCII in it, which is all that
/// a format is told by.
fn text_head(file: &LocalFile, head: Vec<u8>, options: &ReadOptions) -> Result<Vec<u8>> {
    let compression = options.text("compression");
    let is_packed = compression.is_some_and(|name| name != "none") || Compression::of(&head) != Compression::None;
    if !is_packed && !head.contains(&0) {
        return Ok(head);
    }
    let content = Content::of_text(file, compression, options.text("encoding"))?;
    Ok(content.head(file, HEAD_BYTES as usize)?.text.into_bytes())
}

/// What is to be opened.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// A file, a directory, a pattern, or `-`.
    pub path: &'a str,
    /// The format; `None` is to be found in the first file.
    pub format: Option<Format>,
    /// The options of the format, and those of [`FILE_OPTIONS`].
    pub options: &'a ReadOptions,
    /// The columns, when they were declared.
    pub columns: Option<&'a Schema>,
    /// The types that words in options mean.
    pub type_of: TypeOf<'a>,
}

/// What was opened.
#[derive(Debug)]
pub struct Opened {
    /// The table.
    pub table: Arc<dyn TableProvider>,
    /// The format of its files.
    pub format: Format,
    /// The files.
    pub located: Located,
}

impl Opened {
    /// What a person should know about how the files are read.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let table = self.table.as_ref() as &dyn Any;
        let parts = table.downcast_ref::<FilesTable>().into_iter().flat_map(FilesTable::tables);
        let parts = parts.filter_map(|part| (part.as_ref() as &dyn Any).downcast_ref::<DecodedTable>());
        table.downcast_ref::<DecodedTable>().into_iter().chain(parts).flat_map(DecodedTable::notes).collect()
    }
}

/// Opens `source` as one table.
///
/// # Errors
/// Those of [`locate`] and of the decoders; `VEL-7001` for options that the format does not have; `VEL-5006` when the files do
/// not fit each other, or not the declared columns.
pub async fn open(state: &dyn Session, source: &Source<'_>) -> Result<Opened> {
    let located = find(state, source)?;
    open_located(state, source, located).await
}

/// The files that `source` means.
///
/// # Errors
/// Those of [`locate`], and `VEL-7001` for a value that an option cannot have.
pub fn find(state: &dyn Session, source: &Source<'_>) -> Result<Located> {
    let partitioning = match source.options.flag("hive_partitioning")? {
        Some(false) => Partitioning::None,
        Some(true) | None => Partitioning::Hive,
    };
    locate(&FileAccess::of(state.config_options())?, source.path, partitioning)
}

/// Opens `located`, which are the files of `source`, as one table.
///
/// # Errors
/// Those of [`open`].
pub async fn open_located(state: &dyn Session, source: &Source<'_>, located: Located) -> Result<Opened> {
    let differences = match source.options.flag("union_by_name")? {
        Some(true) => Differences::UnionByName,
        Some(false) | None => Differences::Refuse,
    };
    let (format, options) = format_of(source, &located)?;
    let reader = Reader::new(format, &options, source)?;
    let tables = reader.open_all(state, &located).await?;
    let (tables, fields) = match reader.declared(source) {
        Declared::Nothing => match FilesTable::new(&located, tables, differences) {
            Ok(table) => return Ok(opened(table, format, located)),
            Err(error) => {
                let wide = reader.widened(state, &located).await?;
                let Some(tables) = wide else { return Err(error) };
                return Ok(opened(FilesTable::new(&located, tables, differences)?, format, located));
            }
        },
        Declared::ByName(fields) => (tables, fields),
        Declared::InOrder(schema) => {
            for (table, file) in tables.iter().zip(&located.files) {
                check_declared(schema, &table.schema(), &file.file)?;
            }
            (tables, schema.fields().iter().map(|field| field.as_ref().clone()).collect())
        }
        Declared::Types(types) => {
            let table = FilesTable::new(&located, tables.clone(), differences)?;
            (tables, retyped(table.schema().as_ref(), &types, located.partitions.len()))
        }
    };
    Ok(opened(FilesTable::with_columns(&located, tables, fields)?, format, located))
}

/// One file that is what it seems needs nothing around it.
fn opened(table: FilesTable, format: Format, located: Located) -> Opened {
    let table: Arc<dyn TableProvider> = match table.plain() {
        Some(only) => only,
        None => Arc::new(table),
    };
    Opened { table, format, located }
}

/// The format, and the options that are left for it.
fn format_of(source: &Source<'_>, located: &Located) -> Result<(Format, ReadOptions)> {
    let options = source.options.clone().without(&FILE_OPTIONS);
    let word = options.text("format").map(str::to_lowercase);
    let named = match (&word, source.format) {
        // The format of JSON is how its records stand in the file.
        (Some(word), Some(Format::Json)) if !matches!(word.as_str(), "csv" | "parquet" | "arrow") => None,
        (Some(word), _) => Some(Format::named(word)?),
        (None, _) => None,
    };
    let format = match (source.format, named) {
        (Some(format), Some(named)) if format != named => {
            return Err(Error::new(
                ErrorCode::InvalidArgument,
                format!("option format is {}, not {}", named.name(), format.name()),
            ));
        }
        (Some(format), _) | (None, Some(format)) => format,
        (None, None) => match located.files.first() {
            Some(first) => Format::of(&first.file, &options)?,
            None => Format::Csv,
        },
    };
    let options = match (format, word.as_deref()) {
        (Format::Json, _) => options,
        (Format::Csv, Some("tsv")) if options.text("delimiter").is_none() => {
            options.without(&["format"]).with("delimiter", "\t")
        }
        _ => options.without(&["format"]),
    };
    Ok((format, options))
}

/// A format with its options.
enum Reader<'t> {
    Csv(Box<CsvOptions>),
    Excel { options: ReadOptions, type_of: TypeOf<'t> },
    Json(JsonOptions),
    Parquet,
    Arrow,
    Line(LineOptions),
}

/// What the caller said about the columns.
enum Declared<'a> {
    Nothing,
    /// These columns, wherever they stand in the files.
    ByName(Vec<Field>),
    /// These columns, which the files have to have in this order.
    InOrder(&'a Schema),
    /// The types of some columns.
    Types(Vec<(String, DataType)>),
}

impl<'t> Reader<'t> {
    fn new(format: Format, options: &ReadOptions, source: &Source<'t>) -> Result<Self> {
        let (columns, type_of) = (source.columns, source.type_of);
        Ok(match format {
            Format::Csv => {
                let mut options = CsvOptions::from_options(options, type_of)?;
                if let Some(columns) = columns {
                    options = with_declared(options, columns);
                }
                Self::Csv(Box::new(options))
            }
            Format::Json => {
                let options = JsonOptions::from_options(options, type_of)?;
                Self::Json(columns.map_or(options.clone(), |columns| options.with_columns(columns)))
            }
            Format::Parquet => {
                options.check("parquet", &PARQUET_OPTIONS)?;
                Self::Parquet
            }
            Format::Arrow => {
                options.check("arrow", &ARROW_OPTIONS)?;
                Self::Arrow
            }
            Format::Line => {
                let options = LineOptions::from_options(options, type_of)?;
                Self::Line(columns.map_or(options.clone(), |columns| options.with_columns(columns)))
            }
            Format::Excel => {
                options.check("excel", &EXCEL_OPTIONS)?;
                Self::Excel { options: options.clone(), type_of }
            }
        })
    }

    async fn open_all(&self, state: &dyn Session, located: &Located) -> Result<Vec<Arc<dyn TableProvider>>> {
        let mut tables = Vec::with_capacity(located.files.len());
        for each in &located.files {
            tables.push(self.open(state, &each.file).await?);
        }
        Ok(tables)
    }

    async fn open(&self, state: &dyn Session, file: &LocalFile) -> Result<Arc<dyn TableProvider>> {
        Ok(match self {
            Self::Csv(options) => Arc::new(open_csv(state, &file.path().to_string_lossy(), options).await?),
            Self::Json(options) => Arc::new(json::open(file.clone(), options)?),
            Self::Excel { options, type_of } => {
                let path = file.path().to_string_lossy();
                let access = FileAccess::of(state.config_options())?;
                Arc::new(open_excel(&access, &path, options, &|word| type_of(word))?.into_table()?)
            }
            Self::Parquet => Arc::new(parquet::open(state, file.clone()).await?),
            Self::Arrow => Arc::new(ipc::open(file.clone())?),
            Self::Line(options) => Arc::new(line::open(file.clone(), options.clone())?),
        })
    }

    fn declared<'a>(&self, source: &Source<'a>) -> Declared<'a> {
        let fields = |schema: &Schema| schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        match (self, source.columns) {
            (Self::Json(_), Some(schema)) => Declared::ByName(fields(schema)),
            (Self::Csv(_) | Self::Excel { .. } | Self::Parquet | Self::Arrow | Self::Line(_), Some(schema)) => {
                Declared::InOrder(schema)
            }
            (Self::Json(options), None) => {
                let typed = options.declared().unwrap_or_default();
                types(typed.into_iter().filter_map(|(name, data_type)| Some((name, data_type?))).collect())
            }
            (Self::Line(options), None) => types(options.types().to_vec()),
            (Self::Csv(_) | Self::Excel { .. } | Self::Parquet | Self::Arrow, None) => Declared::Nothing,
        }
    }

    /// The tables of CSV files whose types differ, with text where nothing else holds all values; `None` when the caller does
    /// not want types to widen.
    async fn widened(&self, state: &dyn Session, located: &Located) -> Result<Option<Vec<Arc<dyn TableProvider>>>> {
        let Self::Csv(options) = self else { return Ok(None) };
        if options.on_type_error != OnTypeError::Widen {
            return Ok(None);
        }
        let mut found: Vec<(String, Option<DataType>)> = Vec::new();
        for table in self.open_all(state, located).await? {
            for field in table.schema().fields() {
                match found.iter_mut().find(|(name, _)| name == field.name()) {
                    None => found.push((field.name().clone(), Some(field.data_type().clone()))),
                    Some((_, known)) => *known = known.as_ref().and_then(|known| wider(known, field.data_type())),
                }
            }
        }
        let mut options = options.as_ref().clone();
        let text = found.into_iter().filter(|(_, known)| known.is_none()).map(|(name, _)| (name, DataType::Utf8));
        options.types.extend(text);
        Reader::Csv(Box::new(options)).open_all(state, located).await.map(Some)
    }
}

fn types<'a>(types: Vec<(String, DataType)>) -> Declared<'a> {
    if types.is_empty() { Declared::Nothing } else { Declared::Types(types) }
}

/// The names stand in the header, unless there is none; the types are those that were declared.
pub(crate) fn with_declared(mut options: CsvOptions, schema: &Schema) -> CsvOptions {
    if options.header == Some(false) && options.columns.is_none() {
        options.columns = Some(schema.fields().iter().map(|field| field.name().clone()).collect());
    }
    options.types = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    options
}

/// Checks that `file`, which has the columns of `found`, has the declared names in their order.
fn check_declared(declared: &Schema, found: &Schema, file: &LocalFile) -> Result<()> {
    let mismatch = |expected: &str, got: &str| {
        Error::new(ErrorCode::SchemaMismatch, format!("CREATE TABLE column mismatch: expected {expected}, got {got}"))
            .with_hint(format!("declare the columns of {} in their order, or none", file.path().display()))
    };
    for (expected, got) in declared.fields().iter().zip(found.fields()) {
        if expected.name() != got.name() {
            return Err(mismatch(expected.name(), got.name()));
        }
    }
    let count = |schema: &Schema| match schema.fields().len() {
        1 => "1 column".to_owned(),
        count => format!("{count} columns"),
    };
    if declared.fields().len() == found.fields().len() {
        Ok(())
    } else {
        Err(mismatch(&count(declared), &count(found)))
    }
}

/// The columns of `schema` with the types of `types`, without the last ones, which are `partitions`.
fn retyped(schema: &Schema, types: &[(String, DataType)], partitions: usize) -> Vec<Field> {
    let own = schema.fields().len() - partitions;
    let retyped = |field: &Arc<Field>| {
        let known = types.iter().find(|(name, _)| name == field.name());
        Field::new(field.name(), known.map_or(field.data_type(), |(_, data_type)| data_type).clone(), true)
    };
    schema.fields().iter().take(own).map(retyped).collect()
}
