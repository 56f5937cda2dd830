//! The types that leave the engine.
//!
//! Inside, text may travel as views; outside, every consumer of Arrow must be able to read it. The conversion happens
//! once, at the edge, batch by batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::plan::rewrite::shown_name;

/// The schema that the consumer of a plan with `schema` sees.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    let shown = |field: &FieldRef| {
        let plain = plain_field(field);
        match shown_name(plain.name()) {
            name if name == plain.name() => plain,
            name => Arc::new(plain.as_ref().clone().with_name(name)),
        }
    };
    Arc::new(Schema::new(schema.fields().iter().map(shown).collect::<Vec<_>>()))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), plain_type(field.data_type()), field.is_nullable()))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) | DataType::ListView(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(plain_field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(plain_field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        other => other.clone(),
    }
}

/// `batch` with exactly the columns of `schema`.
pub(crate) fn plain_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| plain_column(column, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn plain_column(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    // Never `safe`: a value that does not convert is an error, not a NULL.
    cast_with_options(column, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}
