//! Makes record batches of pieces of text.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::PhysicalExpr;

use super::column::{Irregular, Kind, Misfits, Records, Regular, Style, decode};
use super::dialect::{BadRows, OnTypeError};
use super::feed::Piece;
use super::record::{Fault, Fields, Found, Rules, Span, Splitter};
use super::structure::{Index, Marks, count};

/// How many irregular records are read before the index is tried again.
const IRREGULAR_ROWS: usize = 64;

/// How the records of a file become rows.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) rules: Rules,
    pub(crate) style: Style,
    pub(crate) bad_rows: BadRows,
    /// All columns of the file.
    pub(crate) columns: Arc<[Column]>,
}

/// One column of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) on_misfit: OnTypeError,
}

impl Layout {
    pub(crate) fn marks(&self) -> Marks {
        Marks { delimiter: self.rules.dialect.delimiter, quote: self.rules.dialect.quote }
    }

    /// Whether the index can read regular records of this dialect.
    pub(crate) fn is_indexable(&self) -> bool {
        let dialect = &self.rules.dialect;
        dialect.comment.is_none()
            && !self.rules.trim
            && (dialect.quote.is_none() || dialect.escape.is_none())
            && !self.columns.is_empty()
    }

    /// Whether the quotes before a place tell if it is inside of a field, so that threads can share the file.
    pub(crate) fn is_shareable(&self) -> bool {
        self.is_indexable() && self.bad_rows == BadRows::Error
    }
}

/// What a scan wants of the rows.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) schema: SchemaRef,
    /// The columns of the file, in the order of the schema.
    pub(crate) columns: Vec<usize>,
    pub(crate) filter: Option<Filter>,
    pub(crate) batch_rows: usize,
}

/// A condition on rows.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) predicate: Arc<dyn PhysicalExpr>,
    /// The columns of the file that the predicate reads, as `schema` names them.
    pub(crate) columns: Vec<usize>,
    pub(crate) schema: SchemaRef,
}

/// Why rows cannot be made.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The record at this place cannot be split, or its bytes are no text.
    Record { offset: u64, fault: Fault },
    /// A value does not have the type of its column.
    Misfit { offset: u64, column: usize },
    /// The filter failed, or an array could not be built.
    Failed(DataFusionError),
}

impl From<ArrowError> for Trouble {
    fn from(error: ArrowError) -> Self {
        Self::Failed(error.into())
    }
}

/// What came of a piece.
pub(crate) enum Step {
    Batch(RecordBatch),
    /// The piece is read, or its last record goes on in the next one.
    More,
}

/// Reads pieces of one file.
pub(crate) struct Batches {
    layout: Layout,
    wanted: Wanted,
    index: Index,
    fields: Fields,
    starts: Vec<usize>,
}

impl Batches {
    pub(crate) fn new(layout: Layout, wanted: Wanted) -> Self {
        Self { layout, wanted, index: Index::default(), fields: Fields::default(), starts: Vec::new() }
    }

    /// The next rows of `piece`.
    pub(crate) fn next(&mut self, piece: &mut Piece) -> Result<Step, Trouble> {
        while piece.position < piece.text.len() {
            if let Some(batch) = self.count(piece)? {
                return Ok(Step::Batch(batch));
            }
            let before = piece.position;
            let mut irregular = true;
            if self.layout.is_indexable() {
                let (batch, found_irregular) = self.regular(piece)?;
                irregular = found_irregular;
                if let Some(batch) = batch {
                    return Ok(Step::Batch(batch));
                }
            }
            if irregular && let Some(batch) = self.irregular(piece)? {
                return Ok(Step::Batch(batch));
            }
            if piece.position == before {
                break;
            }
        }
        Ok(Step::More)
    }

    /// The number of rows alone, when nothing else is wanted and no record is irregular.
    fn count(&mut self, piece: &mut Piece) -> Result<Option<RecordBatch>, Trouble> {
        let wants_number = self.wanted.columns.is_empty() && self.wanted.filter.is_none();
        let fits = piece.text.len() <= self.layout.rules.max_field_bytes;
        if !wants_number || !fits || !piece.is_whole || !self.layout.is_shareable() {
            return Ok(None);
        }
        let text = &piece.text[piece.position..];
        let totals = count(text, self.layout.marks());
        if totals.fields != totals.records * self.layout.columns.len() || totals.records == 0 {
            return Ok(None);
        }
        piece.position = piece.text.len();
        self.batch(Vec::new(), totals.records).map(Some)
    }

