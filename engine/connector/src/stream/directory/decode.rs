//! Makes rows of one file after another, with the columns of the stream.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use velaria_contract::{Error, ErrorCode, Result};

use super::{Directory, no_columns, nullable};
use crate::csv::{CsvPattern, CsvRejects};
use crate::files::wider;
use crate::json::{self, JsonOptions};
use crate::parquet::{PARQUET_OPTIONS, check_footer};
use crate::registry::with_declared;
use crate::{CsvOptions, FileAccess, Format, LocalFile, ReadOptions};

/// The rows of a file.
pub(super) type Rows = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

const PARQUET_ROWS: usize = 32_768;

/// Reads files of one format.
#[derive(Debug)]
pub(super) struct Decoder {
    access: FileAccess,
    schema: SchemaRef,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Csv(Csv),
    Json(JsonOptions),
    Parquet,
}

#[derive(Debug)]
struct Csv {
    options: CsvOptions,
    /// How the files are written, once one of them could be read.
    pattern: Mutex<Option<Arc<CsvPattern>>>,
}

impl Decoder {
    /// A decoder of what is like the file at `first`, or like the options say when there is none yet.
    pub(super) fn new(
        access: &FileAccess,
        directory: &Directory<'_>,
        options: &ReadOptions,
        first: Option<&str>,
    ) -> Result<Self> {
        let open = |path: &str| LocalFile::open(access, path);
        let format = match (directory.format, options.text("format"), first) {
            (Some(format), ..) => format,
            (None, Some(word), _) => Format::named(word)?,
            (None, None, Some(first)) => Format::of(&open(first)?, options)?,
            (None, None, None) => return Err(no_format(directory.path)),
        };
        let declared = directory.columns.map(nullable);
        // The columns of the first file, when they are needed. That there is none is said last: what else is wrong stays so.
        let first = first.filter(|_| declared.is_none());
        let without_format = || options.clone().without(&["format"]);
        let (kind, found) = match format {
            Format::Csv => {
                let csv = Csv::new(&without_format(), directory)?;
                let found = first.map(|path| csv.pattern(access, path, None)).transpose()?;
                (Kind::Csv(csv), found.map(|pattern| Arc::clone(pattern.schema())))
            }
            Format::Json => {
                let options = JsonOptions::from_options(options, directory.type_of)?;
                let found = first.map(|path| Ok(json::open(open(path)?, &options)?.decoder().schema())).transpose()?;
                (Kind::Json(options), found)
            }
            Format::Parquet => {
                without_format().check("parquet", &PARQUET_OPTIONS)?;
                let found = first.map(|path| Ok(Arc::clone(parquet(&open(path)?)?.schema()))).transpose()?;
                (Kind::Parquet, found)
            }
            Format::Arrow | Format::Line | Format::Excel => return Err(no_stream(format)),
        };
        let found = found.as_deref().map(nullable);
        let schema = declared.or(found).ok_or_else(|| no_columns(directory.path))?;
        let kind = match kind {
            Kind::Json(options) => Kind::Json(options.with_columns(&schema)),
            other => other,
        };
        Ok(Self { access: access.clone(), schema, kind })
    }

    /// The columns of the stream.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What a person should know about how the files are read.
    pub(super) fn notes(&self) -> Vec<String> {
        match &self.kind {
            Kind::Csv(csv) => csv.lock().as_ref().map(|pattern| pattern.notes()).unwrap_or_default(),
            Kind::Json(_) | Kind::Parquet => Vec::new(),
        }
    }

    /// The rows of the file at `path`.
    pub(super) fn rows(&self, path: &str) -> Result<Rows> {
        match &self.kind {
            Kind::Csv(csv) => {
                let rows = csv.pattern(&self.access, path, Some(&self.schema))?.rows(path)?;
                Ok(self.conformed(path, rows))
            }
            Kind::Json(options) => {
                let decoder = json::open(LocalFile::open(&self.access, path)?, options)?.decoder();
                let all: Vec<usize> = (0..decoder.schema().fields().len()).collect();
                Ok(self.conformed(path, decoder.read(0, 1, &all)?))
            }
            Kind::Parquet => self.parquet_rows(path),
        }
    }

    /// The rows without the malformed ones, and the latter; `None` when the format has no rows that could be left out.
    pub(super) fn good_rows(&self, path: &str) -> Result<Option<(Rows, CsvRejects)>> {
        match &self.kind {
            Kind::Csv(csv) => {
                let (rows, rejects) = csv.pattern(&self.access, path, Some(&self.schema))?.good_rows(path)?;
                Ok(Some((self.conformed(path, rows), rejects)))
            }
            Kind::Json(_) | Kind::Parquet => Ok(None),
        }
    }

