//! The canonical text of a result: one letter for each column type, one text for each cell.
//!
//! Two roads lead to a cell, Arrow batches (the engine in process) and the JSON of the line protocol (Python and the
//! command line); both end in the same [`Cell`], and only a cell knows how to print itself. The tests below hold the
//! two roads together for every supported type.

use std::fmt;

use sqllogictest::ColumnType;
use velaria::arrow::array::{Array, ArrayRef, AsArray};
use velaria::arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use velaria::arrow::error::ArrowError;
use velaria::arrow::record_batch::RecordBatch;
use velaria::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::json::Json;

/// The letter of a column type in a `query` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter(char);

/// Every letter, with what it stands for.
pub const LETTERS: [(char, &str); 8] = [
    ('T', "text"),
    ('I', "integers"),
    ('R', "floats"),
    ('N', "decimals"),
    ('B', "booleans"),
    ('D', "dates"),
    ('P', "timestamps"),
    ('O', "everything else: time, interval, duration, binary, list, struct, map, null"),
];

impl ColumnType for Letter {
    fn from_char(value: char) -> Option<Self> {
        LETTERS.iter().any(|(letter, _)| *letter == value).then_some(Self(value))
    }

    fn to_char(&self) -> char {
        self.0
    }
}

impl Letter {
    /// The letter of an Arrow type.
    #[must_use]
    pub fn of(data_type: &DataType) -> Self {
        Self(match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => 'T',
            data_type if data_type.is_integer() => 'I',
            data_type if data_type.is_floating() => 'R',
            data_type if data_type.is_decimal() => 'N',
            DataType::Boolean => 'B',
            DataType::Date32 | DataType::Date64 => 'D',
            DataType::Timestamp(_, _) => 'P',
            DataType::Dictionary(_, value) => return Self::of(value),
            _ => 'O',
        })
    }
}

/// One value, before it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Null,
    /// Booleans and numbers: printed as they are.
    Plain(String),
    /// Text, and everything that JSON carries as text (decimals, dates, binary in hex).
    Text(String),
    /// A list.
    List(Vec<Cell>),
    /// A struct.
    Struct(Vec<(String, Cell)>),
    /// A map.
    Map(Vec<(Cell, Cell)>),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Plain(text) => f.write_str(text),
            Self::Text(text) => write_text(f, text),
            Self::List(items) => write_joined(f, ['[', ']'], items, |f, item| write!(f, "{item}")),
            Self::Struct(fields) => write_joined(f, ['{', '}'], fields, |f, (name, value)| {
                write_text(f, name)?;
                write!(f, ": {value}")
            }),
            Self::Map(entries) => write_joined(f, ['{', '}'], entries, |f, (key, value)| write!(f, "{key}: {value}")),
        }
    }
}

fn write_joined<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    items: &[T],
    write_item: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{open}")?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write_item(f, item)?;
    }
    write!(f, "{close}")
}

/// A record is lines of text, so that nothing in a cell may end a line or vanish.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.is_empty() {
        return f.write_str("(empty)");
    }
    for character in text.chars() {
        match character {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            other => write!(f, "{other}")?,
        }
    }
    Ok(())
}

/// The cells of a batch, row by row, as text.
///
/// # Errors
/// When Arrow cannot print a value, for example a date outside of its calendar.
pub fn rows_of_batch(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
    let columns: Vec<Vec<Cell>> = batch.columns().iter().map(cells_of_array).collect::<Result<_, _>>()?;
    Ok((0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].to_string()).collect()).collect())
}

/// The cells of an Arrow array.
///
/// # Errors
/// When Arrow cannot print a value.
pub fn cells_of_array(array: &ArrayRef) -> Result<Vec<Cell>, ArrowError> {
    let options = FormatOptions::new().with_display_error(false);
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    (0..array.len())
        .map(|row| if array.is_null(row) { Ok(Cell::Null) } else { cell_of_array(array, row, &formatter) })
        .collect()
}

