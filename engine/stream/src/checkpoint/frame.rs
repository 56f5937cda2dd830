//! The parts of a file: each has a sum of its own, knows its place, and says how much before it was surely on the disk.
//!
//! ```text
//! file  = "VELACKPT" format_version:u32 crc32:u32 frame*
//! frame = magic:u32 json_bytes:u32 body_bytes:u64 offset:u64 durable:u64 payload_crc32:u32 header_crc32:u32 json body
//! ```
//! Numbers are little-endian; json and body are padded to 8 bytes.

use std::io::{self, Write};

use arrow::buffer::Buffer;

/// The version of the files of a checkpoint.
pub const FORMAT_VERSION: u32 = 1;

const FILE_MAGIC: &[u8; 8] = b"VELACKPT";
/// Where the first frame of a file stands.
pub(super) const PRELUDE_BYTES: u64 = 16;
const FRAME_MAGIC: u32 = 0x4d52_4656;
/// Frames begin at multiples of this, and so do the values in them.
const ALIGNMENT: usize = 8;
const HEADER_BYTES: usize = 40;
/// Smaller pieces are written together.
const PIECE_BYTES: usize = 64 << 10;

/// The first bytes of a file of `version`.
pub(super) fn prelude(version: u32) -> [u8; PRELUDE_BYTES as usize] {
    let mut bytes = [0; PRELUDE_BYTES as usize];
    let (magic, rest) = bytes.split_at_mut(FILE_MAGIC.len());
    let (number, sum) = rest.split_at_mut(4);
    magic.copy_from_slice(FILE_MAGIC);
    number.copy_from_slice(&version.to_le_bytes());
    sum.copy_from_slice(&crc32fast::hash(&[&FILE_MAGIC[..], &version.to_le_bytes()].concat()).to_le_bytes());
    bytes
}

/// The version that a file says it has; `None` when its first bytes are not whole.
pub(super) fn version(file: &[u8]) -> Option<u32> {
    let found = file.get(..PRELUDE_BYTES as usize)?;
    let version = u32_at(found, FILE_MAGIC.len())?;
    (found == prelude(version)).then_some(version)
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its first byte in the file.
    pub(super) offset: u64,
    /// So many bytes of the file are on the disk already.
    pub(super) durable: u64,
}

/// A frame that is about to be written.
pub(super) struct Frame {
    json: Vec<u8>,
    body: Vec<Buffer>,
}

impl Frame {
    /// A frame of a JSON text and of pieces whose lengths are multiples of 8 together.
    pub(super) fn new(mut json: Vec<u8>, body: Vec<Buffer>) -> Self {
        json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
        Self { json, body }
    }

    fn body_bytes(&self) -> usize {
        self.body.iter().map(Buffer::len).sum()
    }

    /// How long it is in the file.
    pub(super) fn bytes(&self) -> u64 {
        (HEADER_BYTES + self.json.len() + self.body_bytes()) as u64
    }

    fn header(&self, place: Place) -> io::Result<Vec<u8>> {
        let json_bytes = u32::try_from(self.json.len()).map_err(io::Error::other)?;
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.json);
        self.body.iter().for_each(|piece| sum.update(piece));
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&FRAME_MAGIC.to_le_bytes());
        header.extend_from_slice(&json_bytes.to_le_bytes());
        header.extend_from_slice(&(self.body_bytes() as u64).to_le_bytes());
        header.extend_from_slice(&place.offset.to_le_bytes());
        header.extend_from_slice(&place.durable.to_le_bytes());
        header.extend_from_slice(&sum.finalize().to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        Ok(header)
    }

    /// Writes it, in one call when it is small.
    pub(super) fn write(&self, place: Place, out: &mut dyn Write) -> io::Result<()> {
        let bytes = usize::try_from(self.bytes()).unwrap_or(PIECE_BYTES);
        let mut small = Vec::with_capacity(bytes.min(PIECE_BYTES));
        small.extend_from_slice(&self.header(place)?);
        for piece in std::iter::once(self.json.as_slice()).chain(self.body.iter().map(Buffer::as_slice)) {
            if small.len() + piece.len() > PIECE_BYTES {
                out.write_all(&small)?;
                small.clear();
            }
            match piece.len() {
                PIECE_BYTES.. => out.write_all(piece)?,
                _ => small.extend_from_slice(piece),
            }
        }
        out.write_all(&small)
    }
}

/// A frame as it was found, its sums checked.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) json: Buffer,
    pub(super) body: Buffer,
    /// So many bytes of the file were on the disk when it was written.
    pub(super) durable: u64,
    /// The byte behind it.
    pub(super) end: u64,
}