    fn parquet_rows(&self, path: &str) -> Result<Rows> {
        let builder = parquet(&LocalFile::open(&self.access, path)?)?;
        let found = Arc::clone(builder.schema());
        let places = self.schema.fields().iter().map(|field| found.index_of(field.name()));
        let places: Vec<usize> = places.collect::<Result<_, _>>().map_err(|_| no_column(path, &self.schema, &found))?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), places);
        let refused = {
            let path = path.to_owned();
            move |error: &dyn std::fmt::Display| malformed(&path, error)
        };
        let reader = builder.with_projection(mask).with_batch_size(PARQUET_ROWS).build();
        let reader = reader.map_err(|error| refused(&error))?;
        Ok(self.conformed(path, reader.map(move |batch| batch.map_err(|error| refused(&error)))))
    }

    /// `rows` with the columns of the stream, by name.
    fn conformed(&self, path: &str, rows: impl Iterator<Item = Result<RecordBatch>> + Send + 'static) -> Rows {
        let (schema, path) = (Arc::clone(&self.schema), path.to_owned());
        Box::new(rows.map(move |batch| conform(&batch?, &schema, &path)))
    }
}

impl Csv {
    fn new(options: &ReadOptions, directory: &Directory<'_>) -> Result<Self> {
        let mut options = CsvOptions::from_options(options, directory.type_of)?;
        // One file must not be read in another way than the next: only the first could be looked at for a header.
        options.header.get_or_insert(true);
        if let Some(columns) = directory.columns {
            options = with_declared(options, columns);
        }
        Ok(Self { options, pattern: Mutex::default() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<CsvPattern>>> {
        self.pattern.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the files are written: as the one at `path`, unless one was read before.
    fn pattern(&self, access: &FileAccess, path: &str, declared: Option<&SchemaRef>) -> Result<Arc<CsvPattern>> {
        let mut known = self.lock();
        if let Some(pattern) = known.as_ref() {
            return Ok(Arc::clone(pattern));
        }
        let pattern = CsvPattern::of(access, path, &self.options, declared.map(AsRef::as_ref));
        let pattern = Arc::new(pattern.map_err(|error| named(path, error))?);
        *known = Some(Arc::clone(&pattern));
        Ok(pattern)
    }
}

fn parquet(file: &LocalFile) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>> {
    check_footer(file)?;
    let path = file.path().display().to_string();
    ParquetRecordBatchReaderBuilder::try_new(file.reader()?).map_err(|error| malformed(&path, &error))
}

fn conform(batch: &RecordBatch, schema: &SchemaRef, path: &str) -> Result<RecordBatch> {
    let column = |field: &Arc<arrow::datatypes::Field>| {
        let column = batch.column_by_name(field.name()).ok_or_else(|| no_column(path, schema, batch.schema_ref()))?;
        as_type(column, field.data_type()).map_err(|error| {
            Error::new(error.code(), format!("{path}: column {}: {}", field.name(), error.message()))
                .with_hint("the type of the column is that of the stream; declare another one, or convert the file")
        })
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(crate::decode::from_arrow)
}

/// `column` as `wanted`, when no value can change by that.
fn as_type(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let found = column.data_type();
    if found == wanted {
        return Ok(Arc::clone(column));
    }
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if !is_text(found) && wider(found, wanted).as_ref() != Some(wanted) {
        return Err(Error::new(ErrorCode::SchemaMismatch, format!("it is {found}, not {wanted}")));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(column, wanted, &options).map_err(|error| Error::new(ErrorCode::Cast, error.to_string()))
}

/// `error` with the path in front, unless it is there.
fn named(path: &str, error: Error) -> Error {
    if error.message().contains(path) {
        return error;
    }
    let named = Error::new(error.code(), format!("{path}: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

fn no_column(path: &str, wanted: &Schema, found: &Schema) -> Error {
    let missing = wanted.fields().iter().find(|field| found.column_with_name(field.name()).is_none());
    let name = missing.map_or("", |field| field.name());
    Error::new(ErrorCode::SchemaMismatch, format!("{path}: no column {name}"))
        .with_hint("every file needs the columns of the stream")
}

fn malformed(path: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::MalformedFile, format!("cannot read {path} as parquet")).with_hint(error.to_string())
}

fn no_format(path: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("the format of {path} is not known: there is no file yet"))
        .with_hint("name it: csv, json or parquet")
}

fn no_stream(format: Format) -> Error {
    Error::new(ErrorCode::Unsupported, format!("{} files are not read as a stream", format.name()))
        .with_hint("streams read csv, json and parquet")
}
