//! What a file is by its first bytes, for files that are no text.

use memchr::memmem;

/// A file that is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    /// Apache Parquet.
    Parquet,
    /// An Arrow IPC file.
    ArrowFile,
    /// An Arrow IPC stream.
    ArrowStream,
    /// A workbook, in a zip archive or in the older container.
    Excel,
    /// Compressed data; the name says which.
    Compressed(&'static str),
    /// Anything else.
    Other(&'static str),
}

impl Binary {
    /// What `head`, the first bytes of a file, belongs to; `None` when it may be text.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        MAGICS
            .iter()
            .find(|(start, magic, _)| head.get(*start..).is_some_and(|rest| rest.starts_with(magic)))
            .map(|(_, _, binary)| *binary)
    }

    /// The words for an error.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Parquet => "a Parquet file",
            Self::ArrowFile => "an Arrow IPC file",
            Self::ArrowStream => "an Arrow IPC stream",
            Self::Excel => "an Excel workbook",
            Self::Compressed(name) | Self::Other(name) => name,
        }
    }

    /// How to go on.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Parquet => "read it as parquet: read_parquet(path), or USING parquet",
            Self::ArrowFile | Self::ArrowStream => "read it as arrow: read(path), or USING arrow",
            Self::Excel => "read it as excel: read_excel(session, path), or USING excel",
            Self::Compressed(_) => "unpack it first, or leave out the option compression",
            Self::Other(_) => "a file of text is needed here",
        }
    }
}

/// Where the magic bytes stand, what they are, and what they mean. The longer ones come first where one begins another.
const MAGICS: &[(usize, &[u8], Binary)] = &[
    (0, b"PAR1", Binary::Parquet),
    (0, b"PARE", Binary::Other("an encrypted Parquet file")),
    (0, b"ARROW1", Binary::ArrowFile),
    (0, b"FEA1", Binary::Other("a Feather V1 file")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Binary::Excel),
    (0, b"\x89PNG\r\n\x1a\n", Binary::Other("a PNG image")),
    (0, b"\xff\xd8\xff", Binary::Other("a JPEG image")),
    (0, b"GIF87a", Binary::Other("a GIF image")),
    (0, b"GIF89a", Binary::Other("a GIF image")),
    (0, b"%PDF-", Binary::Other("a PDF document")),
    (0, b"\x7fELF", Binary::Other("a program (ELF)")),
    (0, b"\xcf\xfa\xed\xfe", Binary::Other("a program (Mach-O)")),
    (0, b"MZ\x90\0", Binary::Other("a program (Windows)")),
    (0, b"\0asm", Binary::Other("a program (WebAssembly)")),
    (0, b"SQLite format 3\0", Binary::Other("a SQLite database")),
    (8, b"DUCK", Binary::Other("a DuckDB database")),
    (0, b"Obj\x01", Binary::Other("an Avro file")),
    (0, b"ORC\x08", Binary::Other("an ORC file")),
    (0, b"\x89HDF\r\n\x1a\n", Binary::Other("an HDF5 file")),
    (0, b"\x93NUMPY", Binary::Other("a NumPy array")),
    (0, b"\x80\x04\x95", Binary::Other("a Python pickle")),
    (0, b"\x80\x05\x95", Binary::Other("a Python pickle")),
    (0, b"{\\rtf", Binary::Other("an RTF document")),
    (257, b"ustar", Binary::Compressed("a tar archive")),
    (0, b"PK\x03\x04", Binary::Compressed("a zip archive")),
    (0, b"PK\x05\x06", Binary::Compressed("a zip archive")),
    (0, b"\x1f\x8b\x08", Binary::Compressed("gzip data")),
    (0, b"\x28\xb5\x2f\xfd", Binary::Compressed("zstd data")),
    (0, b"\xfd7zXZ\0", Binary::Compressed("xz data")),
    (0, b"BZh91AY&SY", Binary::Compressed("bzip2 data")),
    (0, b"7z\xbc\xaf\x27\x1c", Binary::Compressed("a 7z archive")),
    (0, b"Rar!\x1a\x07", Binary::Compressed("a RAR archive")),
    (0, b"\x04\x22\x4d\x18", Binary::Compressed("LZ4 data")),
    (0, b"\x1f\x9d", Binary::Compressed("data of compress (.Z)")),
    (0, b"LZIP\x01", Binary::Compressed("lzip data")),
    (0, b"\xff\xff\xff\xff", Binary::ArrowStream),
];

