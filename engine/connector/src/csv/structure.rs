//! Finds where fields and records end, 64 bytes at a time.
//!
//! Quotes come in pairs (a doubled quote is two of them), so a byte is inside of a quoted field exactly when an odd number
//! of quotes stands before it. A block of 64 bytes becomes four bit masks, and that parity is a prefix sum over the mask
//! of the quotes: Langdale and Lemire, "Parsing Gigabytes of JSON per Second", VLDB Journal 28 (2019), section 3.1.
//!
//! The index is of regular text only: every record has the same number of fields, and every quote stands where RFC 4180
//! wants it. Where that ends the index stops, and [`super::record`] reads on. That module is the specification; this one
//! is fast.

/// The bytes that structure a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
}

const BLOCK: usize = 64;

/// One bit for each byte of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Masks {
    delimiter: u64,
    quote: u64,
    line_feed: u64,
    carriage_return: u64,
}

/// The masks of a block, one byte at a time: what the others must equal.
#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn portable_masks(block: &[u8; BLOCK], marks: Marks) -> Masks {
    let mut masks = Masks::default();
    for (index, byte) in block.iter().enumerate() {
        let bit = 1_u64 << index;
        masks.delimiter |= if *byte == marks.delimiter { bit } else { 0 };
        masks.quote |= if Some(*byte) == marks.quote { bit } else { 0 };
        masks.line_feed |= if *byte == b'\n' { bit } else { 0 };
        masks.carriage_return |= if *byte == b'\r' { bit } else { 0 };
    }
    masks
}

