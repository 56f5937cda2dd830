//! The type words of the dialect.
//!
//! Integers are 64 bits wide unless a word names another width; text and binary are stored plainly, so that every
//! consumer of Arrow can read them; a timestamp without a precision has microseconds.

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::planner::TypePlanner;
use velaria_sql::ast::{DataType as Word, ObjectNamePart, TimezoneInfo};

/// Plans the type words in which Velaria differs from DataFusion, in `CREATE TABLE` and in `CAST` alike.
#[derive(Debug)]
pub(crate) struct TypeWords;

impl TypePlanner for TypeWords {
    fn plan_type_field(&self, word: &Word) -> DataFusionResult<Option<FieldRef>> {
        Ok(plan(word).map(|data_type| Field::new("", data_type, true).into()))
    }
}

fn plan(word: &Word) -> Option<DataType> {
    match word {
        Word::Int(_) | Word::Integer(_) | Word::BigInt(_) | Word::Int64 | Word::Int8(_) => Some(DataType::Int64),
        Word::IntUnsigned(_) | Word::IntegerUnsigned(_) => Some(DataType::UInt64),
        Word::Int16 => Some(DataType::Int16),
        Word::Int32 => Some(DataType::Int32),
        Word::Bool | Word::Boolean => Some(DataType::Boolean),
        Word::Float32 => Some(DataType::Float32),
        Word::Float64 => Some(DataType::Float64),
        Word::String(_) | Word::Text | Word::Varchar(_) | Word::CharVarying(_) | Word::CharacterVarying(_) => {
            Some(DataType::Utf8)
        }
        Word::Char(_) | Word::Character(_) => Some(DataType::Utf8),
        Word::Bytea | Word::Blob(_) | Word::Binary(_) | Word::Varbinary(_) => Some(DataType::Binary),
        Word::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            time_unit(*precision).map(|unit| DataType::Timestamp(unit, None))
        }
        Word::Timestamp(precision, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
            time_unit(*precision).map(|unit| DataType::Timestamp(unit, Some("UTC".into())))
        }
        Word::Interval { .. } => Some(DataType::Interval(IntervalUnit::MonthDayNano)),
        Word::Custom(name, modifiers) if modifiers.is_empty() => match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => plan_custom(&ident.value),
            _ => None,
        },
        _ => None,
    }
}

/// Words that the parser does not know as types.
fn plan_custom(word: &str) -> Option<DataType> {
    match word.to_ascii_uppercase().as_str() {
        "INT16" => Some(DataType::Int16),
        "INT32" => Some(DataType::Int32),
        "UTF8" => Some(DataType::Utf8),
        _ => None,
    }
}

fn time_unit(precision: Option<u64>) -> Option<TimeUnit> {
    match precision {
        Some(0) => Some(TimeUnit::Second),
        Some(1..=3) => Some(TimeUnit::Millisecond),
        None | Some(4..=6) => Some(TimeUnit::Microsecond),
        Some(7..=9) => Some(TimeUnit::Nanosecond),
        Some(_) => None,
    }
}
