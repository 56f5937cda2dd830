//! CSV files one after another, all written alike: for readers that are no query.
//!
//! The first file is looked at as any other; of those that follow only the header is.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef, UInt64Type};
use datafusion::error::DataFusionError;
use velaria_contract::{Error, ErrorCode, Result};

use super::batch::{Batches, Layout, Step, Trouble, Wanted};
use super::dialect::{BadRows, CsvOptions};
use super::fault;
use super::feed::{Feed, Piece, Serial};
use super::file::CsvFile;
use super::rejects::rejected;
use crate::FileAccess;

/// What is read at once. The fields of its records fit into the cache beside it.
const PIECE_BYTES: usize = 1 << 20;
/// The most rows of a batch.
const ROWS_MAX: usize = 32_768;

/// How files are written, and the types of their columns.
#[derive(Debug)]
pub(crate) struct CsvPattern {
    first: CsvFile,
    types: Vec<(String, DataType)>,
    schema: SchemaRef,
}

impl CsvPattern {
    /// Looks at the file at `path`. The columns are those of `declared`, and otherwise those of the file.
    pub(crate) fn of(access: &FileAccess, path: &str, options: &CsvOptions, declared: Option<&Schema>) -> Result<Self> {
        let first = CsvFile::open(access, path, options)?;
        let schema = match declared {
            Some(declared) => Arc::new(as_read(declared)),
            None => first.typed().schema,
        };
        let types = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        Ok(Self { first, types, schema })
    }

    /// The columns as they are read: text is `Utf8View`.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What a user should know about how the files are read.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.first.notes()
    }

    /// The rows of the file at `path`.
    pub(crate) fn rows(&self, path: &str) -> Result<CsvRows> {
        CsvRows::new(Arc::new(self.first.open_alike(path, &self.types)?), &self.schema)
    }

    /// The rows without those that are malformed, and the latter.
    pub(crate) fn good_rows(&self, path: &str) -> Result<(CsvRows, CsvRejects)> {
        let file = Arc::new(self.first.open_alike(path, &self.types)?.with_bad_rows(BadRows::Collect));
        Ok((CsvRows::new(Arc::clone(&file), &self.schema)?, CsvRejects { file }))
    }
}

fn as_read(declared: &Schema) -> Schema {
    let as_read = |field: &Arc<arrow::datatypes::Field>| {
        let data_type = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            other => other.clone(),
        };
        field.as_ref().clone().with_data_type(data_type).with_nullable(true)
    };
    Schema::new(declared.fields().iter().map(as_read).collect::<Vec<_>>())
}

/// Reads one file from front to back.
pub(crate) struct CsvRows {
    file: Arc<CsvFile>,
    feed: Feed,
    piece: Piece,
    batches: Batches,
    layout: Layout,
}

impl CsvRows {
    fn new(file: Arc<CsvFile>, schema: &SchemaRef) -> Result<Self> {
        let layout = file.layout(file.typed().columns);
        let place = |field: &Arc<arrow::datatypes::Field>| {
            let place = file.names().iter().position(|name| name == field.name());
            place.ok_or_else(|| Error::new(ErrorCode::ColumnNotFound, format!("column not found: {}", field.name())))
        };
        let columns = schema.fields().iter().map(place).collect::<Result<Vec<_>>>()?;
        // A small file is read in one go.
        let bytes = usize::try_from(file.local().bytes()).unwrap_or(usize::MAX);
        let step = bytes.saturating_add(1).min(PIECE_BYTES);
        // A field has a byte at least, so there is no need to have room for more rows.
        let batch_rows = (step / file.names().len().max(1) + 1).min(ROWS_MAX);
        let wanted = Wanted { schema: Arc::clone(schema), columns, filter: None, batch_rows };
        let feed = Feed::Serial(Serial::new(reader(&file)?, step, PIECE_BYTES));
        let piece = Piece::before(file.data_start());
        let batches = Batches::new(layout.clone(), wanted);
        Ok(Self { file, feed, piece, batches, layout })
    }

    fn explain(&self, trouble: Trouble) -> Error {
        fault::describe(&self.file, &trouble, &self.layout)
    }
}

impl Iterator for CsvRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.batches.next(&mut self.piece) {
                Ok(Step::Batch(batch)) => return Some(Ok(batch)),
                Ok(Step::More) => {}
                Err(trouble) => return Some(Err(self.explain(trouble))),
            }
            match self.feed.fill(&mut self.piece) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(self.file.unreadable(error))),
            }
            if let Err(error) = self.file.check_open_field(&self.piece) {
                return Some(Err(error));
            }
        }
    }
}

/// The text behind the header. The bytes of a plain file are checked where they are decoded.
fn reader(file: &CsvFile) -> Result<Box<dyn Read + Send>> {
    if !file.is_plain() {
        return file.data_reader();
    }
    let mut content = file.local().reader()?;
    let start = SeekFrom::Start(file.bom_bytes() + file.data_start());
    content.seek(start).map_err(|error| file.unreadable(error))?;
    Ok(Box::new(content))
}

/// The malformed rows of one file.
pub(crate) struct CsvRejects {
    file: Arc<CsvFile>,
}

impl CsvRejects {
    /// The rows, with their line and why they are malformed: `line`, `byte_offset`, `column`, `reason`, `raw`.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Result<RecordBatch>> {
        rejected(Arc::clone(&self.file)).map(|batch| batch.map_err(unwrapped))
    }

    /// The place of the first row of `batch`, with the reason.
    pub(crate) fn first(&self, batch: &RecordBatch) -> Option<String> {
        let line = batch.column_by_name("line")?.as_primitive_opt::<UInt64Type>()?.values().first().copied()?;
        let reasons = batch.column_by_name("reason")?.as_string_opt::<i32>()?;
        let reason = (!reasons.is_empty()).then(|| reasons.value(0))?;
        Some(format!("{}:{line}: {reason}", self.file.local().path().display()))
    }
}

fn unwrapped(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::new(ErrorCode::Internal, other.to_string()),
        },
        other => Error::new(ErrorCode::Internal, other.strip_backtrace()),
    }
}
