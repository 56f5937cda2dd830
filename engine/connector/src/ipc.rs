//! Arrow IPC: files (Feather version 2 is the same) and streams.
//!
//! The lengths that a file claims are compared with the file before anything is allocated for them, and every array is
//! validated, so that a damaged file is an error. Arrow's own reader of the messages may still panic on some; that is caught.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::FileDecoder;
use arrow::ipc::{
    Block, Endianness, Message, MessageHeader, MetadataVersion, RecordBatch as BatchHeader, root_as_footer,
    root_as_message,
};
use velaria_contract::{Error, ErrorCode, Result};

use crate::LocalFile;
use crate::decode::{Batches, DecodedTable, Decoder};

/// The names of the options of Arrow IPC: there are none.
pub const ARROW_OPTIONS: [&str; 0] = [];

/// The first bytes of a file; a stream has none.
pub(crate) const FILE_MAGIC: &[u8] = b"ARROW1";
/// The first bytes of each message of a stream.
pub(crate) const CONTINUATION: [u8; 4] = [0xff; 4];
/// The length of the footer and the magic stand at the very end of a file.
const TRAILER_BYTES: u64 = 10;
/// More than this for one batch is no claim to believe, unless the compressed bytes make it likely.
const INFLATED_BYTES_MAX: u64 = 1 << 30;
/// How much smaller than its content a compressed batch is likely to be.
const INFLATION_MAX: u64 = 1024;

/// What is wrong with a file: text for the hint.
type Checked<T> = std::result::Result<T, String>;

/// Opens an Arrow IPC file or stream; only its schema and the places of its batches are read.
pub(crate) fn open(file: LocalFile) -> Result<DecodedTable> {
    let mut content = file.reader()?;
    let index = guarded(|| Index::read(&mut content, file.bytes())).map_err(|why| malformed(&file, why))?;
    Ok(DecodedTable::new(ArrowDecoder { file, index: Arc::new(index) }))
}

fn malformed(file: &LocalFile, why: String) -> Error {
    Error::new(ErrorCode::MalformedFile, format!("cannot read {} as arrow", file.path().display())).with_hint(why)
}

/// What `read` gives; a panic inside of Arrow's reader is a damaged file.
fn guarded<T>(read: impl FnOnce() -> Checked<T>) -> Checked<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("the file is damaged".to_owned()))
}

/// The schema of a file and the places of its messages.
#[derive(Debug)]
struct Index {
    schema: SchemaRef,
    version: MetadataVersion,
    messages: Vec<(Content, Block)>,
}

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Dictionary,
    Batch,
}

impl Index {
    fn read(content: &mut File, bytes: u64) -> Checked<Self> {
        let mut head = [0; FILE_MAGIC.len()];
        content.read_exact(&mut head).map_err(text)?;
        if head == FILE_MAGIC { Self::of_file(content, bytes) } else { Self::of_stream(content, bytes) }
    }

    fn of_file(content: &mut File, bytes: u64) -> Checked<Self> {
        let trailer = read_at(content, bytes.saturating_sub(TRAILER_BYTES), TRAILER_BYTES, bytes)?;
        let (length, magic) = trailer.split_at_checked(4).ok_or("the file is cut off")?;
        if magic != FILE_MAGIC {
            return Err("the end of the file is missing".to_owned());
        }
        let length = length.try_into().map(u32::from_le_bytes).map_err(text)?;
        let start = bytes.checked_sub(TRAILER_BYTES + u64::from(length)).ok_or("the footer is larger than the file")?;
        let footer = read_at(content, start, u64::from(length), bytes)?;
        let footer = root_as_footer(&footer).map_err(text)?;
        let schema = footer.schema().ok_or("the footer has no schema")?;
        check_endianness(schema.endianness())?;
        let dictionaries = footer.dictionaries().into_iter().flatten().map(|block| (Content::Dictionary, *block));
        let batches = footer.recordBatches().into_iter().flatten().map(|block| (Content::Batch, *block));
        let messages: Vec<_> = dictionaries.chain(batches).collect();
        for (_, block) in &messages {
            bounds(block, bytes)?;
        }
        Ok(Self { schema: Arc::new(fb_to_schema(schema)), version: footer.version(), messages })
    }

