//! The rows of a source on their way into the cache.

use std::io::{self, BufWriter, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use flate2::Crc;
use tempfile::NamedTempFile;

use super::DataFormat;
use super::meta::DataFacts;

/// Rows of a row group, which is what one thread reads.
const GROUP_ROWS: usize = 1 << 17;

/// A data file that is being written under a name of its own; dropping it leaves nothing behind.
pub struct CacheWriter {
    writer: Writer,
    rows: u64,
}

enum Writer {
    Ipc(Box<FileWriter<Summed>>),
    Parquet(Box<ArrowWriter<Summed>>),
}

impl std::fmt::Debug for CacheWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl CacheWriter {
    pub(super) fn new(file: NamedTempFile, format: DataFormat, schema: &SchemaRef, bytes_max: u64) -> io::Result<Self> {
        let out = Summed { out: BufWriter::new(file), crc: Crc::new(), bytes: 0, bytes_max };
        let writer = match format {
            DataFormat::Binary | DataFormat::Nanoarrow | DataFormat::Arrow => {
                Writer::Ipc(Box::new(FileWriter::try_new(out, schema).map_err(from_arrow)?))
            }
            DataFormat::Parquet => {
                let properties = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
                let writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(from_parquet)?))
            }
        };
        Ok(Self { writer, rows: 0 })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When they cannot be written: the disk is full, the cache may not grow so large, the format has no such type.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.writer {
            Writer::Ipc(writer) => writer.write(batch).map_err(from_arrow),
            Writer::Parquet(writer) => writer.write(batch).map_err(from_parquet),
        }
    }

    /// The whole file, without its name, and what is known about it.
    pub(super) fn finish(self) -> io::Result<(NamedTempFile, DataFacts)> {
        let mut out = match self.writer {
            Writer::Ipc(mut writer) => {
                writer.finish().map_err(from_arrow)?;
                writer.into_inner().map_err(from_arrow)?
            }
            Writer::Parquet(writer) => writer.into_inner().map_err(from_parquet)?,
        };
        out.flush()?;
        let facts = DataFacts { bytes: out.bytes, crc: out.crc.sum(), rows: self.rows };
        Ok((out.out.into_inner().map_err(io::IntoInnerError::into_error)?, facts))
    }
}

fn from_arrow(error: ArrowError) -> io::Error {
    io::Error::other(error)
}

fn from_parquet(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

/// A file that sums up what is written into it, and takes no more than a number of bytes.
struct Summed {
    out: BufWriter<NamedTempFile>,
    crc: Crc,
    bytes: u64,
    bytes_max: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        if self.bytes > self.bytes_max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(written) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