/// What the header of a frame says.
struct Header {
    json_bytes: usize,
    body_bytes: usize,
    durable: u64,
    payload_crc: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// The header at `at`, if all of it is as it was written, and written for this place.
fn header_at(file: &[u8], at: usize) -> Option<Header> {
    let header = file.get(at..at.checked_add(HEADER_BYTES)?)?;
    if u32_at(header, 0)? != FRAME_MAGIC || u64_at(header, 16)? != at as u64 {
        return None;
    }
    let whole = crc32fast::hash(header.get(..HEADER_BYTES - 4)?) == u32_at(header, HEADER_BYTES - 4)?;
    whole.then_some(Header {
        json_bytes: u32_at(header, 4)?.try_into().ok()?,
        body_bytes: u64_at(header, 8)?.try_into().ok()?,
        durable: u64_at(header, 24)?,
        payload_crc: u32_at(header, 32)?,
    })
}

/// The frame at `offset`, or what is wrong with it.
pub(super) fn read(file: &Buffer, offset: u64) -> Result<Found, &'static str> {
    const CUT_OFF: &str = "a commit is cut off";
    let at = usize::try_from(offset).map_err(|_| CUT_OFF)?;
    if file.len().saturating_sub(at) < HEADER_BYTES {
        return Err(CUT_OFF);
    }
    let header = header_at(file, at).ok_or("the checksum of a header does not fit")?;
    let start = at + HEADER_BYTES;
    let bytes = header.json_bytes.checked_add(header.body_bytes).ok_or(CUT_OFF)?;
    let end = start.checked_add(bytes).filter(|end| *end <= file.len()).ok_or(CUT_OFF)?;
    if crc32fast::hash(file.get(start..end).unwrap_or_default()) != header.payload_crc {
        return Err("the checksum of a commit does not fit");
    }
    Ok(Found {
        json: file.slice_with_length(start, header.json_bytes),
        body: file.slice_with_length(start + header.json_bytes, header.body_bytes),
        durable: header.durable,
        end: end as u64,
    })
}

/// Whether a later frame says that the byte at `offset` was on the disk when it was written. Then what is there now is
/// damage, and not the end of what a crash left.
pub(super) fn was_durable(file: &[u8], offset: u64) -> bool {
    let first = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(ALIGNMENT);
    let magic = FRAME_MAGIC.to_le_bytes();
    (first..file.len()).step_by(ALIGNMENT).any(|at| {
        file.get(at..at + magic.len()) == Some(&magic[..])
            && header_at(file, at).is_some_and(|header| header.durable > offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut file = prelude(FORMAT_VERSION).to_vec();
        for (durable, text) in [(0, "{}"), (16, "[1,2,3]"), (16, "[4]")] {
            let frame = Frame::new(text.as_bytes().to_vec(), vec![Buffer::from([7; 16])]);
            let offset = file.len() as u64;
            frame.write(Place { offset, durable }, &mut file).unwrap();
            assert_eq!(file.len() as u64, offset + frame.bytes());
        }
        file
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let file = Buffer::from(file());
        assert_eq!(version(&file), Some(FORMAT_VERSION));
        let first = read(&file, PRELUDE_BYTES).unwrap();
        let second = read(&file, first.end).unwrap();
        assert_eq!((first.json.as_slice(), second.json.as_slice()), (&b"{}      "[..], &b"[1,2,3] "[..]));
        assert_eq!((second.body.as_slice(), second.durable), (&[7; 16][..], 16));
        let third = read(&file, second.end).unwrap();
        assert_eq!(third.end, file.len() as u64);
        assert_eq!(read(&file, third.end).unwrap_err(), "a commit is cut off");
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let whole = file();
        let ends: Vec<u64> = [16, 80, 144].into();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let file = Buffer::from(bytes);
            let read_all = ends.iter().all(|offset| read(&file, *offset).is_ok());
            assert!(version(&file).is_none() || !read_all, "bit {bit}");
        }
    }

    #[test]
    fn a_later_frame_tells_what_was_on_the_disk() {
        let file = file();
        assert!(was_durable(&file, 0));
        assert!(!was_durable(&file, 16), "no frame says that byte 16 was synced");
        assert!(!was_durable(&file[..100], 0) && !was_durable(&file, u64::MAX));
    }

    #[test]
    fn large_pieces_are_written_as_they_are() {
        let body: Vec<Buffer> = [8, PIECE_BYTES + 8, 16, PIECE_BYTES - 8].map(|bytes| vec![3_u8; bytes].into()).into();
        let mut bytes = Vec::new();
        Frame::new(b"{}".to_vec(), body).write(Place { offset: 0, durable: 0 }, &mut bytes).unwrap();
        let found = read(&Buffer::from(bytes), 0).unwrap();
        assert_eq!(found.body.len(), 2 * PIECE_BYTES + 24);
        assert!(found.body.iter().all(|byte| *byte == 3));
    }
}