    fn of_stream(content: &mut File, bytes: u64) -> Checked<Self> {
        let mut at = 0;
        let (block, metadata) = message_at(content, at, bytes)?.ok_or("the stream has no schema")?;
        let message = root_as_message(&metadata).map_err(text)?;
        let schema = message.header_as_schema().ok_or("the stream does not begin with a schema")?;
        check_endianness(schema.endianness())?;
        let (schema, version) = (Arc::new(fb_to_schema(schema)), message.version());
        at += length(&block)?;
        let mut messages = Vec::new();
        while let Some((block, metadata)) = message_at(content, at, bytes)? {
            let message = root_as_message(&metadata).map_err(text)?;
            match message.header_type() {
                MessageHeader::DictionaryBatch => messages.push((Content::Dictionary, block)),
                MessageHeader::RecordBatch => messages.push((Content::Batch, block)),
                MessageHeader::NONE => {}
                other => return Err(format!("a message of the stream is a {other:?}")),
            }
            at += length(&block)?;
        }
        Ok(Self { schema, version, messages })
    }

    /// Dictionaries of a stream hold for the batches behind them.
    fn batches(&self) -> usize {
        self.messages.iter().filter(|(content, _)| *content == Content::Batch).count()
    }

    fn is_ordered(&self) -> bool {
        let first_batch = self.messages.iter().position(|(content, _)| *content == Content::Batch);
        let last_dictionary = self.messages.iter().rposition(|(content, _)| *content == Content::Dictionary);
        first_batch.zip(last_dictionary).is_none_or(|(batch, dictionary)| dictionary < batch)
    }
}

fn check_endianness(endianness: Endianness) -> Checked<()> {
    match endianness.equals_to_target_endianness() {
        true => Ok(()),
        false => Err("the bytes of its numbers stand in another order than on this machine".to_owned()),
    }
}

/// The message of a stream at `at`: its place, and what describes it. `None` at the end of the stream.
fn message_at(content: &mut File, at: u64, bytes: u64) -> Checked<Option<(Block, Vec<u8>)>> {
    if bytes.saturating_sub(at) < 4 {
        return Ok(None);
    }
    let mut prefix = 4;
    let mut word = read_at(content, at, 4, bytes)?;
    if word == CONTINUATION {
        prefix = 8;
        word = read_at(content, at + 4, 4, bytes)?;
    }
    let size = word.as_slice().try_into().map(i32::from_le_bytes).map_err(text)?;
    let size = u64::try_from(size).map_err(|_| "the length of a message is negative")?;
    if size == 0 {
        return Ok(None);
    }
    let metadata = read_at(content, at + prefix, size, bytes)?;
    let body = root_as_message(&metadata).map_err(text)?.bodyLength();
    let block = Block::new(signed(at)?, i32::try_from(prefix + size).map_err(text)?, body);
    bounds(&block, bytes)?;
    Ok(Some((block, metadata)))
}

fn signed(value: u64) -> Checked<i64> {
    i64::try_from(value).map_err(text)
}

/// Start and length of a message, which must lie inside of the file.
fn bounds(block: &Block, bytes: u64) -> Checked<(u64, u64)> {
    let start = u64::try_from(block.offset()).ok();
    let inside = start.zip(length(block).ok()).filter(|(start, length)| {
        start.checked_add(*length).is_some_and(|end| end <= bytes) && block.metaDataLength() >= 8
    });
    inside.ok_or_else(|| "a message reaches beyond the end of the file".to_owned())
}

fn length(block: &Block) -> Checked<u64> {
    let parts = u64::try_from(block.metaDataLength()).ok().zip(u64::try_from(block.bodyLength()).ok());
    parts.and_then(|(metadata, body)| metadata.checked_add(body)).ok_or_else(|| "a message has no length".to_owned())
}

