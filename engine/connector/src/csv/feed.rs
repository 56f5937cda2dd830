//! Hands out the text of a file in pieces that hold whole records.
//!
//! Plain files are read by several threads: each takes the next block of bytes, and which records are its own follows
//! from whether the block begins inside of quotes. Every thread finds out what its block makes of each possible beginning
//! and passes the one that is true on. Everything else (compressed or transcoded text, and dialects in which quotes mean
//! more) is read from front to back.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use velaria_contract::Result;

use super::structure::{Marks, Place, first_line_end, place_after};
use crate::LocalFile;
use crate::counted_file::CountedFile;

/// How much is read behind a block at first to find the end of its last record.
const LOOKAHEAD_BYTES: usize = 4096;

/// A piece of text.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// The text; everything before `position` has been read.
    pub(crate) text: Vec<u8>,
    pub(crate) position: usize,
    /// The place of the first byte of `text` in the whole text.
    pub(crate) offset: u64,
    /// Whether the last record of the text is whole.
    pub(crate) is_whole: bool,
}

impl Piece {
    /// Nothing yet; what comes first stands at `offset`.
    pub(crate) fn before(offset: u64) -> Self {
        Self { text: Vec::new(), position: 0, offset, is_whole: true }
    }
}

/// Reads the blocks of one plain file; all threads that do have the same queue.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The place of the text in the file.
    base: u64,
    start: u64,
    end: u64,
    block: u64,
    marks: Marks,
    next: AtomicU64,
    chain: Mutex<Chain>,
    moved: Condvar,
}

/// What is known about the blocks that were read.
#[derive(Debug, Default)]
struct Chain {
    /// The number of the first block that was not read.
    known: u64,
    /// Where the start of that block is.
    place: Place,
}

impl Queue {
    /// A queue over the bytes `start` to `end` of a file whose text begins at `base`.
    pub(crate) fn new(base: u64, start: u64, end: u64, block: u64, marks: Marks) -> Self {
        let (next, chain, moved) = (AtomicU64::new(0), Mutex::default(), Condvar::new());
        Self { base, start, end, block: block.max(1), marks, next, chain, moved }
    }

    /// The number of blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.end.saturating_sub(self.start).div_ceil(self.block)
    }

    /// Waits until the blocks before `number` are known, and tells where it begins. `ends` are the places after it, for each
    /// place before it in the order of [`Place::ALL`].
    fn enter(&self, number: u64, ends: [Place; 3]) -> Place {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        while chain.known != number {
            chain = self.moved.wait(chain).unwrap_or_else(PoisonError::into_inner);
        }
        let place = chain.place;
        let after = Place::ALL.into_iter().zip(ends).find(|(before, _)| *before == place);
        chain.place = after.map_or(Place::Outside, |(_, after)| after);
        chain.known += 1;
        self.moved.notify_all();
        place
    }

    /// Gives up the block with this number, so that nobody waits for it.
    pub(crate) fn pass(&self, number: u64) {
        self.enter(number, Place::ALL);
    }

    /// Puts the records that begin in the block with this number into `piece`, and tells whether there are any. Every number
    /// has to be read once.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&self, number: u64, file: &mut CountedFile, piece: &mut Piece) -> io::Result<bool> {
        let from = self.start.saturating_add(number.saturating_mul(self.block));
        let to = self.end.min(from + self.block);
        // One byte more on both sides tells what the first and the last quote and line end are.
        let lead = usize::from(number > 0);
        let read = read_range(file, from - lead as u64, self.end.min(to + 1), &mut piece.text);
        let owned = (usize::try_from(to - from).unwrap_or(usize::MAX) + lead).min(piece.text.len());
        let before = piece.text.first().copied().filter(|_| lead == 1);
        let block = piece.text.get(lead..owned).unwrap_or_default();
        let after = piece.text.get(owned).copied();
        let ends = Place::ALL.map(|place| place_after(block, self.marks, place, before, after));
        // Also after a failure: the other threads wait for it.
        let place = self.enter(number, ends);
        read?;
        let is_last = to == self.end;
        let begin = match number {
            0 => Some(0),
            _ => first_line_end(piece.text.get(lead..).unwrap_or_default(), self.marks, place, before, is_last)
                .map(|end| lead + end + 1),
        };
        let Some(begin) = begin.filter(|begin| *begin <= owned && *begin < piece.text.len()) else { return Ok(false) };
        if !is_last {
            let end = Place::ALL.into_iter().zip(ends).find(|(before, _)| *before == place);
            self.complete(file, piece, owned, end.map_or(Place::Outside, |(_, end)| end))?;
        }
        piece.position = begin;
        piece.offset = from - lead as u64 - self.base;
        piece.is_whole = true;
        end_line(&mut piece.text);
        Ok(true)
    }

    /// Reads on until the record that is open at `owned` ends, and cuts the text there.
    fn complete(&self, file: &mut CountedFile, piece: &mut Piece, owned: usize, place: Place) -> io::Result<()> {
        let mut step = LOOKAHEAD_BYTES;
        let start = file.stream_position()? - piece.text.len() as u64;
        let before = owned.checked_sub(1).and_then(|last| piece.text.get(last).copied());
        loop {
            let left = self.end - (start + piece.text.len() as u64);
            let rest = piece.text.get(owned..).unwrap_or_default();
            if let Some(end) = first_line_end(rest, self.marks, place, before, left == 0) {
                piece.text.truncate(owned + end + 1);
                return Ok(());
            }
            if left == 0 {
                return Ok(());
            }
            let read = start + piece.text.len() as u64;
            let mut more = Vec::new();
            read_range(file, read, self.end.min(read + step as u64), &mut more)?;
            piece.text.extend_from_slice(&more);
            step = step.saturating_mul(2);
        }
    }
}

