//! Compressed files: which compression a file has, by its first bytes and never by its name, and what it holds, as a
//! stream.
//!
//! Memory is bounded whatever a file claims: content is handed on as it is decoded, the window of a decoder has a limit
//! ([`WINDOW_BYTES_MAX`]), and no size of a header is allocated. How much a file grows has no limit, since nothing of it
//! is kept here; a zip member ends with an error at the first byte beyond the size that its directory gives.
//! Data that ends early or is damaged is an error with the place in the compressed file, never a shorter table.

mod zip;

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use velaria_contract::{Error, ErrorCode, Result};

pub(crate) use self::zip::names as zip_names;
use crate::LocalFile;
use crate::counted_file::CountedFile;

/// The most memory for what a decoder looks back at: enough for every level of the common tools, except the "long"
/// modes of zstd beyond 27.
const WINDOW_BYTES_MAX: u64 = 128 << 20;
const WINDOW_LOG_MAX: u32 = 27;
const BUFFER_BYTES: usize = 128 << 10;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// As it is.
    None,
    /// One or more gzip members.
    Gzip,
    /// One or more zstd frames.
    Zstd,
    /// One or more bzip2 streams.
    Bzip2,
    /// One or more xz streams.
    Xz,
    /// A zip archive of one member.
    Zip,
}

impl Compression {
    /// The compression that an option names.
    ///
    /// # Errors
    /// `VEL-7001` for another name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name.to_lowercase().as_str() {
            "none" => Ok(Self::None),
            "gzip" | "gz" => Ok(Self::Gzip),
            "zstd" | "zst" => Ok(Self::Zstd),
            "bzip2" | "bz2" => Ok(Self::Bzip2),
            "xz" => Ok(Self::Xz),
            "zip" => Ok(Self::Zip),
            _ => Err(Error::new(ErrorCode::InvalidArgument, format!("unknown compression: {name}"))
                .with_hint("there are: none, gzip, zstd, bzip2, xz, zip; without the option it is found in the file")),
        }
    }

    /// The compression of a file that begins with `head`.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            // The magic of a file and of its first block, or of its end: "BZh1" alone may begin a text.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Self::Xz,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ => Self::None,
        }
    }

    /// The name of the option.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zip => "zip",
        }
    }

    /// The content of `file` from its start.
    ///
    /// # Errors
    /// Those of opening; `VEL-5008` for a zip archive that is not one readable member. Reading fails with an
    /// [`io::Error`] that carries a `VEL-5008` with the place in the file.
    pub(crate) fn open(self, file: &LocalFile) -> Result<Box<dyn Read + Send>> {
        if self == Self::None {
            return Ok(Box::new(file.counted()?));
        }
        if self == Self::Zip {
            return zip::open(file);
        }
        let (source, place) = Source::new(file.counted()?);
        let decoder: io::Result<Box<dyn Read + Send>> = match self {
            Self::Gzip => Ok(Box::new(MultiGzDecoder::new(source))),
            Self::Bzip2 => Ok(Box::new(MultiBzDecoder::new(source))),
            Self::Zstd => zstd_decoder(source),
            Self::Xz => Stream::new_stream_decoder(WINDOW_BYTES_MAX, CONCATENATED)
                .map(|stream| Box::new(XzDecoder::new_stream(source, stream)) as Box<dyn Read + Send>)
                .map_err(io::Error::from),
            Self::None | Self::Zip => Ok(Box::new(source)),
        };
        let path = file.path().to_path_buf();
        let decoder = decoder.map_err(|error| damaged(self, &path, 0, &error))?;
        Ok(Box::new(Checked { decoder, compression: self, path, place, failed: None }))
    }
}

fn zstd_decoder(source: Source) -> io::Result<Box<dyn Read + Send>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(Box::new(decoder))
}

/// The bytes of a file, and how many of them a decoder has used.
struct Source {
    content: BufReader<CountedFile>,
    used: Arc<AtomicU64>,
}

impl Source {
    fn new(content: CountedFile) -> (Self, Arc<AtomicU64>) {
        let used = Arc::new(AtomicU64::new(0));
        (Self { content: BufReader::with_capacity(BUFFER_BYTES, content), used: Arc::clone(&used) }, used)
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buf)?;
        self.used.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.content.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.used.fetch_add(amount as u64, Ordering::Relaxed);
        self.content.consume(amount);
    }
}

/// A decoder whose failures say what is wrong with the file and where.
struct Checked {
    decoder: Box<dyn Read + Send>,
    compression: Compression,
    path: PathBuf,
    place: Arc<AtomicU64>,
    /// A decoder that failed is not asked again: what it would say then is not known.
    failed: Option<Error>,
}

impl Read for Checked {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(carry(error.clone()));
        }
        self.decoder.read(buf).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let error = damaged(self.compression, &self.path, self.place.load(Ordering::Relaxed), &error);
            self.failed = Some(error.clone());
            carry(error)
        })
    }
}

