//! The text of a file: what stands between its bytes on disk and the UTF-8 that a decoder reads.
//!
//! A file that is UTF-8 and not compressed is *plain*: decoders read its bytes where they stand. Every other is read
//! through [`Content::reader`], which decompresses, transcodes and checks as it streams.

use std::io::{Read, Seek, SeekFrom};

use velaria_contract::{Error, ErrorCode, Result};

use crate::LocalFile;
use crate::compression::{Compression, carried, zip_names};
use crate::encoding::{Charset, Detected, Sample, Transcoded, detect};
use crate::magic::{Binary, is_noise, is_page, is_workbook};

/// What is looked at to tell an encoding.
const HEAD_BYTES: usize = 256 << 10;
/// Later parts of a plain file that are looked at as well: the first 256 KiB of a long file may be ASCII by chance.
const LATER_PARTS: u64 = 6;
const LATER_BYTES: usize = 64 << 10;

/// How the text of a file is stored.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    compression: Compression,
    detected: Detected,
}

/// The beginning of a text.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Whole characters; the last line may be cut.
    pub(crate) text: String,
    /// Whether this is all of the text.
    pub(crate) whole: bool,
}

impl Content {
    /// Looks at the beginning of `file`, and at parts behind it. The names, if given, are those of the options
    /// `compression` and `encoding`, which win over what is seen.
    ///
    /// # Errors
    /// Those of [`Content::of_text`], and `VEL-5008` for an HTML page, which has no rows.
    pub(crate) fn detect(file: &LocalFile, compression: Option<&str>, encoding: Option<&str>) -> Result<Self> {
        let (compression, sample) = sampled(file, compression)?;
        if is_page(&sample.head) {
            let message = format!("{}: the file is an HTML page", file.path().display());
            return Err(Error::new(ErrorCode::MalformedFile, message)
                .with_hint("open it in a browser: it may say what went wrong, or hold a table to be saved as CSV"));
        }
        Self::new(file, compression, &sample, encoding)
    }

    /// The content of `file` when it is plain text as `self` is, by its first bytes alone; `None` when it has to be looked at.
    ///
    /// # Errors
    /// Those of opening.
    pub(crate) fn again(&self, file: &LocalFile) -> Result<Option<Self>> {
        let start = start(file)?;
        let is_known = self.is_plain()
            && Compression::of(&start) == Compression::None
            && Binary::of(&start).is_none()
            && !is_page(&start)
            && !start.contains(&0)
            && !start.starts_with(b"\xff\xfe")
            && !start.starts_with(b"\xfe\xff");
        let bom_bytes = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let detected = Detected { bom_bytes, ..self.detected.clone() };
        Ok(is_known.then_some(Self { compression: Compression::None, detected }))
    }

    /// As [`Content::detect`], for any text.
    ///
    /// # Errors
    /// `VEL-7001` for a name that is not known, `VEL-5008` for damaged or unknown compression and for a file that is no
    /// text, `VEL-5002` for UTF-32, `VEL-7003` when the encoding cannot be told.
    pub(crate) fn of_text(file: &LocalFile, compression: Option<&str>, encoding: Option<&str>) -> Result<Self> {
        let (compression, sample) = sampled(file, compression)?;
        Self::new(file, compression, &sample, encoding)
    }

    fn new(file: &LocalFile, compression: Compression, sample: &Sample, encoding: Option<&str>) -> Result<Self> {
        let detected = detect(sample, encoding).map_err(|error| with_path(file, &error));
        let single_bytes = match &detected {
            Ok(detected) => !matches!(detected.charset, Charset::Utf16Le | Charset::Utf16Be),
            Err(error) => error.code() == ErrorCode::Ambiguous,
        };
        if encoding.is_none() && single_bytes && is_noise(&sample.head) {
            return Err(no_text(file, Binary::Other("binary data")));
        }
        Ok(Self { compression, detected: detected? })
    }

    /// Whether the bytes of the file are its text, behind [`Content::bom_bytes`]. They were not all looked at: the decoder
    /// has to check that they are UTF-8.
    pub(crate) fn is_plain(&self) -> bool {
        self.compression == Compression::None && self.detected.charset == Charset::Utf8
    }

    /// The bytes of the byte order mark.
    pub(crate) fn bom_bytes(&self) -> usize {
        self.detected.bom_bytes
    }

    /// The text of `file` from its start, as valid UTF-8 without a byte order mark.
    ///
    /// # Errors
    /// Those of opening. Reading fails with an [`std::io::Error`] that carries an [`Error`] with the byte
    /// ([`crate::compression::carried`] takes it out): `VEL-5008` for damaged compression, `VEL-5002` for bytes without
    /// meaning in the encoding.
    pub(crate) fn reader(&self, file: &LocalFile) -> Result<Box<dyn Read + Send>> {
        let source = self.compression.open(file)?;
        Ok(Box::new(Transcoded::new(source, &self.detected, file.path().to_path_buf())))
    }

