//! A file that counts what is read of it, for those who want to know how far a scan is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open file.
#[derive(Debug)]
pub(crate) struct CountedFile {
    file: File,
    read_bytes: Arc<AtomicU64>,
}

impl CountedFile {
    /// `file`, adding what is read to `read_bytes`.
    pub(crate) fn new(file: File, read_bytes: Arc<AtomicU64>) -> Self {
        Self { file, read_bytes }
    }
}

impl Read for CountedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for CountedFile {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}
