//! Positions in one open file, and its sum.
//!
//! The file stays open as long as its table lives, so that neither eviction nor a newer version changes what a query reads.
//! Reads name their place and share nothing.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use datafusion::object_store::PutPayload;
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use flate2::Crc;

use super::meta::DataFacts;

/// `bytes::Bytes`, which none of our dependencies gives a name.
type Bytes = <PutPayload as IntoIterator>::Item;

const CHUNK_BYTES: usize = 1 << 20;

/// A place in a file that others read as well.
#[derive(Debug, Clone)]
pub(super) struct Place {
    file: Arc<File>,
    bytes: u64,
    position: u64,
}

impl Place {
    pub(super) fn start(file: &Arc<File>, bytes: u64) -> Self {
        Self { file: Arc::clone(file), bytes, position: 0 }
    }

    fn at(&self, position: u64) -> Self {
        Self { position, ..self.clone() }
    }
}

/// Whether `file` holds what was written.
pub(super) fn is_whole(file: &Arc<File>, facts: DataFacts) -> bool {
    let mut place = Place::start(file, facts.bytes);
    let (mut crc, mut bytes, mut chunk) = (Crc::new(), 0_u64, vec![0; CHUNK_BYTES]);
    if file.metadata().map_or(0, |metadata| metadata.len()) != facts.bytes {
        return false;
    }
    loop {
        match place.read(&mut chunk) {
            Ok(0) => return bytes == facts.bytes && crc.sum() == facts.crc,
            Ok(read) => {
                crc.update(chunk.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

impl Read for Place {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Place {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl Length for Place {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Place {
    type T = Self;

    fn get_read(&self, start: u64) -> ParquetResult<Self> {
        Ok(self.at(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut bytes = vec![0; length];
        self.at(start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}
