//! One CSV file: how it is written, where its records begin, and what its columns are.

use std::io::{self, Read};
use std::sync::{Arc, PoisonError, RwLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use velaria_contract::{Error, ErrorCode, Result};

use super::batch::{Column, Layout, Trouble};
use super::column::{Kind, Style};
use super::dialect::{BadRows, CsvOptions, Dialect, OnTypeError};
use super::fault;
use super::feed::Piece;
use super::infer::Guessed;
use super::late::LateType;
use super::record::{Fields, Rules, Splitter};
use super::sample;
use super::sniff::sniff;
use super::value::NumberStyle;
use crate::content::{Content, Head};
use crate::listing::external;
use crate::{FileAccess, LocalFile};

/// How much of a file is read at once to find out how it is written.
const HEAD_BYTES: usize = 96 << 10;
/// How much of a file is read at once to find its header, when it is known how the file is written.
const HEADER_BYTES: usize = 8 << 10;
/// The most bytes of one field unless the options say otherwise.
const FIELD_BYTES_MAX: u64 = 64 << 20;
/// The most columns of a file.
const COLUMNS_MAX: usize = 100_000;

/// A CSV file that was looked at.
#[derive(Debug)]
pub(crate) struct CsvFile {
    local: LocalFile,
    content: Content,
    options: CsvOptions,
    rules: Rules,
    /// The place of the first record behind the header, in the text.
    data_start: u64,
    names: Vec<String>,
    notes: RwLock<Vec<String>>,
    typed: RwLock<Typed>,
}

/// The types of the columns; they can become wider.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) schema: SchemaRef,
    pub(crate) columns: Arc<[Column]>,
    /// Whether all values of the file were looked at.
    pub(crate) is_final: bool,
}

impl CsvFile {
    /// Looks at the beginning of the file at `path`.
    pub(crate) fn open(access: &FileAccess, path: &str, options: &CsvOptions) -> Result<Self> {
        let local = LocalFile::open(access, path)?;
        let content = Content::detect(&local, options.compression.as_deref(), options.encoding.as_deref())?;
        let mut head_bytes = HEAD_BYTES;
        loop {
            let head = content.head(&local, head_bytes)?;
            let sniffed = sniff(&head.text, head.whole, options).map_err(|error| fault::in_file(&local, error))?;
            let rules = rules(options, sniffed.dialect);
            match first_records(&local, &rules, &head, options)? {
                Some((names, data_start)) => {
                    let warnings = content.encoding_warning().map(str::to_owned).into_iter().chain(sniffed.doubts);
                    let notes =
                        RwLock::new(warnings.map(|note| format!("{}: {note}", local.path().display())).collect());
                    let schema = Arc::new(Schema::empty());
                    let typed = RwLock::new(Typed { schema, columns: Arc::new([]), is_final: false });
                    let options = options.clone();
                    let file = Self { local, content, options, rules, data_start, names, notes, typed };
                    let (guesses, is_final) = sample::sample(&file, &head)?;
                    file.set_types(&guesses, is_final)?;
                    return Ok(file);
                }
                // The first record is longer than the head.
                None => head_bytes = head_bytes.saturating_mul(8),
            }
        }
    }

    /// Opens the file at `path`, which is written as this one is: nothing is looked at but its header. Every column of `types` is there;
    /// the others are text.
    pub(crate) fn open_alike(&self, path: &str, types: &[(String, DataType)]) -> Result<Self> {
        let local = LocalFile::open(self.local.access(), path)?;
        let options = CsvOptions { types: types.to_vec(), all_text: true, ..self.options.clone() };
        let content = match self.content.again(&local)? {
            Some(content) => content,
            None => Content::detect(&local, options.compression.as_deref(), options.encoding.as_deref())?,
        };
        let mut head_bytes = HEADER_BYTES;
        loop {
            let head = content.head(&local, head_bytes)?;
            let records = first_records(&local, &self.rules, &head, &options);
            if let Some((names, data_start)) = records.map_err(|error| fault::in_file(&local, error))? {
                let text = Guessed { data_type: DataType::Utf8View, kind: Kind::Text, note: None };
                let guesses = vec![text; names.len()];
                let typed =
                    RwLock::new(Typed { schema: Arc::new(Schema::empty()), columns: Arc::new([]), is_final: true });
                let (rules, notes) = (self.rules.clone(), RwLock::default());
                let file = Self { local, content, options, rules, data_start, names, notes, typed };
                file.set_types(&guesses, true)?;
                return Ok(file);
            }
            head_bytes = head_bytes.saturating_mul(8);
        }
    }

    /// This file, with bad rows as `bad_rows` says.
    pub(crate) fn with_bad_rows(mut self, bad_rows: BadRows) -> Self {
        self.options.bad_rows = bad_rows;
        self
    }

    pub(crate) fn local(&self) -> &LocalFile {
        &self.local
    }