#[cfg(target_arch = "x86_64")]
mod vector {
    //! SSE2, which every x86-64 processor has.

    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};

    use super::{BLOCK, Marks, Masks};

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(block: &[u8; BLOCK], lane: usize) -> __m128i {
        let word = |offset: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&block[lane * 16 + offset..lane * 16 + offset + 8]);
            i64::from_le_bytes(bytes)
        };
        _mm_set_epi64x(word(8), word(0))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal(lanes: &[__m128i; 4], byte: u8) -> u64 {
        let wanted = _mm_set1_epi8(byte.cast_signed());
        let bits = |lane: usize| u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(lanes[lane], wanted)).cast_unsigned());
        bits(0) | bits(1) << 16 | bits(2) << 32 | bits(3) << 48
    }

    #[inline(always)]
    #[allow(unsafe_code, reason = "the compiler does not count the features that a target always has")]
    pub(super) fn masks(block: &[u8; BLOCK], marks: Marks) -> Masks {
        // SAFETY: every x86-64 processor has SSE2, and nothing here reads through a pointer.
        unsafe { sse2_masks(block, marks) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sse2_masks(block: &[u8; BLOCK], marks: Marks) -> Masks {
        let lanes = [load(block, 0), load(block, 1), load(block, 2), load(block, 3)];
        Masks {
            delimiter: equal(&lanes, marks.delimiter),
            quote: marks.quote.map_or(0, |quote| equal(&lanes, quote)),
            line_feed: equal(&lanes, b'\n'),
            carriage_return: equal(&lanes, b'\r'),
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod vector {
    //! Eight bytes in a register at a time; the compiler makes NEON of it.

    use super::{BLOCK, Marks, Masks};

    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

    #[inline(always)]
    fn equal(block: &[u8; BLOCK], byte: u8) -> u64 {
        let wanted = ONES.wrapping_mul(u64::from(byte));
        let mut bits = 0;
        for (index, word) in block.as_chunks::<8>().0.iter().enumerate() {
            let different = u64::from_le_bytes(*word) ^ wanted;
            // The high bit of every byte that is zero.
            let zero = !(((different & LOW).wrapping_add(LOW)) | different | LOW);
            bits |= ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (index * 8);
        }
        bits
    }

    #[inline(always)]
    pub(super) fn masks(block: &[u8; BLOCK], marks: Marks) -> Masks {
        Masks {
            delimiter: equal(block, marks.delimiter),
            quote: marks.quote.map_or(0, |quote| equal(block, quote)),
            line_feed: equal(block, b'\n'),
            carriage_return: equal(block, b'\r'),
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use portable_masks as masks;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use vector::masks;

/// The bits before and at every bit that is set, added without carry: bit `n` is the parity of the bits 0 to `n`.
#[inline(always)]
fn parities(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The blocks of a text; the last one is filled up with zeros, which structure nothing.
struct Blocks<'a> {
    text: &'a [u8],
    position: usize,
    last: [u8; BLOCK],
}

impl<'a> Blocks<'a> {
    fn new(text: &'a [u8], position: usize) -> Self {
        Self { text, position, last: [0; BLOCK] }
    }

    /// The next block with its position, and whether the byte behind it is a line feed.
    #[inline(always)]
    fn next(&mut self) -> Option<(usize, &[u8; BLOCK], bool)> {
        let position = self.position;
        let rest = self.text.get(position..).filter(|rest| !rest.is_empty())?;
        self.position += BLOCK;
        match rest.first_chunk::<BLOCK>() {
            Some(block) => Some((position, block, rest.get(BLOCK) == Some(&b'\n'))),
            None => {
                self.last = [0; BLOCK];
                self.last[..rest.len()].copy_from_slice(rest);
                Some((position, &self.last, false))
            }
        }
    }
}

/// Where a place in the text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Outside of quotes.
    #[default]
    Outside,
    /// Inside of a quoted field.
    Inside,
    /// Inside of a quoted field, between two quotes that are one character.
    Doubled,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Outside, Self::Inside, Self::Doubled];
}

impl Marks {
    /// Whether a quote behind `byte` opens a field.
    fn may_open(self, byte: Option<u8>) -> bool {
        byte.is_none_or(|byte| byte == self.delimiter || matches!(byte, b'\n' | b'\r'))
    }
}

/// Where the end of `text` is when its start is at `place`, between the bytes `before` and `after`.
pub(crate) fn place_after(text: &[u8], marks: Marks, mut place: Place, before: Option<u8>, after: Option<u8>) -> Place {
    let Some(quote) = marks.quote else { return Place::Outside };
    let mut position = 0;
    if place == Place::Doubled && !text.is_empty() {
        (place, position) = (Place::Inside, 1);
    }
    while let Some(found) = text.get(position..).and_then(|rest| memchr::memchr(quote, rest)) {
        let at = position + found;
        position = at + 1;
        if place == Place::Inside {
            if text.get(position).copied().or(after.filter(|_| position == text.len())) != Some(quote) {
                place = Place::Outside;
            } else if position == text.len() {
                return Place::Doubled;
            } else {
                position += 1;
            }
        } else if marks.may_open(at.checked_sub(1).map_or(before, |last| text.get(last).copied())) {
            place = Place::Inside;
        }
    }
    place
}

/// Where the first record of `text` ends that ends here: the position of its line end. The start of the text is at `place`
/// behind the byte `before`. What the last byte is may depend on the next one, unless it `is_last`.
pub(crate) fn first_line_end(
    text: &[u8],
    marks: Marks,
    mut place: Place,
    before: Option<u8>,
    is_last: bool,
) -> Option<usize> {
    let quote = marks.quote.unwrap_or(b'\n');
    let mut position = usize::from(place == Place::Doubled);
    if place == Place::Doubled {
        place = Place::Inside;
    }
    loop {
        let rest = text.get(position..)?;
        if place == Place::Inside {
            position += memchr::memchr(quote, rest)? + 1;
            match text.get(position) {
                Some(next) if *next == quote => position += 1,
                None if !is_last => return None,
                _ => place = Place::Outside,
            }
            continue;
        }
        let at = position + memchr::memchr3(b'\n', b'\r', quote, rest)?;
        position = at + 1;
        match (text[at], text.get(position)) {
            (b'\n', _) => return Some(at),
            (b'\r', Some(b'\n')) => {}
            (b'\r', None) if !is_last => return None,
            (b'\r', _) => return Some(at),
            _ if marks.may_open(at.checked_sub(1).map_or(before, |last| text.get(last).copied())) => {
                place = Place::Inside;
            }
            _ => {}
        }
    }
}

/// The same loops, compiled for processors with AVX2 and instructions that count bits.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::is_x86_feature_detected as detected;

    use super::{Index, Marks, Reached, Totals, count_blocks};

    pub(super) fn is_supported() -> bool {
        detected!("avx2") && detected!("popcnt") && detected!("bmi1") && detected!("bmi2")
    }

    #[allow(unsafe_code, reason = "the compiler cannot know the processor")]
    pub(super) fn count(text: &[u8], marks: Marks) -> Totals {
        #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
        fn counted(text: &[u8], marks: Marks) -> Totals {
            count_blocks(text, marks)
        }
        // SAFETY: callers look whether the processor has these features.
        unsafe { counted(text, marks) }
    }

    #[allow(unsafe_code, reason = "the compiler cannot know the processor")]
    pub(super) fn fill(
        index: &mut Index,
        text: &[u8],
        start: usize,
        marks: Marks,
        columns: usize,
        rows_max: usize,
    ) -> Reached {
        #[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
        fn filled(
            index: &mut Index,
            text: &[u8],
            start: usize,
            marks: Marks,
            columns: usize,
            rows_max: usize,
        ) -> Reached {
            index.fill_blocks(text, start, marks, columns, rows_max)
        }
        // SAFETY: callers look whether the processor has these features.
        unsafe { filled(index, text, start, marks, columns, rows_max) }
    }
}

/// How many records a text has, and how many fields they have together, when every quote is where it should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) records: usize,
    pub(crate) fields: usize,
}

/// Counts the records and fields of `text`, which begins with a record and ends with a line end.
pub(crate) fn count(text: &[u8], marks: Marks) -> Totals {
    #[cfg(target_arch = "x86_64")]
    if wide::is_supported() {
        return wide::count(text, marks);
    }
    count_blocks(text, marks)
}

#[inline(always)]
fn count_blocks(text: &[u8], marks: Marks) -> Totals {
    let mut totals = Totals::default();
    let mut inside = 0_u64;
    let mut blocks = Blocks::new(text, 0);
    while let Some((_, block, line_feed_follows)) = blocks.next() {
        let found = masks(block, marks);
        let outside = if found.quote == 0 { !inside } else { !(parities(found.quote) ^ inside) };
        inside = if outside >> 63 == 0 { u64::MAX } else { 0 };
        let lone = found.carriage_return & !(found.line_feed >> 1 | u64::from(line_feed_follows) << 63);
        let ends = (found.line_feed | lone) & outside;
        totals.records += ends.count_ones() as usize;
        totals.fields += (ends | found.delimiter & outside).count_ones() as usize;
    }
    totals
}

/// Where the fields of some records are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The start of every field, and last the start of what follows: field `n` ends one byte before `bounds[n + 1]`.
    bounds: Vec<u32>,
    rows: usize,
    has_quotes: bool,
}

/// How far an index got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The start of the first record that is not in the index.
    pub(crate) position: usize,
    /// Whether that record is irregular, or not complete.
    pub(crate) irregular: bool,
}

impl Index {
    /// The number of records.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether any field of these records is quoted.
    pub(crate) fn has_quotes(&self) -> bool {
        self.has_quotes
    }

    /// The start and the end of a field, quotes included.
    #[inline(always)]
    pub(crate) fn field(&self, number: usize) -> (usize, usize) {
        match self.bounds.get(number..number + 2) {
            Some([start, next]) => (*start as usize, *next as usize - 1),
            _ => (0, 0),
        }
    }

    /// Indexes records of `columns` fields in `text` from `start` on, at most `rows_max` of them. The text is shorter than
    /// 4 GiB.
    pub(crate) fn fill(&mut self, text: &[u8], start: usize, marks: Marks, columns: usize, rows_max: usize) -> Reached {
        #[cfg(target_arch = "x86_64")]
        if wide::is_supported() {
            return wide::fill(self, text, start, marks, columns, rows_max);
        }
        self.fill_blocks(text, start, marks, columns, rows_max)
    }

    #[inline(always)]
    fn fill_blocks(&mut self, text: &[u8], start: usize, marks: Marks, columns: usize, rows_max: usize) -> Reached {
        let fields_max = rows_max * columns;
        // One block can end 64 fields more than are wanted.
        self.bounds.resize(fields_max + BLOCK + 1, 0);
        self.rows = 0;
        self.has_quotes = false;
        self.bounds[0] = start as u32;
        let mut state = Walk::default();
        let mut reached = start;
        let mut length = 0_usize;
        let mut blocks = Blocks::new(text, start);
        while let Some((base, block, line_feed_follows)) = blocks.next() {
            let ends = state.step(masks(block, marks), line_feed_follows);
            self.has_quotes |= ends.quoted;
            let Some(out) = self.bounds.get_mut(length + 1..) else { break };
            push(out, ends.fields, base as u32);
            let mut records = ends.records;
            while records != 0 {
                let through = records ^ (records - 1);
                let fields = length + (ends.fields & through).count_ones() as usize;
                if ends.fault & through != 0 || fields != (self.rows + 1) * columns {
                    return Reached { position: reached, irregular: true };
                }
                self.rows += 1;
                reached = base + records.trailing_zeros() as usize + 1;
                if self.rows == rows_max {
                    return Reached { position: reached, irregular: false };
                }
                records &= records - 1;
            }
            if ends.fault != 0 {
                return Reached { position: reached, irregular: true };
            }
            length += ends.fields.count_ones() as usize;
            if length > fields_max {
                return Reached { position: reached, irregular: true };
            }
        }
        Reached { position: reached, irregular: reached < text.len() }
    }
}

/// Writes the position behind every bit of `bits`, in order.
#[inline(always)]
fn push(out: &mut [u32], mut bits: u64, base: u32) {
    for place in out.iter_mut() {
        if bits == 0 {
            return;
        }
        *place = base + bits.trailing_zeros() + 1;
        bits &= bits - 1;
    }
}

/// What ends in a block.
struct Ends {
    fields: u64,
    records: u64,
    /// Quotes that are not where they should be. A bit may stand one byte behind its quote.
    fault: u64,
    quoted: bool,
}

/// What one block has to know about those before it.
struct Walk {
    /// All ones when the block begins inside of quotes.
    inside: u64,
    /// One when a quote may open a field at the start of the block.
    may_open: u64,
    /// One when the block before ended with a closing quote.
    closed: u64,
}

impl Default for Walk {
    fn default() -> Self {
        Self { inside: 0, may_open: 1, closed: 0 }
    }
}

impl Walk {
    #[inline(always)]
    fn step(&mut self, found: Masks, line_feed_follows: bool) -> Ends {
        let lone = found.carriage_return & !(found.line_feed >> 1 | u64::from(line_feed_follows) << 63);
        let lines = found.line_feed | lone;
        if found.quote == 0 && self.inside == 0 && self.closed == 0 {
            let fields = lines | found.delimiter;
            self.may_open = fields >> 63;
            return Ends { fields, records: lines, fault: 0, quoted: false };
        }
        let inside = parities(found.quote) ^ self.inside;
        let fields = (lines | found.delimiter) & !inside;
        let (opening, closing) = (found.quote & inside, found.quote & !inside);
        let may_open = (fields | closing) << 1 | self.may_open;
        let must_end = closing << 1 | self.closed;
        let after = fields | opening | found.carriage_return & !inside;
        let fault = opening & !may_open | must_end & !after;
        self.inside = if inside >> 63 == 1 { u64::MAX } else { 0 };
        self.may_open = (fields | closing) >> 63;
        self.closed = closing >> 63;
        Ends { fields, records: lines & !inside, fault, quoted: true }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dialect::Dialect;
    use super::super::record::{Fields, Rules, Splitter};
    use super::*;

    const MARKS: Marks = Marks { delimiter: b',', quote: Some(b'"') };

    fn rules() -> Rules {
        Rules {
            dialect: Dialect::default(),
            strict_end: true,
            strict_field: true,
            trim: false,
            max_field_bytes: usize::MAX,
        }
    }

    /// The records that the specification reads, up to the first one that is not regular.
    fn specified(text: &[u8], columns: usize) -> (Vec<Vec<u8>>, usize) {
        let rules = rules();
        let (mut fields, mut values, mut position) = (Fields::default(), Vec::new(), 0);
        let mut splitter = Splitter::new(&rules, text, 0);
        loop {
            fields.clear();
            // With one column an empty line is a record, so blank lines stop the index only where there are more.
            let Some(found) = splitter.next(columns, &mut fields) else { return (values, position) };
            if found.fault.is_some() || found.width != columns || found.start != position {
                return (values, position);
            }
            values.extend(fields.spans.iter().map(|span| fields.value(*span).to_vec()));
            position = found.end;
        }
    }

    /// The value of a field as the index has it, without quotes.
    fn value(index: &Index, text: &[u8], number: usize, columns: usize) -> Vec<u8> {
        let (start, mut end) = index.field(number);
        if (number + 1).is_multiple_of(columns) && text[start..end].ends_with(b"\r") && text.get(end) == Some(&b'\n') {
            end -= 1;
        }
        match &text[start..end] {
            [b'"', inner @ .., b'"'] => String::from_utf8(inner.to_vec()).unwrap().replace("\"\"", "\"").into_bytes(),
            plain => plain.to_vec(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn fast_masks_are_the_portable_ones(block in prop::array::uniform32(prop::sample::select(b"a,\"\r\n\x80".to_vec()))) {
            let mut bytes = [0; BLOCK];
            bytes[..32].copy_from_slice(&block);
            bytes[32..].copy_from_slice(&block);
            bytes[40] = 255;
            prop_assert_eq!(masks(&bytes, MARKS), portable_masks(&bytes, MARKS));
        }

        #[test]
        fn the_index_is_what_the_specification_says(
            text in "([a-c]{0,3}|\"([a,\r\n]|\"\"){0,40}\"|\"|,|\n|\r\n|\r){0,30}",
            columns in 1_usize..4,
        ) {
            let mut text = text.into_bytes();
            if !matches!(text.last(), Some(b'\n' | b'\r')) {
                text.push(b'\n');
            }
            let (expected, end) = specified(&text, columns);
            let mut index = Index::default();
            let reached = index.fill(&text, 0, MARKS, columns, 1000);
            prop_assert!(reached.position <= end, "{} > {end}", reached.position);
            let found: Vec<Vec<u8>> =
                (0..index.rows() * columns).map(|number| value(&index, &text, number, columns)).collect();
            prop_assert_eq!(&found[..], &expected[..found.len()]);
            // It stops early only where a quote that is no fault at once becomes one.
            prop_assert!(reached.position == end || reached.irregular);
            if end == text.len() && reached.position == end {
                let totals = count(&text, MARKS);
                prop_assert_eq!(totals, Totals { records: index.rows(), fields: found.len() });
            }
        }
    }
}
