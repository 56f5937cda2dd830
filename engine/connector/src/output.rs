//! Rows as text: the values of JSON documents, and the files of CSV and JSON.
//!
//! In JSON, NULL, NaN and infinities are `null`; whole and floating numbers are numbers; lists are arrays, structs are
//! objects, maps are arrays of pairs; everything else is the text that Arrow displays.

mod csv;
mod json;

pub use self::csv::{CsvStyle, CsvWriter};
pub use self::json::{JsonLayout, JsonWriter};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// The value at `row` of `array`.
pub(crate) struct Cell<'a> {
    array: &'a dyn Array,
    row: usize,
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { array, row } = *self;
        if array.is_null(row) {
            return serializer.serialize_none();
        }
        match array.data_type() {
            DataType::Null => serializer.serialize_none(),
            DataType::Boolean => serializer.serialize_bool(array.as_boolean().value(row)),
            DataType::Int8 => serializer.serialize_i8(array.as_primitive::<Int8Type>().value(row)),
            DataType::Int16 => serializer.serialize_i16(array.as_primitive::<Int16Type>().value(row)),
            DataType::Int32 => serializer.serialize_i32(array.as_primitive::<Int32Type>().value(row)),
            DataType::Int64 => serializer.serialize_i64(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => serializer.serialize_u8(array.as_primitive::<UInt8Type>().value(row)),
            DataType::UInt16 => serializer.serialize_u16(array.as_primitive::<UInt16Type>().value(row)),
            DataType::UInt32 => serializer.serialize_u32(array.as_primitive::<UInt32Type>().value(row)),
            DataType::UInt64 => serializer.serialize_u64(array.as_primitive::<UInt64Type>().value(row)),
            DataType::Float16 => serializer.serialize_f32(array.as_primitive::<Float16Type>().value(row).to_f32()),
            DataType::Float32 => serializer.serialize_f32(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => serializer.serialize_f64(array.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => serializer.serialize_str(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => serializer.serialize_str(array.as_string::<i64>().value(row)),
            DataType::List(_) => serialize_list(serializer, &array.as_list::<i32>().value(row)),
            DataType::LargeList(_) => serialize_list(serializer, &array.as_list::<i64>().value(row)),
            DataType::FixedSizeList(..) => serialize_list(serializer, &array.as_fixed_size_list().value(row)),
            DataType::Struct(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                    map.serialize_entry(field.name(), &Cell { array: column, row })?;
                }
                map.end()
            }
            DataType::Map(..) => {
                let entries = array.as_map().value(row);
                let mut pairs = serializer.serialize_seq(Some(entries.len()))?;
                for entry in 0..entries.len() {
                    let [key, value] = entries.columns() else { return Err(S::Error::custom("a map has two columns")) };
                    pairs.serialize_element(&(Cell { array: key, row: entry }, Cell { array: value, row: entry }))?;
                }
                pairs.end()
            }
            // Dates beyond the year 262142 have no text: `collect_str` would panic on them.
            _ => {
                let formatter = formatter(array).map_err(S::Error::custom)?;
                serializer.serialize_str(&formatter.value(row).try_to_string().map_err(S::Error::custom)?)
            }
        }
    }
}

fn serialize_list<S: Serializer>(serializer: S, items: &ArrayRef) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(items.len()))?;
    for row in 0..items.len() {
        sequence.serialize_element(&Cell { array: items, row })?;
    }
    sequence.end()
}

/// The text of values that have no JSON of their own, and of every value in a table.
///
/// # Errors
/// An error of Arrow for a type that has no text.
pub fn formatter(array: &dyn Array) -> Result<ArrayFormatter<'_>, arrow::error::ArrowError> {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_null("NULL").with_display_error(false);
    ArrayFormatter::try_new(array, &OPTIONS)
}

/// Rows as objects, keyed by column name.
#[derive(Debug, Clone, Copy)]
pub struct Objects<'a>(pub &'a [RecordBatch]);

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(self.0.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| Object { batch, row })))
    }
}

/// One row as an object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// The rows.
    pub batch: &'a RecordBatch,
    /// The number of the row.
    pub row: usize,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema = self.batch.schema_ref();
        let mut map = serializer.serialize_map(Some(schema.fields().len()))?;
        for (field, column) in schema.fields().iter().zip(self.batch.columns()) {
            map.serialize_entry(field.name(), &Cell { array: column, row: self.row })?;
        }
        map.end()
    }
}

/// Rows as arrays, in column order.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a>(pub &'a [RecordBatch]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| Row { batch, row })))
    }
}

struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.batch.columns().iter().map(|array| Cell { array, row: self.row }))
    }
}