fn read_at(content: &mut File, start: u64, length: u64, bytes: u64) -> Checked<Vec<u8>> {
    if start.checked_add(length).is_none_or(|end| end > bytes) {
        return Err("the file is cut off".to_owned());
    }
    let mut read = vec![0; usize::try_from(length).map_err(text)?];
    content.seek(SeekFrom::Start(start)).map_err(text)?;
    content.read_exact(&mut read).map_err(text)?;
    Ok(read)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Reads one Arrow IPC file.
#[derive(Debug)]
struct ArrowDecoder {
    file: LocalFile,
    index: Arc<Index>,
}

impl Decoder for ArrowDecoder {
    fn file(&self) -> &LocalFile {
        &self.file
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.index.schema)
    }

    fn partitions(&self, partitions_max: usize) -> usize {
        if self.index.is_ordered() { partitions_max.min(self.index.batches()).max(1) } else { 1 }
    }

    fn read(&self, part: usize, partitions: usize, wanted: &[usize]) -> Result<Batches> {
        let mut sorted = wanted.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let order = wanted.iter().filter_map(|index| sorted.binary_search(index).ok()).collect();
        let schema = Arc::new(self.index.schema.project(wanted).map_err(|error| malformed(&self.file, text(error)))?);
        let decoder = FileDecoder::new(Arc::clone(&self.index.schema), self.index.version).with_projection(sorted);
        let count = self.index.batches();
        let range = (count * part / partitions.max(1), count * (part + 1) / partitions.max(1));
        Ok(Box::new(ArrowBatches {
            content: self.file.reader()?,
            file: self.file.clone(),
            index: Arc::clone(&self.index),
            decoder,
            order,
            schema,
            next: 0,
            batch: 0,
            range,
        }))
    }
}

/// The batches of one part.
struct ArrowBatches {
    file: LocalFile,
    content: File,
    index: Arc<Index>,
    decoder: FileDecoder,
    /// Where each wanted column stands among the columns that are read.
    order: Vec<usize>,
    schema: SchemaRef,
    /// The message that comes next, and the number of the batch that comes next.
    next: usize,
    batch: usize,
    /// The first batch of this part, and the first behind it.
    range: (usize, usize),
}

impl ArrowBatches {
    fn batch(&mut self) -> Checked<Option<RecordBatch>> {
        while let Some((content, block)) = self.index.messages.get(self.next).copied() {
            self.next += 1;
            if content == Content::Batch {
                self.batch += 1;
                if self.batch > self.range.1 {
                    return Ok(None);
                }
                if self.batch <= self.range.0 {
                    continue;
                }
            }
            // The file may have become shorter since it was opened.
            let bytes = self.content.metadata().map_err(text)?.len();
            let (start, length) = bounds(&block, bytes)?;
            let message = Buffer::from_vec(read_at(&mut self.content, start, length, bytes)?);
            self.file.count(length);
            check_claims(&message, &block)?;
            if content == Content::Dictionary {
                self.decoder.read_dictionary(&block, &message).map_err(reason)?;
                continue;
            }
            let Some(batch) = self.decoder.read_record_batch(&block, &message).map_err(reason)? else { continue };
            let columns = self.order.iter().filter_map(|index| batch.columns().get(*index).cloned()).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
            return batch.map(Some).map_err(reason);
        }
        Ok(None)
    }
}

impl Iterator for ArrowBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = guarded(|| self.batch());
        if batch.is_err() {
            self.next = usize::MAX;
        }
        batch.map_err(|why| malformed(&self.file, why)).transpose()
    }
}

fn reason(error: ArrowError) -> String {
    let text = error.to_string();
    text.rsplit("error: ").next().unwrap_or(&text).to_owned()
}

