//! The text of a file, for the decoders that read text themselves.

use std::io::{BufReader, Read, Seek, SeekFrom};

use velaria_contract::{Error, ErrorCode, Result};

use crate::LocalFile;
use crate::content::Content;

/// A file of text. Text that is plain is read where it stands, from any place; other text only from its start.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    file: LocalFile,
    content: Content,
}

impl Text {
    pub(crate) fn new(file: LocalFile, content: Content) -> Self {
        Self { file, content }
    }

    pub(crate) fn file(&self) -> &LocalFile {
        &self.file
    }

    /// Whether the text can be read from any place.
    pub(crate) fn is_plain(&self) -> bool {
        self.content.is_plain()
    }

    /// What a person should look at.
    pub(crate) fn warning(&self) -> Option<String> {
        let warning = self.content.encoding_warning()?;
        Some(format!("{}: {warning}", self.file.path().display()))
    }

    /// The text, and the place where it begins: a byte order mark is no text.
    pub(crate) fn whole(&self) -> Result<(Box<dyn Read + Send>, u64)> {
        if self.is_plain() {
            let start = self.content.bom_bytes() as u64;
            return Ok((self.from(start)?, start));
        }
        Ok((self.content.reader(&self.file)?, 0))
    }

    /// Plain text from `offset` on.
    pub(crate) fn from(&self, offset: u64) -> Result<Box<dyn Read + Send>> {
        let mut content = self.file.counted()?;
        content.seek(SeekFrom::Start(offset)).map_err(|error| unreadable(&self.file, &error))?;
        Ok(Box::new(content))
    }

    /// `file:line` of the byte at `offset`. This reads the file up to there: it is meant for errors.
    pub(crate) fn place(&self, offset: u64) -> String {
        let path = self.file.path().display();
        match self.line(offset) {
            Some(line) => format!("{path}:{line}"),
            None => path.to_string(),
        }
    }

    fn line(&self, offset: u64) -> Option<u64> {
        let (content, start) = self.whole().ok()?;
        let mut content = BufReader::with_capacity(1 << 20, content).take(offset.saturating_sub(start));
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
}

/// The first bytes of `file`, at most `count`.
pub(crate) fn head(file: &LocalFile, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.reader()?.take(count).read_to_end(&mut bytes).map_err(|error| unreadable(file, &error))?;
    Ok(bytes)
}

fn unreadable(file: &LocalFile, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot read source file: {}", file.path().display()))
        .with_hint(error.to_string())
}
