//! The zip archive that a workbook is: checked by its directory before anything is unpacked.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read, Take};
use std::path::PathBuf;

use velaria_contract::{Error, ErrorCode, Result};
use zip::ZipArchive;
use zip::read::ZipFile;

use super::xml::XmlReader;

const PARTS_MAX: usize = 10_000;
const PART_BYTES_MAX: u64 = 512 << 20;
const TOTAL_BYTES_MAX: u64 = 1 << 30;
/// Text packs to a tenth; more than this many times smaller is a bomb.
const RATIO_MAX: u64 = 100;
/// Small parts may be packed in any ratio.
const RATIO_FROM_BYTES: u64 = 100 << 10;

type Input = BufReader<File>;

/// A part that is being read.
pub(super) type Part<'a> = XmlReader<Take<ZipFile<'a, Input>>>;

/// The parts of a workbook.
#[derive(Debug)]
pub(super) struct Package {
    archive: ZipArchive<Input>,
    path: PathBuf,
    names: Vec<String>,
}

impl Package {
    /// Opens an archive and checks what its directory claims.
    ///
    /// # Errors
    /// `VEL-5008` when it is none, or when it would unpack to more than a workbook has.
    pub(super) fn open(file: File, path: &std::path::Path) -> Result<Self> {
        let malformed = |what: String| Error::new(ErrorCode::MalformedFile, format!("{}: {what}", path.display()));
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| {
            malformed("the zip archive of the workbook is damaged".to_owned())
                .with_hint("the file may have been cut off: copy or download it again")
                .with_source(error)
        })?;
        if archive.len() > PARTS_MAX {
            return Err(malformed(format!("has {} parts, more than {PARTS_MAX}", archive.len())));
        }
        let (mut total, mut names) = (0_u64, Vec::with_capacity(archive.len()));
        for index in 0..archive.len() {
            let entry = archive
                .by_index_data(index)
                .map_err(|error| malformed("its directory is damaged".to_owned()).with_source(error))?;
            let name = String::from_utf8_lossy(entry.name_raw()).replace('\\', "/");
            let (bytes, packed) = (entry.size(), entry.compressed_size());
            total = total.saturating_add(bytes);
            let bomb = bytes > RATIO_FROM_BYTES && bytes / RATIO_MAX > packed;
            if bytes > PART_BYTES_MAX || total > TOTAL_BYTES_MAX || bomb {
                return Err(malformed(format!("{name} unpacks to {bytes} bytes from {packed}"))
                    .with_hint("no more than 512 MiB a part, 1 GiB in all, and 100 times its size are read"));
            }
            names.push(name);
        }
        Ok(Self { archive, path: path.to_owned(), names })
    }

    /// Whether there is a part of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index(name).is_some()
    }

    /// The names of the parts.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads a part that has to be there.
    pub(super) fn required(&mut self, name: &str) -> Result<Part<'_>> {
        let message = format!("{}: the workbook has no part {name}", self.path.display());
        self.part(name)?.ok_or_else(|| {
            Error::new(ErrorCode::MalformedFile, message)
                .with_hint("the file is damaged or was made by a faulty program")
        })
    }

    /// Reads a part if it is there.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Part<'_>>> {
        let Some(index) = self.index(name) else { return Ok(None) };
        let label = format!("{}: {name}", self.path.display());
        let file = self.archive.by_index(index).map_err(|error| {
            Error::new(ErrorCode::MalformedFile, format!("{label} cannot be unpacked")).with_source(error)
        })?;
        XmlReader::new(file.take(PART_BYTES_MAX), &label).map(Some)
    }

    /// The unpacked size of a part, as the directory claims.
    pub(super) fn bytes(&self, name: &str) -> u64 {
        let entry = self.index(name).and_then(|index| self.archive.by_index_data(index).ok());
        entry.map_or(0, |entry| entry.size())
    }

    /// The start of a small part that is no XML.
    pub(super) fn head(&mut self, name: &str, bytes: u64) -> Vec<u8> {
        let mut head = Vec::new();
        if let Some(file) = self.index(name).and_then(|index| self.archive.by_index(index).ok()) {
            // What cannot be read is no head of anything known.
            let _ = file.take(bytes).read_to_end(&mut head);
        }
        head
    }

    /// Programs differ in the case of names.
    fn index(&self, name: &str) -> Option<usize> {
        let exact = self.names.iter().position(|own| own == name);
        exact.or_else(|| self.names.iter().position(|own| own.eq_ignore_ascii_case(name)))
    }
}

/// The name of the part that `target` means in a relationship of the part `base`.
pub(super) fn resolve(base: &str, target: &str) -> String {
    let from_root = target.strip_prefix('/');
    let path = match (from_root, base.rsplit_once('/')) {
        (Some(target), _) => Cow::from(target),
        (None, Some((folder, _))) => format!("{folder}/{target}").into(),
        (None, None) => target.into(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_relative_to_their_part() {
        assert_eq!(resolve("xl/workbook.xml", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("xl/workbook.xml", "/xl/a.xml"), "xl/a.xml");
        assert_eq!(resolve("xl/worksheets/sheet1.xml", "../tables/table1.xml"), "xl/tables/table1.xml");
        assert_eq!(resolve("", "../../../etc/passwd"), "etc/passwd");
    }
}