    /// Rows that the index can read, and whether it stopped before the end of the piece.
    fn regular(&mut self, piece: &mut Piece) -> Result<(Option<RecordBatch>, bool), Trouble> {
        let columns = self.layout.columns.len();
        let text = &piece.text[piece.position..];
        let offset = piece.offset + piece.position as u64;
        let mut index = std::mem::take(&mut self.index);
        let reached = index.fill(text, 0, self.layout.marks(), columns, self.wanted.batch_rows);
        if let Some(row) = self.oversized(&index, reached.position) {
            let start = index.field(row * columns).0 as u64;
            return Err(Trouble::Record { offset: offset + start, fault: Fault::TooLarge });
        }
        let text = check_text(&text[..reached.position], offset)?;
        let carriage_returns = memchr::memchr(b'\r', text.as_bytes()).is_some();
        let records = Regular::new(text, &index, columns, self.layout.rules.dialect.quote, carriage_returns);
        let batch = match records.rows() {
            0 => Ok(None),
            _ => self
                .decode(&records)
                .map_err(|trouble| place(trouble, |row| offset + index.field(row * columns).0 as u64)),
        };
        self.index = index;
        piece.position += reached.position;
        batch.map(|batch| (batch, reached.irregular))
    }

    /// The first row of `index`, which covers `bytes`, with a field that is longer than a field may be.
    fn oversized(&self, index: &Index, bytes: usize) -> Option<usize> {
        let (most, columns) = (self.layout.rules.max_field_bytes, self.layout.columns.len());
        if bytes <= most {
            return None;
        }
        let too_long = |number: &usize| {
            let (start, end) = index.field(*number);
            end - start > most
        };
        (0..index.rows() * columns).find(too_long).map(|number| number / columns)
    }

    /// Rows that are split one by one.
    fn irregular(&mut self, piece: &mut Piece) -> Result<Option<RecordBatch>, Trouble> {
        let columns = self.layout.columns.len();
        let mut fields = std::mem::take(&mut self.fields);
        let mut starts = std::mem::take(&mut self.starts);
        fields.clear();
        starts.clear();
        let mut splitter = Splitter::new(&self.layout.rules, &piece.text, piece.position);
        let rows_max = if self.layout.is_indexable() { IRREGULAR_ROWS } else { self.wanted.batch_rows };
        let mut read = 0;
        while read < rows_max {
            let before = (fields.values.len(), fields.spans.len());
            let Some(found) = splitter.next(columns, &mut fields) else {
                piece.position = splitter.position();
                break;
            };
            let goes_on = found.end == piece.text.len() || found.fault == Some(Fault::Unterminated);
            if goes_on && !piece.is_whole {
                fields.values.truncate(before.0);
                fields.spans.truncate(before.1);
                break;
            }
            piece.position = found.end;
            read += 1;
            match fit(&self.layout, &piece.text, found, before.1, &mut fields) {
                Ok(()) => starts.push(found.start),
                Err(_) if self.layout.bad_rows == BadRows::Collect => {
                    fields.values.truncate(before.0);
                    fields.spans.truncate(before.1);
                }
                // The rows in front of it come first: nobody may want more.
                Err(_) if !starts.is_empty() => {
                    fields.values.truncate(before.0);
                    fields.spans.truncate(before.1);
                    piece.position = found.start;
                    break;
                }
                Err(fault) => return Err(Trouble::Record { offset: piece.offset + found.start as u64, fault }),
            }
        }
        let values = String::from_utf8(std::mem::take(&mut fields.values)).unwrap_or_default();
        let records = Irregular::new(&values, &fields, columns);
        let batch = match starts.len() {
            0 => Ok(None),
            _ => self.decode(&records).map_err(|trouble| {
                place(trouble, |row| piece.offset + starts.get(row).copied().unwrap_or_default() as u64)
            }),
        };
        fields.values = values.into_bytes();
        self.fields = fields;
        self.starts = starts;
        batch
    }

    fn decode<R: Records>(&self, records: &R) -> Result<Option<RecordBatch>, Trouble> {
        let selected = self.select(records)?;
        let rows = selected.as_ref().map_or(records.rows(), Vec::len);
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.wanted.columns.iter().map(|column| match &selected {
            Some(selected) => self.column(records, *column, selected.iter().copied()),
            None => self.column(records, *column, 0..rows),
        });
        self.batch(columns.collect::<Result<Vec<_>, _>>()?, rows).map(Some)
    }

