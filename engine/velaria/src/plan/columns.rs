//! Columns of a table that a statement names, and the values that they take.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field, SchemaRef};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::Ident;
use velaria_sql::{closest, position_of};

use crate::words::type_word;

/// The position of each of `columns` in the table; `list` says in a message where a column stands twice.
pub(crate) fn positions<'a>(
    text: &str,
    schema: &SchemaRef,
    columns: impl IntoIterator<Item = &'a Ident>,
    list: &str,
) -> Result<Vec<usize>> {
    let mut seen = BTreeSet::new();
    let place = |column: &Ident| {
        let index = position(text, schema, column)?;
        if seen.insert(index) {
            return Ok(index);
        }
        Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate {list} column: {}", column.value))
            .with_position(position_of(text, column.span)))
    };
    columns.into_iter().map(place).collect()
}

/// A quoted name matches exactly; an unquoted one also when it differs in case only.
fn position(text: &str, schema: &SchemaRef, column: &Ident) -> Result<usize> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let exact = names.iter().position(|name| *name == column.value);
    let folded = || match column.quote_style {
        Some(_) => None,
        None => names.iter().position(|name| name.to_lowercase() == column.value.to_lowercase()),
    };
    exact.or_else(folded).ok_or_else(|| {
        let error = Error::new(ErrorCode::ColumnNotFound, format!("column not found: {}", column.value))
            .with_position(position_of(text, column.span));
        match closest(&column.value, names) {
            Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
            None => error,
        }
    })
}

/// A value may become another kind of number, text or time, rounded to the precision of the column at most; a fraction
/// is never cut to an integer and a time never to a day in silence.
pub(crate) fn check_assignable(verb: &str, from: &DataType, field: &Field) -> Result<()> {
    let to = field.data_type();
    let numeric = |data_type: &DataType| data_type.is_numeric();
    let exact = |data_type: &DataType| data_type.is_integer();
    let text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let time =
        |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    let day = |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Date64);
    let allowed = from == to
        || from.is_null()
        || (text(from) && !to.is_nested())
        || (text(to) && !from.is_nested())
        || (numeric(from) && numeric(to) && (exact(from) || !exact(to)))
        || (time(from) && time(to) && (day(from) || !day(to)))
        || (from.is_nested() && to.is_nested() && arrow::compute::can_cast_types(from, to));
    if allowed {
        return Ok(());
    }
    let message = format!("cannot {verb} {} into column {} of type {}", type_word(from), field.name(), type_word(to));
    Err(Error::new(ErrorCode::TypeMismatch, message).with_hint("convert the value on purpose with CAST"))
}
