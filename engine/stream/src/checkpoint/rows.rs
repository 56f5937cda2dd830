//! State frames as bytes: Arrow IPC streams that run through a file, one for each operator and kind, so that a small commit does
//! not carry its schema again.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{ByteViewType, DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::MetadataVersion;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::{IpcWriteOptions, StreamEncoder};
use serde::{Deserialize, Serialize};
use velaria_contract::Result;

use super::fault;
use crate::StateFrame;

/// Values begin at multiples of this: a commit of one row is short, and fixed-width values are read in place.
const ALIGNMENT: usize = 8;

/// Where the rows of a state frame stand in the body of a frame.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Part<'a> {
    operator: u32,
    kind: Cow<'a, str>,
    /// Whether a stream begins here, with its schema.
    begins: bool,
    bytes: u64,
}

/// Writes the streams of one file.
#[derive(Default)]
pub(super) struct RowsEncoder {
    streams: Vec<OutStream>,
}

struct OutStream {
    operator: u32,
    kind: String,
    schema: SchemaRef,
    encoder: StreamEncoder,
}

impl RowsEncoder {
    /// Adds the bytes of `frame` to `body`.
    pub(super) fn encode<'a>(&mut self, frame: &'a StateFrame, body: &mut Vec<Buffer>) -> Result<Part<'a>> {
        let batch = compact(&frame.batch);
        let (stream, begins) = self.stream(frame).map_err(fault::internal)?;
        let buffers = stream.encoder.encode(&batch).map_err(fault::internal)?;
        let bytes = buffers.iter().map(Buffer::len).sum::<usize>() as u64;
        body.extend(buffers);
        Ok(Part { operator: frame.operator, kind: Cow::Borrowed(&frame.kind), begins, bytes })
    }

    /// The stream for a frame, and whether it is new.
    fn stream(&mut self, frame: &StateFrame) -> std::result::Result<(&mut OutStream, bool), ArrowError> {
        let schema = frame.batch.schema_ref();
        let found =
            self.streams.iter().position(|stream| stream.operator == frame.operator && stream.kind == frame.kind);
        let current = found.filter(|index| {
            let known = self.streams.get(*index).map(|stream| &stream.schema);
            known.is_some_and(|known| Arc::ptr_eq(known, schema) || known == schema)
        });
        let index = match (current, found) {
            (Some(index), _) => index,
            (None, Some(index)) => {
                self.streams.remove(index);
                self.begin(frame)?
            }
            (None, None) => self.begin(frame)?,
        };
        let stream = self.streams.get_mut(index).ok_or_else(|| ArrowError::IpcError("no stream".to_owned()))?;
        Ok((stream, current.is_none()))
    }

    fn begin(&mut self, frame: &StateFrame) -> std::result::Result<usize, ArrowError> {
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
        let schema = frame.batch.schema();
        let encoder = StreamEncoder::try_new_with_options(&schema, options)?;
        self.streams.push(OutStream { operator: frame.operator, kind: frame.kind.clone(), schema, encoder });
        Ok(self.streams.len() - 1)
    }
}

/// The batch without the texts that its views do not show: a view of a few rows may hold on to a whole micro-batch.
fn compact(batch: &RecordBatch) -> Cow<'_, RecordBatch> {
    if !batch.columns().iter().any(is_wasteful) {
        return Cow::Borrowed(batch);
    }
    let columns = batch.columns().iter().map(compacted).collect();
    RecordBatch::try_new(batch.schema(), columns).map_or(Cow::Borrowed(batch), Cow::Owned)
}

fn is_wasteful(column: &ArrayRef) -> bool {
    fn wastes<T: ByteViewType + ?Sized>(column: &GenericByteViewArray<T>) -> bool {
        let held: usize = column.data_buffers().iter().map(Buffer::len).sum();
        held > 2 * column.total_buffer_bytes_used()
    }
    match column.data_type() {
        DataType::Utf8View => wastes(column.as_string_view()),
        DataType::BinaryView => wastes(column.as_binary_view()),
        _ => false,
    }
}

fn compacted(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => Arc::clone(column),
    }
}

/// Reads the streams of one file.
#[derive(Default)]
pub(super) struct RowsDecoder {
    streams: Vec<InStream>,
}

struct InStream {
    operator: u32,
    kind: String,
    decoder: StreamDecoder,
}

