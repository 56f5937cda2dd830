//! Record batches that are there from the start: each is one micro-batch.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use velaria_contract::{Error, ErrorCode, Result};

use super::fault::no_offset;
use crate::{Pull, Pulling, Replay, SourceContext, SourceDescription, SourceOffset, StreamSource, StreamTable};

/// A stream of given batches. Batch `i` is micro-batch `i`, also when it has no rows; the offset is the number of batches that
/// were given out.
#[derive(Debug, Clone)]
pub struct MemoryStream {
    schema: SchemaRef,
    batches: Arc<[RecordBatch]>,
}

impl MemoryStream {
    /// A stream of `batches`.
    ///
    /// # Errors
    /// `VEL-5006` when a batch does not have the columns of `schema`.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        let fitted = batches.into_iter().enumerate().map(|(place, batch)| {
            fitted(batch, &schema).ok_or_else(|| {
                Error::new(ErrorCode::SchemaMismatch, "stream batches must share the same schema")
                    .with_hint(format!("batch {} has other columns than the stream", place + 1))
            })
        });
        let batches = fitted.collect::<Result<Vec<_>>>()?.into();
        Ok(Self { schema, batches })
    }
}

/// `batch` with exactly this schema; `None` when its columns have other names or types, or NULL where none may be.
pub(super) fn fitted(batch: RecordBatch, schema: &SchemaRef) -> Option<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) {
        return Some(batch);
    }
    if !same_columns(batch.schema_ref(), schema) {
        return None;
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options).ok()
}

/// Whether batches of one schema can pass as batches of the other: names and types in their order.
fn same_columns(one: &SchemaRef, other: &SchemaRef) -> bool {
    one.fields().len() == other.fields().len()
        && one.fields().iter().zip(other.fields()).all(|(one, other)| {
            Arc::ptr_eq(one, other) || one.name() == other.name() && one.data_type() == other.data_type()
        })
}

impl StreamTable for MemoryStream {
    fn description(&self) -> SourceDescription {
        SourceDescription {
            schema: Arc::clone(&self.schema),
            bounded: true,
            replay: Replay::FromOffset,
            pulling: Pulling::Immediate,
        }
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        Ok(Box::new(MemoryReader { batches: Arc::clone(&self.batches), next: 0 }))
    }
}

struct MemoryReader {
    batches: Arc<[RecordBatch]>,
    next: usize,
}

impl StreamSource for MemoryReader {
    fn open(&mut self, _: &SourceContext, resume: Option<&SourceOffset>) -> Result<()> {
        let Some(offset) = resume else {
            self.next = 0;
            return Ok(());
        };
        let given: u64 = offset.0.parse().map_err(|_| no_offset("a stream in memory", offset))?;
        self.next = usize::try_from(given).unwrap_or(usize::MAX).min(self.batches.len());
        Ok(())
    }

    fn next_batch(&mut self, _: &SourceContext) -> Result<Pull> {
        let Some(batch) = self.batches.get(self.next) else { return Ok(Pull::End) };
        self.next += 1;
        Ok(Pull::Batch(batch.clone(), SourceOffset(self.next.to_string())))
    }

    fn at_end(&self) -> bool {
        self.next >= self.batches.len()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;
    use crate::stream::tests::{context, int_batch, int_schema};

    fn stream(sizes: &[i64]) -> MemoryStream {
        MemoryStream::new(int_schema(), sizes.iter().map(|size| int_batch(0..*size)).collect()).unwrap()
    }

    fn drain(reader: &mut dyn StreamSource) -> Vec<(usize, String)> {
        let mut seen = Vec::new();
        while let Pull::Batch(batch, offset) = reader.next_batch(&context()).unwrap() {
            seen.push((batch.num_rows(), offset.0));
        }
        seen
    }

    #[test]
    fn every_batch_is_one_micro_batch() {
        let mut reader = stream(&[2, 0, 3]).reader().unwrap();
        reader.open(&context(), None).unwrap();
        let expected = [(2, "1".to_owned()), (0, "2".to_owned()), (3, "3".to_owned())];
        assert_eq!(drain(reader.as_mut()), expected);
        assert!(matches!(reader.next_batch(&context()).unwrap(), Pull::End));
        reader.open(&context(), Some(&SourceOffset("2".to_owned()))).unwrap();
        assert_eq!(drain(reader.as_mut()), expected[2..]);
        reader.open(&context(), Some(&SourceOffset("99".to_owned()))).unwrap();
        assert_eq!(drain(reader.as_mut()), []);
        let error = reader.open(&context(), Some(&SourceOffset("a.csv".to_owned()))).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn batches_of_other_columns_are_refused() {
        let other = RecordBatch::try_from_iter([("w", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        let error = MemoryStream::new(int_schema(), vec![int_batch(0..1), other]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SchemaMismatch);
    }
}