/// Whether a zip archive with members of these names is a workbook.
pub(crate) fn is_workbook(names: &[String]) -> bool {
    let has = |name: &str| names.iter().any(|own| own == name);
    (has("[Content_Types].xml") && names.iter().any(|name| name.starts_with("xl/")))
        || (has("mimetype") && has("content.xml"))
}

/// Whether `head`, in UTF-16 or in any encoding that has ASCII in it, begins an HTML page.
pub(crate) fn is_page(head: &[u8]) -> bool {
    const LOOKED_AT_BYTES: usize = 4096;
    const TAGS: [&[u8]; 7] = [b"<!doctype html", b"<html", b"<table", b"<head", b"<body", b"<meta", b"<div"];
    let ascii = head.iter().take(LOOKED_AT_BYTES).filter(|byte| **byte != 0).map(u8::to_ascii_lowercase);
    let ascii: Vec<u8> = ascii.collect();
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    let mut rest = marks.iter().find_map(|mark| ascii.strip_prefix(*mark)).unwrap_or(&ascii).trim_ascii_start();
    while let Some(comment) = rest.strip_prefix(b"<!--") {
        let Some(end) = memmem::find(comment, b"-->") else { return false };
        rest = comment[end + 3..].trim_ascii_start();
    }
    let is_tag = |tag: &&[u8]| {
        let behind = rest.strip_prefix(*tag);
        behind.is_some_and(|behind| !behind.first().is_some_and(u8::is_ascii_alphanumeric))
    };
    TAGS.iter().any(is_tag) || rest.starts_with(b"<?xml") && memmem::find(rest, b"<html").is_some()
}

/// Whether `head` holds so many control characters, or so many beside bytes that are no UTF-8, that it is no text of single
/// bytes.
pub(crate) fn is_noise(head: &[u8]) -> bool {
    let control = |byte: &&u8| matches!(byte, 0..=8 | 0x0e..=0x19 | 0x7f);
    let controls = head.iter().filter(control).count();
    let invalid = head.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    controls * 3 > head.len() || (invalid > 1 && controls * 50 > head.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_text_are_named() {
        assert_eq!(Binary::of(b"\x89PNG\r\n\x1a\n\0\0"), Some(Binary::Other("a PNG image")));
        assert_eq!(Binary::of(b"PAR1\x15"), Some(Binary::Parquet));
        assert_eq!(Binary::of(b"\xff\xff\xff\xff\x78\0\0\0"), Some(Binary::ArrowStream));
        let mut tar = vec![b'a'; 600];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(Binary::of(&tar), Some(Binary::Compressed("a tar archive")));
        for text in ["PARTNER,x\n", "id,name\n", "MZ,1\n", "BZh,1\n", "PK,a\n", "Rar,1\n", "\u{feff}a\n"] {
            assert_eq!(Binary::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn pages_are_known_by_their_first_tag() {
        let wide: Vec<u8> = "\u{feff}<HTML>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for page in [
            &b"<!DOCTYPE html>\n"[..],
            b"\xef\xbb\xbf \r\n<Table border=1>",
            b"<!-- a --> <!-- b -->\n<html lang='x'>",
            b"<?xml version='1.0'?><html>",
            &wide,
        ] {
            assert!(is_page(page), "{}", String::from_utf8_lossy(page));
        }
        for text in [&b"<tablet>,x\n"[..], b"<!-- <html>", b"a,<html>\n", b"<?xml version='1.0'?><rows>", b""] {
            assert!(!is_page(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn noise_is_not_text_and_text_with_some_controls_is() {
        let noise: Vec<u8> = (0..2000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(is_noise(&noise));
        assert!(!is_noise(b"a,b\n1,x\0y\n"));
        assert!(!is_noise("a\u{1}b\n1\u{1}caf\u{e9}\n".as_bytes()));
        assert!(!is_noise(b"a,b\n1,caf\xe9 na\xefve\n"));
    }
}