    /// The beginning of the text of `file`, of at most about `bytes_max` bytes. It ends before a fault, which is then for
    /// the reader to tell, unless nothing can be done with what stands before it.
    ///
    /// # Errors
    /// Those of [`Content::reader`], when there is no whole line before the fault, or when the caller wants so much that it
    /// must have looked before.
    pub(crate) fn head(&self, file: &LocalFile, bytes_max: usize) -> Result<Head> {
        const FIRST_LOOK_BYTES_MAX: usize = 1 << 20;
        let mut reader = self.reader(file)?;
        let mut bytes = Vec::new();
        let fault = read_up_to(&mut reader, &mut bytes, bytes_max).err();
        let whole = fault.is_none() && bytes.len() < bytes_max;
        let lines = memchr::memchr2(b'\n', b'\r', &bytes).is_some();
        if let Some(error) = fault
            && (!lines || bytes_max >= FIRST_LOOK_BYTES_MAX)
        {
            return Err(carried(file.path(), error));
        }
        let valid = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
        bytes.truncate(valid);
        Ok(Head { text: String::from_utf8(bytes).unwrap_or_default(), whole })
    }

    /// The name of the encoding, as in the option.
    pub(crate) fn encoding_name(&self) -> String {
        self.detected.charset.name()
    }

    /// Why it is this encoding.
    pub(crate) fn encoding_reason(&self) -> &str {
        &self.detected.reason
    }

    /// What a person should look at, when the encoding was guessed and could be another.
    pub(crate) fn encoding_warning(&self) -> Option<&str> {
        self.detected.warning.as_deref()
    }

    /// The name of the compression, as in the option.
    pub(crate) fn compression_name(&self) -> &'static str {
        self.compression.name()
    }
}

/// What `file` is, when it is no text: by its first bytes, decompressed, and by its members when it is a zip archive.
///
/// # Errors
/// Those of opening, and of decompression.
pub(crate) fn binary(file: &LocalFile) -> Result<Option<Binary>> {
    let start = start(file)?;
    if Compression::of(&start) == Compression::Zip && zip_names(file).is_ok_and(|names| is_workbook(&names)) {
        return Ok(Some(Binary::Excel));
    }
    if Compression::of(&start) != Compression::None {
        return Ok(None);
    }
    Ok(Binary::of(&start))
}

fn start(file: &LocalFile) -> Result<Vec<u8>> {
    // The magic of a tar archive stands at 257.
    const START_BYTES: usize = 512;
    let mut bytes = Vec::new();
    read_up_to(&mut file.reader()?, &mut bytes, START_BYTES).map_err(|error| carried(file.path(), error))?;
    Ok(bytes)
}

/// The compression of `file` and parts of what is in it, which is no known binary format.
fn sampled(file: &LocalFile, compression: Option<&str>) -> Result<(Compression, Sample)> {
    let compression = match compression {
        Some(name) => Compression::named(name)?,
        None => Compression::of(&start(file)?),
    };
    if compression == Compression::Zip && zip_names(file).is_ok_and(|names| is_workbook(&names)) {
        return Err(no_text(file, Binary::Excel));
    }
    let sample = sample(file, compression)?;
    match Binary::of(&sample.head) {
        Some(binary) => Err(no_text(file, binary)),
        None => Ok((compression, sample)),
    }
}

fn sample(file: &LocalFile, compression: Compression) -> Result<Sample> {
    let mut head = Vec::new();
    let read = read_up_to(&mut compression.open(file)?, &mut head, HEAD_BYTES);
    read.map_err(|error| carried(file.path(), error))?;
    let whole = head.len() < HEAD_BYTES;
    let later = if whole || compression != Compression::None { Vec::new() } else { later_parts(file)? };
    Ok(Sample { head, whole, later })
}

/// Whole lines from places that lie evenly over the file. Of text without line ends nothing is taken.
fn later_parts(file: &LocalFile) -> Result<Vec<Vec<u8>>> {
    let mut content = file.reader()?;
    let step = file.bytes() / (LATER_PARTS + 1);
    let mut parts = Vec::new();
    for place in (1..=LATER_PARTS).map(|part| part * step).filter(|place| *place > HEAD_BYTES as u64) {
        let mut bytes = Vec::new();
        let read = content.seek(SeekFrom::Start(place)).and_then(|_| read_up_to(&mut content, &mut bytes, LATER_BYTES));
        read.map_err(|error| carried(file.path(), error))?;
        if let (Some(start), Some(end)) = (memchr::memchr(b'\n', &bytes), memchr::memrchr(b'\n', &bytes)) {
            parts.push(bytes[start + 1..=end.max(start)].to_vec());
        }
    }
    Ok(parts)
}

/// Reads until there are `bytes_max` bytes or no more; what was read before an error stays.
fn read_up_to(reader: &mut impl Read, bytes: &mut Vec<u8>, bytes_max: usize) -> std::io::Result<()> {
    reader.take(bytes_max as u64).read_to_end(bytes).map(|_| ())
}

