//! Stand-in for the text of a file until compression and encodings are merged.

use std::io::{Read, Seek, SeekFrom};

use velaria_contract::Result;

use crate::LocalFile;

#[derive(Debug, Clone)]
pub(crate) struct Content {
    bom: usize,
}

impl Content {
    pub(crate) fn detect(file: &LocalFile, _: Option<&str>, _: Option<&str>) -> Result<Self> {
        let mut head = [0; 3];
        let read = file.reader()?.read(&mut head).unwrap_or(0);
        Ok(Self { bom: if head[..read] == [0xEF, 0xBB, 0xBF] { 3 } else { 0 } })
    }

    pub(crate) fn is_plain(&self) -> bool {
        true
    }

    pub(crate) fn bom_bytes(&self) -> usize {
        self.bom
    }

    pub(crate) fn reader(&self, file: &LocalFile) -> Result<Box<dyn Read + Send>> {
        let mut reader = file.reader()?;
        reader
            .seek(SeekFrom::Start(self.bom as u64))
            .map_err(|error| velaria_contract::Error::new(velaria_contract::ErrorCode::Io, error.to_string()))?;
        Ok(Box::new(reader))
    }
}