    /// The rows that are wanted; `None` when all are.
    fn select<R: Records>(&self, records: &R) -> Result<Option<Vec<usize>>, Trouble> {
        let mut selected = None;
        if self.layout.bad_rows == BadRows::Collect {
            selected = self.good_rows(records)?;
        }
        let Some(filter) = &self.wanted.filter else { return Ok(selected) };
        let mut arrays = Vec::with_capacity(filter.columns.len());
        for column in &filter.columns {
            arrays.push(match &selected {
                Some(selected) => self.column(records, *column, selected.iter().copied())?,
                None => self.column(records, *column, 0..records.rows())?,
            });
        }
        let rows = selected.as_ref().map_or(records.rows(), Vec::len);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&filter.schema), arrays, &options)?;
        let kept = evaluate(filter, &batch).map_err(Trouble::Failed)?;
        if kept.true_count() == rows {
            return Ok(selected);
        }
        let places = kept.iter().enumerate().filter(|(_, kept)| *kept == Some(true)).map(|(place, _)| place);
        Ok(Some(match &selected {
            Some(selected) => places.filter_map(|place| selected.get(place).copied()).collect(),
            None => places.collect(),
        }))
    }

    /// The rows whose values all have the types of their columns, when bad rows are left out.
    fn good_rows<R: Records>(&self, records: &R) -> Result<Option<Vec<usize>>, Trouble> {
        let mut bad = Vec::new();
        for (column, declared) in self.layout.columns.iter().enumerate() {
            if declared.on_misfit == OnTypeError::Error {
                let mut misfits = Misfits::default();
                decode(records, column, &declared.kind, &self.layout.style, 0..records.rows(), &mut misfits)?;
                bad.extend(misfits.rows);
            }
        }
        if bad.is_empty() {
            return Ok(None);
        }
        bad.sort_unstable();
        Ok(Some((0..records.rows()).filter(|row| bad.binary_search(row).is_err()).collect()))
    }

    fn column<R: Records>(
        &self,
        records: &R,
        column: usize,
        rows: impl Iterator<Item = usize> + Clone,
    ) -> Result<ArrayRef, Trouble> {
        let mut misfits = Misfits::default();
        let Some(declared) = self.layout.columns.get(column) else {
            return Err(Trouble::Failed(DataFusionError::Internal(format!("no column {column}"))));
        };
        let array = decode(records, column, &declared.kind, &self.layout.style, rows, &mut misfits)?;
        match misfits.rows.first() {
            Some(row) if declared.on_misfit != OnTypeError::Null => {
                // The row becomes a place in the file where it is known.
                Err(Trouble::Misfit { offset: *row as u64, column })
            }
            _ => Ok(array),
        }
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Trouble> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.wanted.schema), columns, &options)?)
    }
}

/// Makes the fields of a record as many as there are columns, if the layout allows that.
///
/// # Errors
/// What is wrong with the record.
pub(crate) fn fit(layout: &Layout, text: &[u8], found: Found, first: usize, fields: &mut Fields) -> Result<(), Fault> {
    let columns = layout.columns.len();
    if let Some(fault) = found.fault {
        return Err(fault);
    }
    if std::str::from_utf8(text.get(found.start..found.end).unwrap_or_default()).is_err() {
        return Err(Fault::Encoding);
    }
    if layout.bad_rows == BadRows::Fill {
        let missing = Span { start: fields.values.len(), end: fields.values.len(), quoted: false };
        let is_empty = |span: &Span| span.start == span.end;
        if fields.spans.get(first + columns..).is_some_and(|extra| extra.iter().all(is_empty)) {
            fields.spans.truncate(first + columns);
        } else if found.width < columns {
            fields.spans.resize(first + columns, missing);
        }
    }
    let width = fields.spans.len() - first;
    if width == columns { Ok(()) } else { Err(Fault::Width(width)) }
}

fn evaluate(filter: &Filter, batch: &RecordBatch) -> Result<BooleanArray, DataFusionError> {
    let kept = filter.predicate.evaluate(batch)?.into_array(batch.num_rows())?;
    let kept = kept.as_boolean_opt().cloned();
    kept.ok_or_else(|| DataFusionError::Internal("a filter of a scan is no condition".to_owned()))
}

fn check_text(bytes: &[u8], offset: u64) -> Result<&str, Trouble> {
    std::str::from_utf8(bytes)
        .map_err(|error| Trouble::Record { offset: offset + error.valid_up_to() as u64, fault: Fault::Encoding })
}

fn place(trouble: Trouble, offset_of: impl Fn(usize) -> u64) -> Trouble {
    match trouble {
        Trouble::Misfit { offset, column } => {
            Trouble::Misfit { offset: offset_of(usize::try_from(offset).unwrap_or(usize::MAX)), column }
        }
        other => other,
    }
}
