//! The columns of files that are read as one table.

use arrow::datatypes::{DataType, Field, SchemaRef};
use velaria_contract::{Error, ErrorCode, Result};

use crate::LocalFile;

/// What happens when files have other columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differences {
    /// The table cannot be opened.
    Refuse,
    /// The table has the columns of all files, in the order of their appearance.
    UnionByName,
}

/// The columns of the table over `files`.
pub(super) fn unify(files: &[(&LocalFile, SchemaRef)], differences: Differences) -> Result<Vec<Field>> {
    let Some(((first, schema), rest)) = files.split_first() else { return Ok(Vec::new()) };
    let mut columns: Vec<Field> = schema.fields().iter().map(|field| nullable(field)).collect();
    for (file, schema) in rest {
        if differences == Differences::Refuse {
            check_names(first, &columns, file, schema)?;
        }
        for field in schema.fields() {
            match columns.iter_mut().find(|own| own.name() == field.name()) {
                None => columns.push(nullable(field)),
                Some(own) => {
                    let wide =
                        wider(own.data_type(), field.data_type()).ok_or_else(|| other_type(first, own, file, field))?;
                    *own = Field::new(own.name(), wide, true);
                }
            }
        }
    }
    Ok(columns)
}

fn nullable(field: &Field) -> Field {
    Field::new(field.name(), field.data_type().clone(), true)
}

fn check_names(first: &LocalFile, columns: &[Field], file: &LocalFile, schema: &SchemaRef) -> Result<()> {
    let missing = columns.iter().find(|own| schema.column_with_name(own.name()).is_none());
    let added = schema.fields().iter().find(|field| columns.iter().all(|own| own.name() != field.name()));
    let (name, has, lacks) = match (missing, added) {
        (Some(own), _) => (own.name(), first, file),
        (None, Some(field)) => (field.name(), file, first),
        (None, None) => return Ok(()),
    };
    Err(Error::new(
        ErrorCode::SchemaMismatch,
        format!(
            "files have different columns: {name} is in {} and not in {}",
            has.path().display(),
            lacks.path().display()
        ),
    )
    .with_hint("the option union_by_name true takes the columns of all files"))
}

fn other_type(first: &LocalFile, own: &Field, file: &LocalFile, field: &Field) -> Error {
    let message = format!(
        "files have different types: {} is {} in {} and {} in {}",
        own.name(),
        own.data_type(),
        first.path().display(),
        field.data_type(),
        file.path().display()
    );
    Error::new(ErrorCode::SchemaMismatch, message).with_hint("declare the columns, or read the files one by one")
}

/// The type that holds the values of both.
pub(crate) fn wider(left: &DataType, right: &DataType) -> Option<DataType> {
    if left == right {
        return Some(left.clone());
    }
    match (left, right) {
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        _ if is_text(left) && is_text(right) => Some(DataType::Utf8),
        _ if left.is_signed_integer() && right.is_signed_integer() => Some(widest(left, right)),
        _ if left.is_unsigned_integer() && right.is_unsigned_integer() => Some(widest(left, right)),
        _ if left.is_floating() && right.is_floating() => Some(widest(left, right)),
        _ if left.is_floating() && right.is_integer() || left.is_integer() && right.is_floating() => {
            Some(DataType::Float64)
        }
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn widest(left: &DataType, right: &DataType) -> DataType {
    if left.primitive_width() >= right.primitive_width() { left.clone() } else { right.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_widen_and_nothing_else_does() {
        assert_eq!(wider(&DataType::Int64, &DataType::Float64), Some(DataType::Float64));
        assert_eq!(wider(&DataType::Int32, &DataType::Int64), Some(DataType::Int64));
        assert_eq!(wider(&DataType::Utf8View, &DataType::Utf8), Some(DataType::Utf8));
        assert_eq!(wider(&DataType::Null, &DataType::Date32), Some(DataType::Date32));
        for (left, right) in [
            (DataType::Int64, DataType::Utf8),
            (DataType::Boolean, DataType::Int64),
            (DataType::UInt64, DataType::Int64),
        ] {
            assert_eq!(wider(&left, &right), None, "{left} {right}");
        }
    }
}
