//! Looks at records to find the types of their columns: at some of them when a file is opened, at all of them when one did
//! not fit.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use velaria_contract::{Error, ErrorCode, Result};

use super::batch::fit;
use super::column::{Irregular, Records, Regular, Text, undouble};
use super::dialect::OnTypeError;
use super::feed::{Feed, Piece, Queue, Serial, shared};
use super::file::CsvFile;
use super::infer::{Guess, Guessed};
use super::record::{Fields, Splitter};
use super::structure::{Index, Place, first_line_end};
use crate::content::Head;

/// How much of the start of a file is looked at.
const START_BYTES: u64 = 64 << 10;
/// How many places behind it are looked at, and how much at each of them.
const PLACES: u64 = 12;
const PLACE_BYTES: usize = 8 << 10;
/// How many records are indexed at a time.
const ROWS: usize = 2048;
const BLOCK_BYTES: u64 = 1 << 20;

/// The types of the columns by the beginning of the file and by records at places all over it, and whether that was all.
pub(crate) fn sample(file: &CsvFile, head: &Head) -> Result<(Vec<Guessed>, bool)> {
    let mut looker = Looker::new(file);
    let most = file.options().sample_bytes.unwrap_or(START_BYTES);
    let start = usize::try_from(file.data_start()).unwrap_or(usize::MAX).min(head.text.len());
    let data = &head.text.as_bytes()[start..];
    let cut = data.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    let whole = head.whole && cut == data.len();
    looker.look(&data[..cut], whole);
    if looker.rows == 0 && !whole {
        look_until_a_record(file, &mut looker)?;
    }
    // Without a quote so far, lines are records. Where later values may not widen a column, the first ones decide alone.
    let has_quotes = file.rules().dialect.quote.is_some_and(|quote| memchr::memchr(quote, &data[..cut]).is_some());
    if !whole && file.is_plain() && !has_quotes && file.options().on_type_error == OnTypeError::Widen {
        look_around(file, &mut looker)?;
    }
    Ok((looker.finish(), whole))
}

/// Looks at the first record, which is longer than what is looked at elsewhere.
fn look_until_a_record(file: &CsvFile, looker: &mut Looker<'_>) -> Result<()> {
    let step = BLOCK_BYTES as usize;
    let mut feed = Feed::Serial(Serial::new(file.data_reader()?, step, step));
    let mut piece = Piece::before(file.data_start());
    while looker.rows == 0 && feed.fill(&mut piece).map_err(|error| file.unreadable(error))? {
        piece.position += looker.look(&piece.text[piece.position..], piece.is_whole);
        file.check_open_field(&piece)?;
    }
    Ok(())
}

/// Looks at records behind the start. Where they begin is a guess, so only text that has the right number of fields in all
/// of its records counts.
fn look_around(file: &CsvFile, looker: &mut Looker<'_>) -> Result<()> {
    let (start, end) = file.data_range()?;
    let mut reader = file.local().reader()?;
    let step = (end - start) / PLACES;
    for place in 1..=PLACES {
        let from = (start + place * step).min(end.saturating_sub(PLACE_BYTES as u64)).max(start);
        let mut text = Vec::with_capacity(PLACE_BYTES);
        let read = reader
            .seek(SeekFrom::Start(from))
            .and_then(|_| reader.by_ref().take(PLACE_BYTES as u64).read_to_end(&mut text));
        read.map_err(|error| file.unreadable(error))?;
        let marks = file.layout(Arc::new([])).marks();
        let Some(first) = first_line_end(&text, marks, Place::Outside, Some(b'x'), false) else { continue };
        let Some(last) = memchr::memrchr2(b'\n', b'\r', &text) else { continue };
        if first < last && looker.is_regular(&text[first + 1..=last]) {
            looker.look(&text[first + 1..=last], true);
        }
    }
    Ok(())
}

/// Looks at every value of the file, and tells whether a column got another type.
///
/// # Errors
/// Those of reading.
pub(crate) fn settle(file: &Arc<CsvFile>, threads: usize) -> Result<bool> {
    let layout = file.layout(file.typed().columns);
    let shares = file.is_plain() && layout.is_shareable() && threads > 1;
    let looked: Vec<Looker<'_>> = if shares {
        let (start, end) = file.data_range()?;
        let queue = Arc::new(Queue::new(file.bom_bytes(), start, end, BLOCK_BYTES, layout.marks()));
        std::thread::scope(|scope| {
            let queue = &queue;
            let workers: Vec<_> =
                (0..threads).map(|_| scope.spawn(move || look_at(file, shared(queue, file.local())?))).collect();
            let joined = workers.into_iter().map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "a thread that found types failed")))
            });
            joined.collect::<Result<Vec<_>>>()
        })?
    } else {
        let step = BLOCK_BYTES as usize;
        vec![look_at(file, Feed::Serial(Serial::new(file.data_reader()?, step, step)))?]
    };
    let mut all = Looker::new(file);
    looked.iter().for_each(|looker| all.merge(looker));
    file.set_types(&all.finish(), true)
}