fn cell_of_array(array: &ArrayRef, row: usize, formatter: &ArrayFormatter<'_>) -> Result<Cell, ArrowError> {
    Ok(match array.data_type() {
        DataType::Null => Cell::Null,
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f32()),
        DataType::Float32 => float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::List(_) => Cell::List(cells_of_array(&array.as_list::<i32>().value(row))?),
        DataType::LargeList(_) => Cell::List(cells_of_array(&array.as_list::<i64>().value(row))?),
        DataType::FixedSizeList(_, _) => Cell::List(cells_of_array(&array.as_fixed_size_list().value(row))?),
        DataType::ListView(_) => Cell::List(cells_of_array(&array.as_list_view::<i32>().value(row))?),
        DataType::LargeListView(_) => Cell::List(cells_of_array(&array.as_list_view::<i64>().value(row))?),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            Cell::Struct(
                fields
                    .iter()
                    .zip(columns)
                    .map(|(field, column)| Ok((field.name().clone(), single_cell(column, row)?)))
                    .collect::<Result<_, ArrowError>>()?,
            )
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let keys = cells_of_array(entries.column(0))?;
            Cell::Map(keys.into_iter().zip(cells_of_array(entries.column(1))?).collect())
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            single_cell(dictionary.values(), dictionary.normalized_keys()[row])?
        }
        data_type if data_type == &DataType::Boolean || data_type.is_integer() => {
            Cell::Plain(formatter.value(row).try_to_string()?)
        }
        _ => Cell::Text(formatter.value(row).try_to_string()?),
    })
}

fn single_cell(array: &ArrayRef, row: usize) -> Result<Cell, ArrowError> {
    Ok(cells_of_array(&array.slice(row, 1))?.pop().unwrap_or(Cell::Null))
}

/// Rust's own shortest text that reads back as the same number.
fn float(value: impl fmt::Debug) -> Cell {
    Cell::Plain(format!("{value:?}"))
}

/// The cell that a JSON value of the line protocol stands for.
///
/// The type is asked only where JSON alone is ambiguous: a map travels as an array of pairs.
#[must_use]
pub fn cell_of_json(json: &Json, data_type: Option<&DataType>) -> Cell {
    match (json, data_type) {
        (json, Some(DataType::Dictionary(_, value))) => cell_of_json(json, Some(value)),
        (Json::Null, _) => Cell::Null,
        (Json::Bool(value), _) => Cell::Plain(value.to_string()),
        // The shortest text of a narrow float is not unique: read as what it is, it prints the one way.
        (Json::Number(text), Some(DataType::Float16 | DataType::Float32)) => {
            text.parse::<f32>().map_or_else(|_| Cell::Plain(text.clone()), float)
        }
        (Json::Number(text), _) => number(text),
        (Json::Text(text), _) => Cell::Text(text.clone()),
        (Json::Array(entries), Some(DataType::Map(entry, _))) => {
            Cell::Map(entries.iter().map(|pair| pair_of_json(pair, entry.data_type())).collect())
        }
        (Json::Array(items), data_type) => {
            let item_type = data_type.and_then(item_type);
            Cell::List(items.iter().map(|item| cell_of_json(item, item_type)).collect())
        }
        (Json::Object(members), data_type) => Cell::Struct(
            members
                .iter()
                .map(|(name, value)| (name.clone(), cell_of_json(value, data_type.and_then(|of| field_type(of, name)))))
                .collect(),
        ),
    }
}

/// An integer stays as written; a float is read and printed again, because printers differ in where they start to use
/// an exponent.
fn number(text: &str) -> Cell {
    if text.contains(['.', 'e', 'E']) {
        return text.parse::<f64>().map_or_else(|_| Cell::Plain(text.to_owned()), float);
    }
    Cell::Plain(text.to_owned())
}

fn pair_of_json(pair: &Json, entry: &DataType) -> (Cell, Cell) {
    let types: Vec<&DataType> = match entry {
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        _ => Vec::new(),
    };
    match pair.items() {
        Some([key, value]) => (cell_of_json(key, types.first().copied()), cell_of_json(value, types.get(1).copied())),
        // Not a pair: shown as it came, so that the record fails and says why.
        Some(_) | None => (cell_of_json(pair, None), Cell::Plain("(not a pair)".to_owned())),
    }
}

fn item_type(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Some(field.data_type()),
        _ => None,
    }
}

fn field_type<'a>(data_type: &'a DataType, name: &str) -> Option<&'a DataType> {
    match data_type {
        DataType::Struct(fields) => fields.find(name).map(|(_, field)| field.data_type()),
        _ => None,
    }
}
