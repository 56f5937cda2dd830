//! What a file is by its content: its name says nothing.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use memchr::memmem;
use velaria_contract::{Error, ErrorCode, Result};

use super::legacy::encrypted;
use super::package::Package;
use crate::magic::is_page;

const HEAD_BYTES: u64 = 4096;
/// The directory of a compound file may be anywhere; larger files are taken for what they say they are.
const COMPOUND_BYTES_MAX: u64 = 64 << 20;
const COMPOUND: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];

/// A kind of workbook, with the directory of its archive if it is one.
pub(super) enum Content {
    Xlsx(Package),
    Xlsb,
    Ods(Package),
    Xls,
}

/// Looks at a file.
///
/// # Errors
/// `VEL-5008` for anything that is no workbook, with what it is instead; `VEL-3001` when it is encrypted.
pub(super) fn detect(file: &mut File, path: &Path) -> Result<Content> {
    let head = read_head(file, path, HEAD_BYTES)?;
    if head.starts_with(b"PK") {
        let clone = file.try_clone().map_err(|error| unreadable(path, error))?;
        return archive(Package::open(clone, path)?, path);
    }
    if head.starts_with(COMPOUND) {
        let content = read_head(file, path, COMPOUND_BYTES_MAX)?;
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        return if memmem::find(&content, &name).is_some() { Err(encrypted(path)) } else { Ok(Content::Xls) };
    }
    // A workbook of Excel 5 and before without a container.
    if matches!(head.as_slice(), [0x09, 0x00 | 0x02 | 0x04 | 0x08, ..]) {
        return Ok(Content::Xls);
    }
    let (what, hint) = other(&head);
    Err(Error::new(ErrorCode::MalformedFile, format!("{} is not a workbook but {what}", path.display()))
        .with_hint(hint))
}

fn archive(mut package: Package, path: &Path) -> Result<Content> {
    let odf = package.head("mimetype", 100);
    if odf.starts_with(b"application/vnd.oasis.opendocument.spreadsheet") {
        return Ok(Content::Ods(package));
    }
    if package.has("xl/workbook.bin") {
        return Ok(Content::Xlsb);
    }
    if package.has("xl/workbook.xml") || package.has("_rels/.rels") && !package.has("word/document.xml") {
        return Ok(Content::Xlsx(package));
    }
    let what = if package.has("word/document.xml") {
        "a Word document".to_owned()
    } else if odf.starts_with(b"application/vnd.oasis") {
        "another kind of OpenDocument file".to_owned()
    } else {
        let names: Vec<&str> = package.names().iter().take(3).map(String::as_str).collect();
        format!("a zip archive of {} files ({})", package.names().len(), names.join(", "))
    };
    Err(Error::new(ErrorCode::MalformedFile, format!("{} is not a workbook but {what}", path.display()))
        .with_hint("unpack the archive and read the file inside"))
}

fn other(head: &[u8]) -> (&'static str, &'static str) {
    const TEXT_HINT: &str = "read it as csv";
    let start = String::from_utf8_lossy(head).trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).to_lowercase();
    if start.starts_with("<?xml") && start.contains("urn:schemas-microsoft-com:office:spreadsheet") {
        return ("a workbook in the XML format of Excel 2003", "open it and save it as xlsx");
    }
    if is_page(head) {
        return ("an HTML page", "some programs export tables as HTML; open it and save it as xlsx");
    }
    match head {
        [0x1F, 0x8B, ..] => ("a gzip file", "unpack it first"),
        [b'%', b'P', b'D', b'F', ..] => ("a PDF document", "export the table from its source instead"),
        [b'P', b'A', b'R', b'1', ..] => ("a Parquet file", "read it as parquet"),
        [b'<', ..] => ("an XML document", "it has no sheets"),
        [b'{' | b'[', ..] => ("JSON", "read it as json"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => ("text in UTF-16", TEXT_HINT),
        _ if head.contains(&0) => ("unknown binary data", "the file may be damaged"),
        _ if start.contains(',') || start.contains(';') || start.contains('\t') => ("text, perhaps CSV", TEXT_HINT),
        _ => ("text", TEXT_HINT),
    }
}

fn read_head(file: &mut File, path: &Path, bytes: u64) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    file.rewind()
        .and_then(|()| file.by_ref().take(bytes).read_to_end(&mut head))
        .and_then(|_| file.rewind())
        .map_err(|error| unreadable(path, error))?;
    Ok(head)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot read source file: {}", path.display())).with_hint(error.to_string())
}
