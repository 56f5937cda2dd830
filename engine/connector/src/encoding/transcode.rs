//! The text of a stream of bytes, as a stream of UTF-8.
//!
//! The same text comes out wherever the source cuts its bytes into chunks.

use std::io::{self, Read};
use std::path::PathBuf;

use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE, mem};
use velaria_contract::{Error, ErrorCode};

use super::{Charset, Detected};
use crate::compression::carry;

const CHUNK_BYTES: usize = 64 << 10;
/// No encoding of the standard needs more bytes of UTF-8 for one byte.
const GROWTH_MAX: usize = 3;

/// A reader of valid UTF-8 without a byte order mark.
pub(crate) struct Transcoded<R> {
    source: R,
    charset: Charset,
    decoder: Option<Decoder>,
    path: PathBuf,
    /// What came out of the source: `chunk[start..end]` is not decoded yet, and `chunk[start]` is at `place`.
    chunk: Vec<u8>,
    start: usize,
    end: usize,
    place: u64,
    /// What was decoded: `text[given..ready]` was not asked for yet.
    text: Vec<u8>,
    given: usize,
    ready: usize,
    skip: usize,
    end_of_source: bool,
    finished: bool,
    failed: Option<Error>,
}

impl<R: Read> Transcoded<R> {
    /// The text of `source`, whose encoding was found to be `detected`; `path` is for errors.
    pub(crate) fn new(source: R, detected: &Detected, path: PathBuf) -> Self {
        let charset = detected.charset;
        let encoding = match charset {
            Charset::Utf8 => Some(UTF_8),
            Charset::Utf16Le => Some(UTF_16LE),
            Charset::Utf16Be => Some(UTF_16BE),
            Charset::Latin1 => None,
            Charset::Legacy(encoding) => Some(encoding),
        };
        Self {
            source,
            charset,
            decoder: encoding.map(|encoding| encoding.new_decoder_without_bom_handling()),
            path,
            chunk: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            place: 0,
            text: vec![0; CHUNK_BYTES * GROWTH_MAX],
            given: 0,
            ready: 0,
            skip: detected.bom_bytes,
            end_of_source: false,
            finished: false,
            failed: None,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.start = 0;
        self.end = self.source.read(&mut self.chunk)?;
        self.end_of_source = self.end == 0;
        let skipped = self.skip.min(self.end);
        self.skip -= skipped;
        self.advance(skipped);
        Ok(())
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.place += bytes as u64;
    }

    fn decode(&mut self) {
        let raw = &self.chunk[self.start..self.end];
        let Some(decoder) = &mut self.decoder else {
            let (used, written) = (raw.len(), mem::convert_latin1_to_utf8(raw, &mut self.text));
            self.ready = written;
            self.finished = self.end_of_source;
            return self.advance(used);
        };
        let (result, used, written) =
            decoder.decode_to_utf8_without_replacement(raw, &mut self.text, self.end_of_source);
        self.ready = written;
        self.advance(used);
        match result {
            DecoderResult::InputEmpty => self.finished = self.end_of_source,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(bytes, behind) => {
                self.failed = Some(self.malformed(self.place - u64::from(bytes) - u64::from(behind)));
            }
        }
    }

    fn malformed(&self, place: u64) -> Error {
        let message = format!("{}: byte {place} is not valid {}", self.path.display(), self.charset.name());
        Error::new(ErrorCode::InvalidEncoding, message)
            .with_hint("if the file has another encoding, say it with the option encoding; otherwise repair the byte")
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready {
            if let Some(error) = &self.failed {
                return Err(carry(error.clone()));
            }
            if self.finished || buf.is_empty() {
                return Ok(0);
            }
            (self.given, self.ready) = (0, 0);
            if self.start == self.end && !self.end_of_source {
                self.fill()?;
            }
            self.decode();
        }
        let bytes = buf.len().min(self.ready - self.given);
        buf[..bytes].copy_from_slice(&self.text[self.given..self.given + bytes]);
        self.given += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::found;

    /// Gives at most `step` bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let step = self.1.min(buf.len());
            self.0.read(&mut buf[..step])
        }
    }

    fn transcode(bytes: &[u8], charset: Charset, bom_bytes: usize, step: usize) -> Result<String, Error> {
        let mut text = String::new();
        let detected = found(charset, bom_bytes, String::new());
        let mut reader = Transcoded::new(Slow(bytes, step), &detected, "x.csv".into());
        reader.read_to_string(&mut text).map_err(|error| error.downcast::<Error>().unwrap())?;
        Ok(text)
    }

    fn charsets() -> Vec<Charset> {
        use encoding_rs::{BIG5, EUC_JP, EUC_KR, GB18030, GBK, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};
        let legacy = [BIG5, EUC_JP, EUC_KR, GB18030, GBK, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252];
        let unicode = [Charset::Utf8, Charset::Utf16Le, Charset::Utf16Be, Charset::Latin1];
        unicode.into_iter().chain(legacy.map(Charset::Legacy)).collect()
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_are_the_text_or_the_error_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            which in 0_usize..12,
            step in 1_usize..7,
        ) {
            let charset = charsets()[which];
            let expected = charset.decode(&bytes);
            match transcode(&bytes, charset, 0, step) {
                Ok(text) => prop_assert_eq!(Some(text), expected),
                Err(error) => {
                    prop_assert_eq!(expected, None);
                    let whole = transcode(&bytes, charset, 0, 64).unwrap_err();
                    prop_assert_eq!(error.message(), whole.message());
                }
            }
        }
    }

    #[test]
    fn long_texts_pass_the_limits_of_the_buffers() {
        let text = "añb東京😀\r\n".repeat(40_000);
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(transcode(&utf16, Charset::Utf16Le, 0, 10_007).unwrap() == text);
        let (gb, _, lossy) = encoding_rs::GB18030.encode(&text);
        assert!(!lossy);
        assert!(transcode(&gb, Charset::Legacy(encoding_rs::GB18030), 0, usize::MAX).unwrap() == text);
    }

    #[test]
    fn a_mark_is_left_out_and_counts_for_places() {
        assert_eq!(transcode(b"\xef\xbb\xbfab", Charset::Utf8, 3, 1).unwrap(), "ab");
        let error = transcode(b"\xef\xbb\xbfa\xffb", Charset::Utf8, 3, 2).unwrap_err();
        assert_eq!(error.message(), "x.csv: byte 4 is not valid utf-8");
        assert_eq!(error.code(), ErrorCode::InvalidEncoding);
    }

    #[test]
    fn what_stands_before_a_fault_is_given_first() {
        let detected = found(Charset::Legacy(encoding_rs::GBK), 0, String::new());
        let mut reader = Transcoded::new(&b"ab,\xff\n"[..], &detected, "x.csv".into());
        let mut buf = [0; 16];
        assert_eq!(reader.read(&mut buf).unwrap(), 3);
        for _ in 0..2 {
            assert_eq!(reader.read(&mut buf).unwrap_err().to_string(), "x.csv: byte 3 is not valid gbk");
        }
    }

    #[test]
    fn latin1_is_not_windows1252() {
        assert_eq!(transcode(b"\x80\xe9", Charset::Latin1, 0, 1).unwrap(), "\u{80}é");
        assert_eq!(transcode(b"\x80\xe9", Charset::Legacy(encoding_rs::WINDOWS_1252), 0, 1).unwrap(), "€é");
    }
}