/// Checks what a message says about its content: numbers of rows, and the sizes of what is compressed.
fn check_claims(message: &Buffer, block: &Block) -> Checked<()> {
    let metadata_length = usize::try_from(block.metaDataLength()).map_err(text)?;
    let (metadata, body) = message.split_at_checked(metadata_length).ok_or("the file is cut off")?;
    let prefix = if metadata.starts_with(&CONTINUATION) { 8 } else { 4 };
    let described = root_as_message(metadata.get(prefix..).unwrap_or_default()).map_err(text)?;
    let Some(batch) = batch_header(&described) else { return Ok(()) };
    let mut inflated = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let bytes = range.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
        let bytes = bytes.ok_or("a column reaches beyond its message")?;
        if batch.compression().is_some() && !bytes.is_empty() {
            let claim = bytes.first_chunk().map(|chunk| i64::from_le_bytes(*chunk)).ok_or("a column is cut off")?;
            // -1 says that the bytes are not compressed.
            let claim = if claim == -1 { 0 } else { u64::try_from(claim).map_err(text)? };
            inflated = inflated.saturating_add(claim);
        }
    }
    let likely = (body.len() as u64).saturating_mul(INFLATION_MAX).max(INFLATED_BYTES_MAX);
    match inflated > likely {
        true => Err(format!("a batch says that it has {inflated} bytes, compressed to {}", body.len())),
        false => Ok(()),
    }
}

fn batch_header<'a>(message: &Message<'a>) -> Option<BatchHeader<'a>> {
    match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch()?.data(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int32Type;
    use arrow::ipc::CompressionType;
    use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

    use super::*;
    use crate::FileAccess;

    fn batch(start: i64) -> RecordBatch {
        let texts: DictionaryArray<Int32Type> = ["x", "y", "x"].into_iter().collect();
        RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from_iter_values(start..start + 3)) as ArrayRef),
            ("t", Arc::new(StringArray::from(vec![Some("one"), None, Some("é")]))),
            ("d", Arc::new(texts)),
        ])
        .unwrap()
    }

    fn file_bytes(compression: Option<CompressionType>) -> Vec<u8> {
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch(0).schema(), options).unwrap();
        writer.write(&batch(0)).unwrap();
        writer.write(&batch(3)).unwrap();
        writer.into_inner().unwrap()
    }

    fn stream_bytes() -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
        writer.write(&batch(0)).unwrap();
        writer.write(&batch(3)).unwrap();
        writer.into_inner().unwrap()
    }

    fn read(path: &Path, partitions: usize, wanted: &[usize]) -> Result<RecordBatch> {
        let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap())?;
        let decoder = open(file)?.decoder();
        let mut batches = Vec::new();
        for part in 0..partitions {
            for batch in decoder.read(part, partitions, wanted)? {
                batches.push(batch?);
            }
        }
        let schema = Arc::new(decoder.schema().project(wanted).unwrap());
        concat_batches(&schema, &batches).map_err(crate::decode::from_arrow)
    }

    #[test]
    fn files_and_streams_read_back_as_they_were() {
        let whole = concat_batches(&batch(0).schema(), &[batch(0), batch(3)]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.arrow");
        let contents = [
            file_bytes(None),
            file_bytes(Some(CompressionType::LZ4_FRAME)),
            file_bytes(Some(CompressionType::ZSTD)),
            stream_bytes(),
        ];
        for (index, content) in contents.into_iter().enumerate() {
            fs::write(&path, content).unwrap();
            assert_eq!(read(&path, 1, &[0, 1]).unwrap(), whole.project(&[0, 1]).unwrap(), "{index}");
            assert_eq!(read(&path, 1, &[2, 0]).unwrap(), whole.project(&[2, 0]).unwrap(), "{index}");
        }
        fs::write(&path, file_bytes(None)).unwrap();
        assert_eq!(read(&path, 2, &[2, 1]).unwrap(), whole.project(&[2, 1]).unwrap());
    }

    #[test]
    fn damage_anywhere_is_an_error_or_rows_and_never_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.arrow");
        for content in [file_bytes(None), file_bytes(Some(CompressionType::ZSTD)), stream_bytes()] {
            for at in (0..content.len()).step_by(3) {
                for value in [content[at] ^ 0xff, 0x7f] {
                    let mut damaged = content.clone();
                    damaged[at] = value;
                    fs::write(&path, damaged).unwrap();
                    let _ = read(&path, 1, &[0, 1, 2]);
                }
                fs::write(&path, &content[..at]).unwrap();
                let _ = read(&path, 1, &[0, 1, 2]);
            }
        }
    }
}