/// What `error` of a decoder means for the file at `path`.
fn damaged(compression: Compression, path: &std::path::Path, place: u64, error: &io::Error) -> Error {
    let (name, path) = (compression.name(), path.display());
    if error.raw_os_error().is_some() {
        return Error::new(ErrorCode::Io, format!("cannot read source file: {path}")).with_hint(error.to_string());
    }
    let what = if error.kind() == io::ErrorKind::UnexpectedEof { "ends early" } else { "is damaged" };
    Error::new(ErrorCode::MalformedFile, format!("{path}: {name} data {what} at compressed byte {place}"))
        .with_hint(format!("the file may be cut or not whole {name}: copy it again, or check it ({error})"))
}

/// `error` as one that a reader may return.
pub(crate) fn carry(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The error that a reader of the file at `path` returned, as it was made.
pub(crate) fn carried(path: &std::path::Path, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::new(ErrorCode::Io, format!("cannot read source file: {}", path.display()))
            .with_hint(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::FileAccess;

    const TEXT: &str = "id,name\n1,\"a,b\"\n2,c\n";

    fn encode(compression: Compression, text: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => text.to_vec(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zip => zip::tests::archive(&[("t.csv", text)]),
        }
    }

    fn read(bytes: &[u8]) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.csv");
        std::fs::write(&path, bytes).unwrap();
        let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap())?;
        let mut text = String::new();
        let mut reader = Compression::of(bytes).open(&file)?;
        reader.read_to_string(&mut text).map_err(|error| carried(&path, error))?;
        Ok(text)
    }

    const ALL: [Compression; 5] =
        [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz, Compression::Zip];

    #[test]
    fn the_first_bytes_decide_and_names_are_read_back() {
        for compression in ALL {
            let bytes = encode(compression, TEXT.as_bytes());
            assert_eq!(Compression::of(&bytes), compression);
            assert_eq!(Compression::named(compression.name()).unwrap(), compression);
            assert_eq!(read(&bytes).unwrap(), TEXT, "{}", compression.name());
        }
        assert_eq!(Compression::of(b"BZh9 is a column,b\n"), Compression::None);
        assert_eq!(Compression::named("lzw").unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn the_bytes_of_the_file_are_counted_and_not_those_of_the_text() {
        let text = TEXT.repeat(5000);
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data.csv");
            std::fs::write(&path, encode(compression, text.as_bytes())).unwrap();
            let file = LocalFile::open(&FileAccess::default(), path.to_str().unwrap()).unwrap();
            assert_eq!(file.read_bytes(), 0);
            compression.open(&file).unwrap().read_to_string(&mut String::new()).unwrap();
            assert_eq!(file.read_bytes(), file.bytes(), "{}", compression.name());
        }
    }

    #[test]
    fn files_that_were_put_one_behind_the_other_are_read_whole() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz] {
            let mut bytes = encode(compression, b"a\n1\n");
            bytes.extend(encode(compression, b""));
            bytes.extend(encode(compression, b"2\n"));
            assert_eq!(read(&bytes).unwrap(), "a\n1\n2\n", "{}", compression.name());
        }
    }

    #[test]
    fn data_that_ends_early_is_an_error_at_every_place() {
        let text = TEXT.repeat(50);
        for compression in ALL {
            let bytes = encode(compression, text.as_bytes());
            for end in 12..bytes.len() {
                let error = read(&bytes[..end]).expect_err(&format!("{} cut at {end}", compression.name()));
                assert_eq!(error.code(), ErrorCode::MalformedFile, "{error}");
            }
        }
    }

    #[test]
    fn a_changed_byte_is_an_error_with_its_place_and_never_another_text() {
        let text = TEXT.repeat(50);
        for compression in ALL {
            let bytes = encode(compression, text.as_bytes());
            for place in 12..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[place] ^= 0x10;
                // Some bytes hold no data: the time of a zip member, the version that made it.
                match read(&damaged) {
                    Ok(other) => assert_eq!(other, text, "{} changed at {place}", compression.name()),
                    Err(error) => assert_eq!(error.code(), ErrorCode::MalformedFile, "{error}"),
                }
            }
        }
    }

    #[test]
    fn what_follows_the_last_member_is_not_ignored() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz] {
            let mut bytes = encode(compression, TEXT.as_bytes());
            bytes.extend(b"3,lost\n");
            let error = read(&bytes).expect_err(compression.name());
            assert!(error.message().contains("at compressed byte"), "{error}");
        }
    }

    #[test]
    fn the_place_of_damage_is_that_in_the_compressed_file() {
        let error = read(&encode(Compression::Gzip, TEXT.as_bytes())[..25]).unwrap_err();
        assert!(error.message().ends_with("data.csv: gzip data ends early at compressed byte 25"), "{error}");
    }

    #[test]
    fn a_window_that_is_claimed_too_large_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(30).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(TEXT.as_bytes()).unwrap();
        let error = read(&encoder.finish().unwrap()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedFile, "{error}");
    }
}
