//! The records of a file that its table leaves out.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;

use super::batch::{Layout, fit};
use super::column::{Irregular, Misfits, decode};
use super::dialect::OnTypeError;
use super::feed::{Feed, Piece, Serial};
use super::file::CsvFile;
use super::record::{Fault, Fields, Splitter};
use crate::listing::external;

const PIECE_BYTES: usize = 1 << 20;
/// How many rejected records are handed out at a time.
const ROWS: usize = 1024;

/// A table of the records that a CSV table leaves out: `line`, `byte_offset`, `column`, `reason`, `raw`.
#[derive(Debug)]
pub struct RejectsTable {
    rejects: Arc<Rejects>,
}

#[derive(Debug)]
struct Rejects {
    file: Arc<CsvFile>,
    schema: SchemaRef,
}

impl RejectsTable {
    pub(crate) fn new(file: Arc<CsvFile>) -> Self {
        Self { rejects: Arc::new(Rejects { file, schema: schema() }) }
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("line", DataType::UInt64, false),
        Field::new("byte_offset", DataType::UInt64, false),
        Field::new("column", DataType::Utf8, true),
        Field::new("reason", DataType::Utf8, false),
        Field::new("raw", DataType::Utf8, false),
    ]))
}

/// The records of `file` that are left out, with the columns of [`RejectsTable`].
pub(crate) fn rejected(file: Arc<CsvFile>) -> impl Iterator<Item = DataFusionResult<RecordBatch>> {
    let mut walk = Walk::new(file, schema());
    std::iter::from_fn(move || walk.next().transpose())
}

#[async_trait]
impl TableProvider for RejectsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.rejects.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let partition = Arc::<Rejects>::clone(&self.rejects);
        let schema = Arc::clone(&self.rejects.schema);
        let exec = StreamingTableExec::try_new(schema, vec![partition], projection, Vec::new(), false, limit)?;
        Ok(Arc::new(exec))
    }
}

impl PartitionStream for Rejects {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let walk = Walk::new(Arc::clone(&self.file), Arc::clone(&self.schema));
        let batches = stream::try_unfold(walk, |mut walk| async move {
            let batch = walk.next()?;
            Ok(batch.map(|batch| (batch, walk)))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

/// One record that is left out.
struct Reject {
    line: u64,
    byte: u64,
    column: Option<String>,
    reason: &'static str,
    raw: String,
}

/// Reads the file record by record.
struct Walk {
    file: Arc<CsvFile>,
    layout: Layout,
    schema: SchemaRef,
    feed: Option<Feed>,
    piece: Piece,
    fields: Fields,
    line: u64,
    /// Up to where the lines are counted, in the piece.
    counted: usize,
    after_return: bool,
}

impl Walk {
    fn new(file: Arc<CsvFile>, schema: SchemaRef) -> Self {
        let layout = file.layout(file.typed().columns);
        let piece = Piece::before(file.data_start());
        Self {
            file,
            layout,
            schema,
            feed: None,
            piece,
            fields: Fields::default(),
            line: 0,
            counted: 0,
            after_return: false,
        }
    }

    fn next(&mut self) -> DataFusionResult<Option<RecordBatch>> {
        if self.feed.is_none() {
            let reader = self.file.data_reader().map_err(external)?;
            self.line = 1 + super::fault::lines_before_data(&self.file);
            self.feed = Some(Feed::Serial(Serial::new(reader, PIECE_BYTES, PIECE_BYTES)));
        }
        let mut rejects = Vec::new();
        while rejects.len() < ROWS {
            if self.record(&mut rejects)? {
                continue;
            }
            self.count_lines(self.piece.position);
            let filled = match &mut self.feed {
                Some(feed) => feed.fill(&mut self.piece),
                None => Ok(false),
            };
            self.counted = 0;
            if !filled.map_err(|error| external(self.file.unreadable(error)))? {
                break;
            }
            self.file.check_open_field(&self.piece).map_err(external)?;
        }
        if rejects.is_empty() { Ok(None) } else { Ok(Some(self.batch(&rejects)?)) }
    }

    /// Reads one record, and tells whether there was one.
    fn record(&mut self, rejects: &mut Vec<Reject>) -> DataFusionResult<bool> {
        self.fields.clear();
        let columns = self.layout.columns.len();
        let mut splitter = Splitter::new(&self.layout.rules, &self.piece.text, self.piece.position);
        let Some(found) = splitter.next(columns, &mut self.fields) else {
            self.piece.position = splitter.position();
            return Ok(false);
        };
        let goes_on = found.end == self.piece.text.len() || found.fault == Some(Fault::Unterminated);
        if goes_on && !self.piece.is_whole {
            return Ok(false);
        }
        let fault = fit(&self.layout, &self.piece.text, found, 0, &mut self.fields).err();
        let (column, reason) = match fault {
            Some(fault) => (None, reason(fault)),
            None => match self.misfit()? {
                Some(column) => (Some(column), "type mismatch"),
                None => {
                    self.piece.position = found.end;
                    return Ok(true);
                }
            },
        };
        self.count_lines(found.start);
        let raw = self.piece.text.get(found.start..found.end).unwrap_or_default();
        let raw = String::from_utf8_lossy(raw.trim_ascii_end_line()).into_owned();
        let byte = self.file.byte_of(self.piece.offset + found.start as u64);
        rejects.push(Reject { line: self.line, byte, column, reason, raw });
        self.piece.position = found.end;
        Ok(true)
    }

    /// The first column whose value does not have its declared type.
    fn misfit(&self) -> DataFusionResult<Option<String>> {
        let values = std::str::from_utf8(&self.fields.values).unwrap_or_default();
        let records = Irregular::new(values, &self.fields, self.layout.columns.len());
        for (place, column) in self.layout.columns.iter().enumerate() {
            if column.on_misfit != OnTypeError::Error {
                continue;
            }
            let mut misfits = Misfits::default();
            decode(&records, place, &column.kind, &self.layout.style, 0..1, &mut misfits)?;
            if !misfits.rows.is_empty() {
                return Ok(Some(column.name.clone()));
            }
        }
        Ok(None)
    }

    fn count_lines(&mut self, position: usize) {
        let text = self.piece.text.get(self.counted..position).unwrap_or_default();
        self.line += super::fault::lines(text, &mut self.after_return);
        self.counted = position;
    }

    fn batch(&self, rejects: &[Reject]) -> DataFusionResult<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(rejects.iter().map(|reject| reject.line))),
            Arc::new(UInt64Array::from_iter_values(rejects.iter().map(|reject| reject.byte))),
            Arc::new(rejects.iter().map(|reject| reject.column.as_deref()).collect::<StringArray>()),
            Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| reject.reason))),
            Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| reject.raw.as_str()))),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

fn reason(fault: Fault) -> &'static str {
    match fault {
        Fault::Width(_) => "wrong number of fields",
        Fault::TextAfterQuote => "text behind a closing quote",
        Fault::QuoteInField => "quote inside of a field without quotes",
        Fault::Unterminated => "quote never closed",
        Fault::TooLarge => "field too large",
        Fault::Encoding => "not UTF-8",
    }
}

trait TrimLineEnd {
    /// Without the line end behind it.
    fn trim_ascii_end_line(&self) -> &[u8];
}

impl TrimLineEnd for [u8] {
    fn trim_ascii_end_line(&self) -> &[u8] {
        let text = self.strip_suffix(b"\n").unwrap_or(self);
        text.strip_suffix(b"\r").unwrap_or(text)
    }
}