fn no_text(file: &LocalFile, binary: Binary) -> Error {
    let message = format!("{}: the file is no text: it seems to be {}", file.path().display(), binary.description());
    Error::new(ErrorCode::MalformedFile, message).with_hint(binary.hint())
}

fn with_path(file: &LocalFile, error: &Error) -> Error {
    let with_path = Error::new(error.code(), format!("{}: {}", file.path().display(), error.message()));
    match error.hint() {
        Some(hint) => with_path.with_hint(hint),
        None => with_path,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::FileAccess;

    struct Stored {
        _dir: tempfile::TempDir,
        file: LocalFile,
    }

    fn stored(bytes: &[u8]) -> Stored {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.csv");
        std::fs::write(&path, bytes).unwrap();
        let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap()).unwrap();
        Stored { _dir: dir, file }
    }

    fn text(bytes: &[u8], encoding: Option<&str>) -> Result<String> {
        let stored = stored(bytes);
        let content = Content::detect(&stored.file, None, encoding)?;
        let mut text = String::new();
        let read = content.reader(&stored.file)?.read_to_string(&mut text);
        read.map_err(|error| carried(stored.file.path(), error))?;
        Ok(text)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_text_is_plain_and_the_rest_is_not() {
        let plain = |bytes: &[u8]| {
            let content = Content::detect(&stored(bytes).file, None, None).unwrap();
            (content.is_plain(), content.bom_bytes(), content.compression_name(), content.encoding_name())
        };
        assert_eq!(plain("a\né\n".as_bytes()), (true, 0, "none", "utf-8".to_owned()));
        assert_eq!(plain(b"\xef\xbb\xbfa\n"), (true, 3, "none", "utf-8".to_owned()));
        assert_eq!(plain(b"\xff\xfea\0\n\0"), (false, 2, "none", "utf-16le".to_owned()));
        assert_eq!(plain(&gzip(b"\xef\xbb\xbfa\n")), (false, 3, "gzip", "utf-8".to_owned()));
    }

    #[test]
    fn compressed_text_of_another_encoding_is_read() {
        let (gbk, _, _) = encoding_rs::GBK.encode("编号,商品\n1,电视机\n2,冰箱\n");
        assert_eq!(text(&gzip(&gbk), None).unwrap(), "编号,商品\n1,电视机\n2,冰箱\n");
        assert_eq!(text(&gzip(b""), None).unwrap(), "");
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let error = text(b"a,b\n1,\xff\n", Some("utf-8")).unwrap_err();
        assert!(error.message().ends_with("data.csv: byte 6 is not valid utf-8"), "{error}");
        let gz = gzip(&b"a,b\n1,2\n".repeat(9));
        assert_eq!(text(&gz[..gz.len() - 3], None).unwrap_err().code(), ErrorCode::MalformedFile);
    }

    #[test]
    fn files_that_are_no_text_say_what_they_seem_to_be() {
        for (bytes, what) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "it seems to be a PNG image"),
            (&gzip(b"PAR1\0\0"), "it seems to be a Parquet file"),
            (&gzip(&gzip(b"a\n")), "it seems to be gzip data"),
        ] {
            let error = text(bytes, None).unwrap_err();
            assert_eq!(error.code(), ErrorCode::MalformedFile);
            assert!(error.message().ends_with(what), "{error}");
        }
    }

    #[test]
    fn bytes_outside_ascii_far_behind_the_head_are_seen() {
        let mut bytes = b"id,name\n".to_vec();
        bytes.extend(b"1,plain\n".repeat(200_000));
        let middle = bytes.len() / 7 * 3;
        let line = middle + bytes[middle..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes.splice(line..line, encoding_rs::WINDOWS_1252.encode("2,Müller\n3,Größe\n4,Köln\n").0.into_owned());
        let content = Content::detect(&stored(&bytes).file, None, None).unwrap();
        assert_eq!(content.encoding_name(), "windows-1252");
    }

    #[test]
    fn a_head_is_whole_characters() {
        let stored = stored("é".repeat(10).as_bytes());
        let content = Content::detect(&stored.file, None, None).unwrap();
        let head = content.head(&stored.file, 5).unwrap();
        assert_eq!((head.text.as_str(), head.whole), ("éé", false));
        let head = content.head(&stored.file, 100).unwrap();
        assert_eq!((head.text.chars().count(), head.whole), (10, true));
    }

    #[test]
    fn a_head_before_a_fault_is_not_all_of_the_text() {
        let head = |bytes: &[u8], bytes_max: usize| {
            let stored = stored(bytes);
            Content::detect(&stored.file, None, Some("utf-8")).unwrap().head(&stored.file, bytes_max)
        };
        let before = head(b"a,b\n1,\xff\n", 100).unwrap();
        assert_eq!((before.text.as_str(), before.whole), ("a,b\n1,", false));
        for bytes_max in [100, 1 << 20] {
            let bytes: &[u8] = if bytes_max == 100 { b"a,\xff\n" } else { b"a,b\n1,\xff\n" };
            assert_eq!(head(bytes, bytes_max).unwrap_err().code(), ErrorCode::InvalidEncoding);
        }
    }
}