    pub(crate) fn options(&self) -> &CsvOptions {
        &self.options
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn data_start(&self) -> u64 {
        self.data_start
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.content.is_plain()
    }

    pub(crate) fn style(&self) -> Style {
        let dialect = &self.rules.dialect;
        let numbers = NumberStyle { decimal: dialect.decimal, thousands: dialect.thousands };
        Style { numbers, nulls: self.options.null_values.clone() }
    }

    /// What a user should know about how the file was read.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add_note(&self, note: String) {
        self.notes.write().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    pub(crate) fn typed(&self) -> Typed {
        self.typed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How records become rows with the types `columns`.
    pub(crate) fn layout(&self, columns: Arc<[Column]>) -> Layout {
        Layout { rules: self.rules.clone(), style: self.style(), bad_rows: self.options.bad_rows, columns }
    }

    /// The bytes of a plain file that hold records.
    pub(crate) fn data_range(&self) -> Result<(u64, u64)> {
        let metadata = self.local.reader()?.metadata();
        let end = metadata.map_err(|error| self.unreadable(error))?.len();
        let start = self.content.bom_bytes() as u64 + self.data_start;
        Ok((start.min(end), end))
    }

    /// The byte of the file for a place in the text, where the two differ by the byte order mark only.
    pub(crate) fn byte_of(&self, offset: u64) -> u64 {
        offset + if self.is_plain() { self.bom_bytes() } else { 0 }
    }

    pub(crate) fn bom_bytes(&self) -> u64 {
        self.content.bom_bytes() as u64
    }

    /// The text behind the header.
    pub(crate) fn data_reader(&self) -> Result<Box<dyn Read + Send>> {
        let mut reader = self.content.reader(&self.local)?;
        skip(&mut reader, self.data_start).map_err(|error| self.unreadable(error))?;
        Ok(reader)
    }

    /// The text from its start.
    pub(crate) fn text_reader(&self) -> Result<Box<dyn Read + Send>> {
        self.content.reader(&self.local)
    }

    /// Gives the columns the types that were found, and tells whether any of them is new.
    pub(crate) fn set_types(&self, guesses: &[Guessed], is_final: bool) -> Result<bool> {
        let known = self.typed().schema;
        // A column that is text stays text.
        let is_text = |field: &&Arc<Field>| field.data_type() == &DataType::Utf8View;
        let forced: Vec<&String> = known.fields().iter().filter(is_text).map(|field| field.name()).collect();
        let mut fields = Vec::with_capacity(self.names.len());
        let mut columns = Vec::with_capacity(self.names.len());
        for (name, guessed) in self.names.iter().zip(guesses) {
            let declared = self.options.types.iter().find(|(own, _)| own == name).map(|(_, data_type)| data_type);
            let (data_type, kind, on_misfit) = match declared {
                Some(declared) => self.declared(declared),
                None if self.options.all_text || forced.contains(&name) => {
                    (DataType::Utf8View, Kind::Text, OnTypeError::Widen)
                }
                None => (guessed.data_type.clone(), guessed.kind.clone(), self.options.on_type_error),
            };
            if let (Some(note), None) = (guessed.note, declared)
                && !self.options.all_text
            {
                let note = format!("{}: column {name}: {note}", self.local.path().display());
                if !self.notes().contains(&note) {
                    self.add_note(note);
                }
            }
            fields.push(Field::new(name, data_type, true));
            columns.push(Column { name: name.clone(), kind, on_misfit });
        }
        let mut typed = self.typed.write().unwrap_or_else(PoisonError::into_inner);
        let schema = Arc::new(Schema::new(fields));
        let changed = typed.schema != schema;
        *typed = Typed { schema, columns: columns.into(), is_final };
        Ok(changed)
    }

    /// Gives the column called `name` the type of text, unless its type was given.
    pub(crate) fn make_text(&self, name: &str) {
        if self.options.types.iter().any(|(own, _)| own == name) {
            return;
        }
        let mut typed = self.typed.write().unwrap_or_else(PoisonError::into_inner);
        let text = |field: &Arc<Field>| match field.name() == name {
            true => Arc::new(Field::new(name, DataType::Utf8View, true)),
            false => Arc::clone(field),
        };
        let fields: Vec<_> = typed.schema.fields().iter().map(text).collect();
        let mut columns = typed.columns.to_vec();
        columns.iter_mut().filter(|column| column.name == name).for_each(|column| column.kind = Kind::Text);
        *typed = Typed { schema: Arc::new(Schema::new(fields)), columns: columns.into(), is_final: typed.is_final };
    }

    fn declared(&self, data_type: &DataType) -> (DataType, Kind, OnTypeError) {
        let on_misfit = match self.options.on_type_error {
            OnTypeError::Null => OnTypeError::Null,
            OnTypeError::Widen | OnTypeError::Error => OnTypeError::Error,
        };
        let data_type = if *data_type == DataType::Utf8 { DataType::Utf8View } else { data_type.clone() };
        let kind = Kind::declared(&data_type, self.rules.dialect.date_order);
        (data_type, kind, on_misfit)
    }

    /// The error for a file that could not be read on.
    pub(crate) fn unreadable(&self, error: io::Error) -> Error {
        if let Some(known) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            return known.clone();
        }
        Error::new(ErrorCode::Io, format!("cannot read source file: {}", self.local.path().display()))
            .with_hint(error.to_string())
            .with_source(error)
    }

    /// Refuses a piece that does not end because of one field.
    pub(crate) fn check_open_field(&self, piece: &Piece) -> Result<()> {
        let open = piece.text.len() - piece.position.min(piece.text.len());
        if !piece.is_whole && open > self.rules.max_field_bytes.saturating_mul(2) {
            let trouble = Trouble::Record { offset: piece.offset, fault: super::record::Fault::TooLarge };
            return Err(fault::describe(self, &trouble, &self.layout(self.typed().columns)));
        }
        Ok(())
    }

    /// The error for `trouble` in a scan. A value that a wider type could hold is marked as such.
    pub(crate) fn error(self: &Arc<Self>, trouble: Trouble, layout: &Layout) -> DataFusionError {
        let described = match trouble {
            Trouble::Failed(error) => return error,
            ref other => fault::describe(self, other, layout),
        };
        match trouble {
            Trouble::Misfit { column, .. }
                if layout.columns.get(column).is_some_and(|column| column.on_misfit == OnTypeError::Widen) =>
            {
                DataFusionError::External(Box::new(LateType::new(Arc::clone(self), described)))
            }
            _ => external(described),
        }
    }
}

fn rules(options: &CsvOptions, dialect: Dialect) -> Rules {
    let max = options.max_field_bytes.unwrap_or(FIELD_BYTES_MAX);
    Rules {
        dialect,
        strict_end: options.strict_quotes.unwrap_or(true),
        strict_field: options.strict_quotes.unwrap_or(false),
        trim: options.trim,
        max_field_bytes: usize::try_from(max).unwrap_or(usize::MAX),
    }
}

/// The names of the columns and the place of the first record behind them; `None` when the head does not hold them.
fn first_records(
    local: &LocalFile,
    rules: &Rules,
    head: &Head,
    options: &CsvOptions,
) -> Result<Option<(Vec<String>, u64)>> {
    let text = head.text.as_bytes();
    let mut position = 0;
    for _ in 0..rules.dialect.skip_rows {
        position = super::record::after_line(text, position);
    }
    let mut splitter = Splitter::new(rules, text, position);
    let mut fields = Fields::default();
    let Some(found) = splitter.next(usize::MAX, &mut fields) else {
        return if head.whole { Err(fault::no_columns(local)) } else { Ok(None) };
    };
    let cut = found.end == text.len() || found.fault.is_some();
    if cut && !head.whole && text.len() < rules.max_field_bytes.saturating_mul(2) {
        return Ok(None);
    }
    if let Some(broken) = found.fault {
        return Err(fault::record(local, head.text.as_bytes(), found.start, broken, 0));
    }
    if fields.spans.len() > COLUMNS_MAX {
        return Err(Error::new(ErrorCode::MalformedFile, format!("too many columns: {}", fields.spans.len()))
            .with_hint(format!("a CSV file may have {COLUMNS_MAX}; check the delimiter")));
    }
    let written: Vec<String> =
        fields.spans.iter().map(|span| String::from_utf8_lossy(fields.value(*span)).into_owned()).collect();
    let data = if rules.dialect.header { splitter.position() } else { found.start };
    let names = names(local, options, rules.dialect.header.then_some(written), fields.spans.len())?;
    Ok(Some((names, data as u64)))
}

/// The names of `width` columns. A column without a name is called after its place.
fn names(local: &LocalFile, options: &CsvOptions, header: Option<Vec<String>>, width: usize) -> Result<Vec<String>> {
    let given = options.columns.clone();
    if let Some(given) = &given
        && given.len() != width
    {
        let message = format!("{} names for {width} columns: {}", given.len(), local.path().display());
        return Err(Error::new(ErrorCode::SchemaMismatch, message));
    }
    let names = given.or(header).unwrap_or_else(|| (0..width).map(|place| format!("c{place}")).collect());
    let named = |(place, name): (usize, &String)| match name.trim() {
        "" => format!("c{place}"),
        _ => name.clone(),
    };
    let names: Vec<String> = names.iter().enumerate().map(named).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some((place, name)) = names.iter().enumerate().find(|(_, name)| !seen.insert(name.as_str())) {
        return Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}")).with_hint(format!(
            "column {} of the header of {} repeats an earlier name; the option columns gives other names",
            place + 1,
            local.path().display()
        )));
    }
    if let Some((unknown, _)) = options.types.iter().find(|(name, _)| !names.contains(name)) {
        let error = Error::new(ErrorCode::ColumnNotFound, format!("column not found: {unknown}"));
        return Err(error.with_hint(format!("the option types names it; there are: {}", names.join(", "))));
    }
    Ok(names)
}

fn skip(reader: &mut dyn Read, bytes: u64) -> io::Result<()> {
    io::copy(&mut reader.take(bytes), &mut io::sink()).map(|_| ())
}

/// Whether bad rows are left out of a table.
pub(crate) fn collects(file: &CsvFile) -> bool {
    file.options().bad_rows == BadRows::Collect
}
