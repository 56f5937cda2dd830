//! The one row that statements without rows return: `ok`, `message`, `affected_rows`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use velaria_contract::{Error, ErrorCode, Result};

use crate::context::Context;
use crate::dataframe::DataFrame;

/// What a statement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    /// The message of the contract.
    pub(crate) message: &'static str,
    /// The number of rows that were added or removed.
    pub(crate) affected_rows: usize,
}

impl Done {
    pub(crate) fn new(message: &'static str, affected_rows: usize) -> Self {
        Self { message, affected_rows }
    }

    /// The frame of the contract: one row, `ok` is 1.
    pub(crate) fn into_frame(self, context: &Arc<Context>) -> Result<DataFrame> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("ok", DataType::Int64, false),
            Field::new("message", DataType::Utf8, false),
            Field::new("affected_rows", DataType::Int64, false),
        ]));
        let rows = i64::try_from(self.affected_rows).map_err(internal)?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(StringArray::from(vec![self.message])),
            Arc::new(Int64Array::from(vec![rows])),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(internal)?;
        let frame = DataFrame::from_batches(context, "result", schema, vec![batch])?;
        Ok(frame.of_change(self.affected_rows))
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorCode::Internal, "cannot make the result frame").with_source(error)
}
