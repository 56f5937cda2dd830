//! Rows of a program in the declared types of a stream, or not at all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, SchemaRef};
use velaria_contract::{Error, ErrorCode, Result};

use crate::plan::check_assignable;

/// The columns as a batch of `schema`. Types are converted as `INSERT` does it, and only where every value stays what it is.
///
/// # Errors
/// `VEL-5006` for another number of columns, `VEL-2004` for types that cannot be stored in those of the columns, `VEL-5003` for a
/// text that is no such value, `VEL-5010` for a number that would be rounded.
pub fn fit(schema: &SchemaRef, columns: &[ArrayRef]) -> Result<RecordBatch> {
    if schema.fields().len() != columns.len() {
        return Err(Error::new(ErrorCode::SchemaMismatch, "row width does not match realtime source schema"));
    }
    let rows = columns.first().map_or(0, |column| column.len());
    let fitted = schema.fields().iter().zip(columns).map(|(field, column)| fit_column(field, column));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), fitted.collect::<Result<Vec<_>>>()?, &options)
        .map_err(|error| Error::new(ErrorCode::SchemaMismatch, error.to_string()))
}

fn fit_column(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    check_assignable("push", column.data_type(), field)?;
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let unread = |error: arrow::error::ArrowError| {
        Error::new(ErrorCode::Cast, format!("column {}: {error}", field.name()))
            .with_hint("push values of the declared type")
    };
    let cast = cast_with_options(column, field.data_type(), &options).map_err(unread)?;
    if column.data_type().is_numeric() && field.data_type().is_numeric() {
        let back = cast_with_options(&cast, column.data_type(), &options).map_err(unread)?;
        if back.to_data() != column.to_data() {
            let message = format!("column {}: a number does not fit {} exactly", field.name(), field.data_type());
            return Err(Error::new(ErrorCode::LossyConversion, message)
                .with_hint("round it on purpose, or declare a wider type"));
        }
    }
    Ok(cast)
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray, TimestampSecondArray};
    use arrow::datatypes::{DataType, Schema};

    use super::*;

    fn fit_one(to: DataType, column: impl Array + 'static) -> Result<ArrayRef> {
        let schema = Arc::new(Schema::new(vec![Field::new("v", to, true)]));
        fit(&schema, &[Arc::new(column) as ArrayRef]).map(|batch| Arc::clone(batch.column(0)))
    }

    #[test]
    fn values_that_would_change_are_refused() {
        let refused =
            |to, column: ArrayRef| fit_one(to, arrow::array::make_array(column.to_data())).unwrap_err().code();
        assert_eq!(refused(DataType::Int64, Arc::new(Float64Array::from(vec![1.9]))), ErrorCode::TypeMismatch);
        assert_eq!(refused(DataType::Int16, Arc::new(Int64Array::from(vec![70_000]))), ErrorCode::Cast);
        assert_eq!(refused(DataType::Int64, Arc::new(BooleanArray::from(vec![true]))), ErrorCode::TypeMismatch);
        assert_eq!(refused(DataType::Date32, Arc::new(Int64Array::from(vec![5]))), ErrorCode::TypeMismatch);
        assert_eq!(refused(DataType::Date32, Arc::new(TimestampSecondArray::from(vec![5]))), ErrorCode::TypeMismatch);
        assert_eq!(
            refused(DataType::Decimal128(10, 2), Arc::new(Float64Array::from(vec![1.239]))),
            ErrorCode::LossyConversion
        );
        assert_eq!(
            refused(DataType::Float64, Arc::new(Int64Array::from(vec![(1 << 53) + 1]))),
            ErrorCode::LossyConversion
        );
        assert_eq!(refused(DataType::Int64, Arc::new(StringArray::from(vec!["x"]))), ErrorCode::Cast);
    }

    #[test]
    fn values_that_fit_are_taken() {
        assert_eq!(fit_one(DataType::Int16, Int64Array::from(vec![Some(7), None])).unwrap().len(), 2);
        assert_eq!(fit_one(DataType::Float64, Int64Array::from(vec![7])).unwrap().data_type(), &DataType::Float64);
        assert_eq!(fit_one(DataType::Utf8View, StringArray::from(vec!["x"])).unwrap().data_type(), &DataType::Utf8View);
    }
}