impl RowsDecoder {
    /// The state frames of a body, or what is wrong with it. Arrow's reader may panic on what no writer made; that is an error
    /// as well.
    pub(super) fn decode(&mut self, parts: &[Part<'_>], body: &Buffer) -> std::result::Result<Vec<StateFrame>, String> {
        catch_unwind(AssertUnwindSafe(|| self.decode_all(parts, body)))
            .unwrap_or_else(|_| Err("the rows of a commit cannot be read".to_owned()))
    }

    fn decode_all(&mut self, parts: &[Part<'_>], body: &Buffer) -> std::result::Result<Vec<StateFrame>, String> {
        let mut rest = body.clone();
        let mut frames = Vec::with_capacity(parts.len());
        for part in parts {
            let bytes = usize::try_from(part.bytes).ok().filter(|bytes| *bytes <= rest.len());
            let bytes = bytes.ok_or("the rows of a commit are cut off")?;
            let batch = self.stream(part)?.read(rest.slice_with_length(0, bytes))?;
            frames.push(StateFrame { operator: part.operator, kind: part.kind.clone().into_owned(), batch });
            rest.advance(bytes);
        }
        if rest.is_empty() { Ok(frames) } else { Err("a commit has bytes that belong to no rows".to_owned()) }
    }

    fn stream(&mut self, part: &Part<'_>) -> std::result::Result<&mut InStream, String> {
        let is_it = |stream: &InStream| stream.operator == part.operator && stream.kind == part.kind;
        if part.begins {
            self.streams.retain(|stream| !is_it(stream));
            let kind = part.kind.clone().into_owned();
            self.streams.push(InStream { operator: part.operator, kind, decoder: StreamDecoder::new() });
        }
        self.streams.iter_mut().find(|stream| is_it(stream)).ok_or_else(|| "rows have no schema".to_owned())
    }
}

impl InStream {
    fn read(&mut self, mut bytes: Buffer) -> std::result::Result<RecordBatch, String> {
        let text = |error: ArrowError| error.to_string();
        let mut batch = self.decoder.decode(&mut bytes).map_err(text)?;
        if batch.is_none() {
            // Without columns or rows a batch has no bytes behind its header, and the decoder waits for one before it looks.
            batch = self.decoder.decode(&mut Buffer::from([0_u8])).map_err(text)?;
        }
        match batch {
            Some(batch) if bytes.is_empty() => Ok(batch),
            _ => Err("the rows of a commit are not one batch".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Decimal128Array, DictionaryArray, Int64Array, NullArray, RecordBatchOptions, StringArray, StringViewArray,
    };
    use arrow::datatypes::{Int32Type, Schema};

    use super::*;

    fn frame(kind: &str, columns: Vec<(&str, ArrayRef)>) -> StateFrame {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, a)| (name, a, true)));
        StateFrame { operator: 3, kind: kind.to_owned(), batch: batch.unwrap() }
    }

    fn numbers(values: &[Option<i64>]) -> StateFrame {
        frame("numbers", vec![("n", Arc::new(Int64Array::from(values.to_vec())))])
    }

    fn words(values: &[&str]) -> StateFrame {
        let dictionary: DictionaryArray<Int32Type> = values.iter().copied().collect();
        let views = StringViewArray::from_iter_values(values);
        let decimals = Decimal128Array::from_iter_values((0..values.len()).map(|n| n as i128));
        frame("words", vec![("d", Arc::new(dictionary)), ("v", Arc::new(views)), ("e", Arc::new(decimals))])
    }

    fn bytes(body: &[Buffer]) -> Buffer {
        Buffer::from(body.iter().flat_map(|piece| piece.as_slice().to_vec()).collect::<Vec<u8>>())
    }

    fn round_trip(commits: &[Vec<StateFrame>]) -> Vec<u64> {
        let (mut encoder, mut decoder) = (RowsEncoder::default(), RowsDecoder::default());
        let mut sizes = Vec::new();
        for frames in commits {
            let mut body = Vec::new();
            let parts: Vec<Part<'_>> = frames.iter().map(|frame| encoder.encode(frame, &mut body).unwrap()).collect();
            let body = bytes(&body);
            assert_eq!(body.len() % ALIGNMENT, 0);
            assert_eq!(decoder.decode(&parts, &body).unwrap(), *frames);
            sizes.push(body.len() as u64);
        }
        sizes
    }

    #[test]
    fn streams_run_through_the_commits_and_tell_their_schema_once() {
        let sizes = round_trip(&[
            vec![numbers(&[Some(1)]), words(&["a", "a longer text than a view holds"])],
            vec![numbers(&[None])],
            vec![words(&["c", "d", "a longer text than a view holds"]), numbers(&[])],
            vec![numbers(&[Some(1), None, Some(i64::MIN)]), numbers(&[Some(5)])],
        ]);
        assert!(sizes[1] < 250, "{sizes:?}");
    }

    #[test]
    fn another_schema_begins_another_stream() {
        let text = frame("numbers", vec![("n", Arc::new(StringArray::from(vec!["x"])))]);
        round_trip(&[vec![numbers(&[Some(1)])], vec![text.clone()], vec![text], vec![numbers(&[Some(2)])]]);
    }

    #[test]
    fn batches_without_rows_or_columns_keep_their_number_of_rows() {
        let options = RecordBatchOptions::new().with_row_count(Some(7));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        let none = StateFrame { operator: 0, kind: String::new(), batch };
        let nulls = frame("nulls", vec![("n", Arc::new(NullArray::new(3)))]);
        round_trip(&[vec![none.clone(), nulls.clone()], vec![nulls, none], vec![]]);
    }

    #[test]
    fn a_few_views_of_many_texts_do_not_carry_all_of_them() {
        let texts: Vec<String> = (0..1000).map(|n| format!("a text that is longer than a view holds: {n}")).collect();
        let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts).slice(500, 2));
        let sizes = round_trip(&[vec![frame("views", vec![("v", views)])]]);
        assert!(sizes[0] < 1000, "{sizes:?}");
    }

    #[test]
    fn bodies_that_no_encoder_made_are_errors() {
        let mut body = Vec::new();
        let part = RowsEncoder::default().encode(&numbers(&[Some(1)]), &mut body).map(|part| part.bytes).unwrap();
        let body = bytes(&body);
        let of = |bytes: u64, begins: bool| vec![Part { operator: 3, kind: "numbers".into(), begins, bytes }];
        let decode = |parts: &[Part<'_>], body: &Buffer| RowsDecoder::default().decode(parts, body);
        assert!(decode(&of(part, true), &body).is_ok());
        assert!(decode(&of(part, false), &body).is_err());
        assert!(decode(&of(u64::MAX, true), &body).is_err());
        for bytes in (0..part).step_by(ALIGNMENT) {
            assert!(decode(&of(bytes, true), &body.slice_with_length(0, bytes as usize)).is_err(), "{bytes}");
            assert!(decode(&of(bytes, true), &body).is_err(), "{bytes}");
        }
        assert!(decode(&of(8, true), &Buffer::from([0xff; 8])).is_err());
    }
}
