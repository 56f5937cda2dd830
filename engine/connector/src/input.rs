//! The text of a file, for the decoders that read text themselves.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use velaria_contract::{Error, ErrorCode, Result};

use crate::LocalFile;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The text of `file`. A byte order mark at the start is no text: it is passed over, and the place where the text begins is
/// told.
pub(crate) fn text(file: &LocalFile) -> Result<(Box<dyn Read + Send>, u64)> {
    let start = bom_bytes(&mut file.reader()?);
    Ok((text_from(file, start)?, start))
}

/// The text of `file` from `offset` on.
pub(crate) fn text_from(file: &LocalFile, offset: u64) -> Result<Box<dyn Read + Send>> {
    let mut content = file.reader()?;
    content.seek(SeekFrom::Start(offset)).map_err(|error| unreadable(file, &error))?;
    Ok(Box::new(content))
}

fn bom_bytes(content: &mut File) -> u64 {
    let mut head = [0; BOM.len()];
    match content.read_exact(&mut head) {
        Ok(()) if head == BOM => BOM.len() as u64,
        _ => 0,
    }
}

/// The first bytes of `file`, at most `count`.
pub(crate) fn head(file: &LocalFile, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.reader()?.take(count).read_to_end(&mut bytes).map_err(|error| unreadable(file, &error))?;
    Ok(bytes)
}

/// `file:line` of the byte at `offset`. This reads the file up to there: it is meant for errors.
pub(crate) fn place(file: &LocalFile, offset: u64) -> String {
    let path = file.path().display();
    match line(file, offset) {
        Some(line) => format!("{path}:{line}"),
        None => path.to_string(),
    }
}

fn line(file: &LocalFile, offset: u64) -> Option<u64> {
    let mut content = BufReader::with_capacity(1 << 20, file.reader().ok()?).take(offset);
    let mut chunk = vec![0; 1 << 16];
    let mut line = 1;
    loop {
        let read = content.read(&mut chunk).ok()?;
        if read == 0 {
            return Some(line);
        }
        line += memchr::memchr_iter(b'\n', chunk.get(..read)?).count() as u64;
    }
}

fn unreadable(file: &LocalFile, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot read source file: {}", file.path().display()))
        .with_hint(error.to_string())
}