fn look_at(file: &CsvFile, mut feed: Feed) -> Result<Looker<'_>> {
    let mut looker = Looker::new(file);
    let mut piece = Piece::before(file.data_start());
    while feed.fill(&mut piece).map_err(|error| file.unreadable(error))? {
        let read = looker.look(&piece.text[piece.position..], piece.is_whole);
        piece.position += read;
        file.check_open_field(&piece)?;
    }
    Ok(looker)
}

/// Takes the values of records into account.
struct Looker<'a> {
    file: &'a CsvFile,
    guesses: Vec<Guess>,
    nulls: Vec<String>,
    index: Index,
    /// The number of records that were looked at.
    rows: usize,
}

impl<'a> Looker<'a> {
    fn new(file: &'a CsvFile) -> Self {
        let style = file.style();
        let options = file.options();
        let guess = Guess::new(style.numbers, file.rules().dialect.date_order, options.vectors.unwrap_or(true));
        Self { file, guesses: vec![guess; file.names().len()], nulls: style.nulls, index: Index::default(), rows: 0 }
    }

    fn merge(&mut self, other: &Self) {
        self.guesses.iter_mut().zip(&other.guesses).for_each(|(own, other)| own.merge(other));
    }

    fn finish(&self) -> Vec<Guessed> {
        self.guesses.iter().map(Guess::finish).collect()
    }

    /// Whether every record of `text` has as many fields as there are columns.
    fn is_regular(&self, text: &[u8]) -> bool {
        let mut splitter = Splitter::new(self.file.rules(), text, 0);
        let mut fields = Fields::default();
        while let Some(found) = splitter.next(self.guesses.len(), &mut fields) {
            if found.fault.is_some() || found.width != self.guesses.len() {
                return false;
            }
            fields.clear();
        }
        true
    }

    /// Looks at the records of `text` and tells how much of it was read; the last record counts if the text `is_whole`.
    fn look(&mut self, text: &[u8], is_whole: bool) -> usize {
        let layout = self.file.layout(self.file.typed().columns);
        let columns = self.guesses.len();
        let indexable = indexable(self.file);
        let mut position = 0;
        while position < text.len() {
            let mut irregular = true;
            if indexable {
                let rest = &text[position..];
                let mut index = std::mem::take(&mut self.index);
                let reached = index.fill(rest, 0, layout.marks(), columns, ROWS);
                if let Ok(valid) = std::str::from_utf8(&rest[..reached.position]) {
                    self.add(&Regular::new(valid, &index, columns, self.file.rules().dialect.quote, true));
                }
                self.index = index;
                position += reached.position;
                irregular = reached.irregular;
            }
            if irregular && position < text.len() {
                match self.one(text, position, is_whole) {
                    Some(next) => position = next,
                    None => break,
                }
            }
        }
        position
    }

    /// Looks at the record at `position` and tells where it ends.
    fn one(&mut self, text: &[u8], position: usize, is_whole: bool) -> Option<usize> {
        let columns = self.guesses.len();
        let mut fields = Fields::default();
        let mut splitter = Splitter::new(self.file.rules(), text, position);
        let Some(found) = splitter.next(columns, &mut fields) else { return Some(text.len()) };
        if !is_whole && (found.end == text.len() || found.fault == Some(super::record::Fault::Unterminated)) {
            return None;
        }
        let layout = self.file.layout(vec![placeholder(); columns].into());
        if fit(&layout, text, found, 0, &mut fields).is_ok() {
            let values = String::from_utf8_lossy(&fields.values).into_owned();
            self.add(&Irregular::new(&values, &fields, columns));
        }
        Some(found.end)
    }

    fn add<R: Records>(&mut self, records: &R) {
        self.rows += records.rows();
        for (column, guess) in self.guesses.iter_mut().enumerate() {
            let mut doubled = String::new();
            for row in 0..records.rows() {
                if guess.is_text() {
                    break;
                }
                match records.text(row, column) {
                    Text::Missing | Text::Quoted("") => {}
                    Text::Plain(text) if self.nulls.iter().any(|null| null == text) => {}
                    Text::Plain(text) | Text::Quoted(text) => guess.add(text.as_bytes()),
                    Text::Doubled(text, quote) => guess.add(undouble(text, quote, &mut doubled).as_bytes()),
                }
            }
        }
    }
}

fn placeholder() -> super::batch::Column {
    super::batch::Column { name: String::new(), kind: super::column::Kind::Text, on_misfit: OnTypeError::Widen }
}

fn indexable(file: &CsvFile) -> bool {
    file.layout(vec![placeholder()].into()).is_indexable()
}