/// Where pieces come from.
pub(crate) enum Feed {
    Shared { queue: Arc<Queue>, file: CountedFile },
    Serial(Serial),
}

/// Text that is read from front to back.
pub(crate) struct Serial {
    reader: Box<dyn Read + Send>,
    /// How many bytes the next piece has at least.
    step: usize,
    step_max: usize,
    ended: bool,
}

impl Serial {
    pub(crate) fn new(reader: Box<dyn Read + Send>, step: usize, step_max: usize) -> Self {
        Self { reader, step, step_max, ended: false }
    }
}

impl Feed {
    /// Puts more text into `piece`, and tells whether there was any.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn fill(&mut self, piece: &mut Piece) -> io::Result<bool> {
        match self {
            Self::Shared { queue, file } => next_block(queue, file, piece),
            Self::Serial(serial) => serial.fill(piece),
        }
    }
}

impl Serial {
    fn fill(&mut self, piece: &mut Piece) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        piece.text.drain(..piece.position);
        piece.offset += piece.position as u64;
        piece.position = 0;
        // A record that does not fit asks for twice as much each time.
        let wanted = self.step.max(piece.text.len());
        self.step = (self.step * 4).min(self.step_max);
        let read = read_up_to(&mut self.reader, wanted, &mut piece.text)?;
        self.ended = read < wanted;
        piece.is_whole = self.ended;
        if self.ended {
            end_line(&mut piece.text);
        }
        Ok(true)
    }
}

/// So much room is made at first: most of a block would be made for nothing where the file ends before it.
const FIRST_BYTES: usize = 64 << 10;

/// Reads `wanted` bytes, or fewer at the end.
fn read_up_to(reader: &mut dyn Read, wanted: usize, out: &mut Vec<u8>) -> io::Result<usize> {
    let (start, end) = (out.len(), out.len() + wanted);
    out.reserve(wanted);
    out.resize(end.min(start + FIRST_BYTES), 0);
    let mut filled = start;
    while filled < end {
        match reader.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                out.truncate(filled);
                return Err(error);
            }
        }
        if filled == out.len() {
            out.resize(end, 0);
        }
    }
    out.truncate(filled);
    Ok(filled - start)
}

/// The last line ends like every other.
fn end_line(text: &mut Vec<u8>) {
    if !matches!(text.last(), None | Some(b'\n' | b'\r')) {
        text.push(b'\n');
    }
}

/// Reads the next block in which a record begins.
fn next_block(queue: &Queue, file: &mut CountedFile, piece: &mut Piece) -> io::Result<bool> {
    loop {
        let number = queue.next.fetch_add(1, Ordering::Relaxed);
        if number >= queue.blocks() {
            return Ok(false);
        }
        if queue.read(number, file, piece)? {
            return Ok(true);
        }
    }
}

/// Reads the bytes `from` to `to` of a file that has them.
fn read_range(file: &mut CountedFile, from: u64, to: u64, text: &mut Vec<u8>) -> io::Result<()> {
    text.clear();
    file.seek(SeekFrom::Start(from))?;
    let wanted = usize::try_from(to - from).map_err(io::Error::other)?;
    match read_up_to(file, wanted, text)? {
        read if read == wanted => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read")),
    }
}

/// A feed over a plain file for one of several threads.
pub(crate) fn shared(queue: &Arc<Queue>, file: &LocalFile) -> Result<Feed> {
    Ok(Feed::Shared { queue: Arc::clone(queue), file: file.counted()? })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const MARKS: Marks = Marks { delimiter: b',', quote: Some(b'"') };

    fn pieces(text: &str, block: u64) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let queue = Arc::new(Queue::new(0, 0, text.len() as u64, block, MARKS));
        let mut feed = Feed::Shared { queue, file: CountedFile::new(file, Arc::default()) };
        let (mut all, mut piece) = (String::new(), Piece::default());
        while feed.fill(&mut piece).unwrap() {
            all.push_str(std::str::from_utf8(&piece.text[piece.position..]).unwrap());
        }
        all
    }

    #[test]
    fn blocks_end_at_records() {
        let text = "a,b\r\n1,\"x\ny\"\n\"\n\",2\r3,4\n";
        for block in 1..30 {
            assert_eq!(pieces(text, block), text, "blocks of {block}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_piece(text in "[a,\"\r\n]{0,60}", block in 1_u64..40) {
            let mut expected = text.clone().into_bytes();
            end_line(&mut expected);
            let all = pieces(&text, block);
            prop_assert_eq!(all.into_bytes(), if text.is_empty() { Vec::new() } else { expected });
        }
    }
}
