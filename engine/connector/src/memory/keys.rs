//! Keys: the values that may stand in a table once, as a set of encoded rows.
//!
//! The set is kept with the table, so that an insert costs as much as it inserts, however long the table is.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::kernels;
use arrow::datatypes::{DataType, Float32Type, Float64Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use velaria_contract::{Error, ErrorCode, Result};

use super::rules::{KeyKind, KeyRule};

/// The values of a key in one row, in bytes that are equal when they are.
pub(super) type EncodedKey = Box<[u8]>;

/// One key and the values that stand in the table.
#[derive(Debug)]
pub(super) struct UniqueKey {
    rule: KeyRule,
    /// The names of its columns, for messages.
    names: String,
    converter: RowConverter,
    seen: HashSet<EncodedKey>,
}

impl UniqueKey {
    pub(super) fn new(schema: &SchemaRef, rule: KeyRule) -> Result<Self> {
        let fields = rule.columns.iter().filter_map(|index| schema.fields().get(*index)).collect::<Vec<_>>();
        let names = fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
        let sorted = fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(sorted).map_err(|error| {
            Error::new(ErrorCode::TypeMismatch, format!("a key cannot be made of these columns: {names}"))
                .with_hint("a key takes columns of numbers, text, times and booleans")
                .with_source(error)
        })?;
        Ok(Self { rule, names, converter, seen: HashSet::new() })
    }

    pub(super) fn is_index(&self, name: &str) -> bool {
        matches!(&self.rule.kind, KeyKind::Index(own) if own == name)
    }

    /// Whether the column at `index` is part of the key.
    pub(super) fn reads(&self, index: usize) -> bool {
        self.rule.columns.contains(&index)
    }

    /// The encoded key of each row; `None` where a column is NULL, which is equal to nothing.
    pub(super) fn encode(&self, batch: &RecordBatch) -> Result<Vec<Option<EncodedKey>>> {
        let columns = self.columns(batch)?;
        let rows = self.converter.convert_columns(&columns).map_err(internal)?;
        let hole = |row: usize| columns.iter().any(|column| column.is_null(row));
        Ok(rows.iter().enumerate().map(|(index, row)| (!hole(index)).then(|| row.as_ref().into())).collect())
    }

    pub(super) fn contains(&self, key: &EncodedKey) -> bool {
        self.seen.contains(key)
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }

    /// Takes the keys of `old` out and puts those of `new` in; on an error nothing has changed.
    pub(super) fn exchange(&mut self, old: &[RecordBatch], new: &[RecordBatch]) -> Result<()> {
        let gone = self.encode_all(old)?;
        let come = self.encode_all(new)?;
        for key in &gone {
            self.seen.remove(key);
        }
        for (index, key) in come.iter().enumerate() {
            if !self.seen.insert(key.clone()) {
                for inserted in come.iter().take(index) {
                    self.seen.remove(inserted);
                }
                self.seen.extend(gone);
                return Err(self.duplicate(new, key));
            }
        }
        Ok(())
    }

    fn encode_all(&self, batches: &[RecordBatch]) -> Result<Vec<EncodedKey>> {
        let encoded = batches.iter().map(|batch| self.encode(batch)).collect::<Result<Vec<_>>>()?;
        Ok(encoded.into_iter().flatten().flatten().collect())
    }

    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let columns = self.rule.columns.iter().filter_map(|index| batch.columns().get(*index));
        columns.map(|column| one_zero(column).map_err(internal)).collect()
    }

    fn duplicate(&self, batches: &[RecordBatch], wanted: &EncodedKey) -> Error {
        let what = match &self.rule.kind {
            KeyKind::Primary => format!("PRIMARY KEY ({})", self.names),
            KeyKind::Unique => format!("UNIQUE ({})", self.names),
            KeyKind::Index(name) => format!("UNIQUE INDEX {name} ({})", self.names),
        };
        let value = self.shown(batches, wanted).map(|value| format!(": {value}")).unwrap_or_default();
        Error::new(ErrorCode::ConstraintViolation, format!("duplicate value in {what}{value}"))
            .with_hint("another row has this value")
    }

    /// The values of the first row whose key is `wanted`.
    fn shown(&self, batches: &[RecordBatch], wanted: &EncodedKey) -> Option<String> {
        batches.iter().find_map(|batch| {
            let row = self.encode(batch).ok()?.iter().position(|key| key.as_ref() == Some(wanted))?;
            let cells = self.rule.columns.iter().filter_map(|index| batch.columns().get(*index));
            let cells = cells.map(|column| array_value_to_string(column, row).ok()).collect::<Option<Vec<_>>>()?;
            Some(cells.join(", "))
        })
    }
}

/// The two zeros of floats are one value.
fn one_zero(column: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    Ok(match column.data_type() {
        DataType::Float64 => {
            Arc::new(kernels::arity::unary::<_, _, Float64Type>(column.as_primitive::<Float64Type>(), |x| x + 0.0))
        }
        DataType::Float32 => {
            Arc::new(kernels::arity::unary::<_, _, Float32Type>(column.as_primitive::<Float32Type>(), |x| x + 0.0))
        }
        _ => Arc::clone(column),
    })
}

fn internal(error: ArrowError) -> Error {
    Error::new(ErrorCode::Internal, "cannot encode the keys of a table").with_source(error)
}
