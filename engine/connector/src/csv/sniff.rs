//! Finds how a CSV file is written, from its head.
//!
//! Every delimiter that occurs is tried with every way of quoting; the one that gives records of one length wins. What was
//! given as an option is not looked for. Two ways that are equally good are an error that names them, and a file that has
//! no good one keeps the best: its uneven records are for the reader to name, never hidden in one wide column.

mod header;
mod numbers;
mod records;
mod values;

use velaria_contract::{Error, ErrorCode, Result};

use self::header::{Column, Verdict};
use self::records::{Records, Signs};
use self::values::Look;
use super::{CsvOptions, Dialect};

/// The part of a head that is looked at.
const TEXT_BYTES_MAX: usize = 64 << 10;
const LINES_MIN: usize = 8;
const RECORDS_MAX: usize = 500;
/// The lines of titles that may stand before a table.
const PREAMBLE_MAX: usize = 20;

/// Delimiters that separate fields by nature.
const COMMON: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Delimiters that stand inside values more often than between them.
const RARE: [u8; 6] = [b':', b' ', b'^', b'~', 0x01, 0x1f];

/// How a file is written, and how sure that is.
#[derive(Debug, Clone)]
pub(crate) struct Sniffed {
    /// How the file is written.
    pub(crate) dialect: Dialect,
    /// From 0 to 100.
    pub(crate) score: u32,
    /// What a person should look at.
    pub(crate) warnings: Vec<String>,
    /// Those warnings that are about values which could be read in another way, or are left out.
    pub(crate) doubts: Vec<String>,
    /// The names in the header, or `c0`, `c1`, … without one.
    pub(crate) names: Vec<String>,
    /// The delimiters that were tried, best first.
    pub(crate) candidates: Vec<Candidate>,
}

/// A delimiter that was tried.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The delimiter.
    pub(crate) delimiter: u8,
    /// The number of columns that it gives.
    pub(crate) columns: usize,
    /// From 0 to 100.
    pub(crate) score: u32,
    /// The records that were looked at.
    pub(crate) records: usize,
    /// Those of them that have another number of fields.
    pub(crate) uneven: usize,
}

/// The dialect of a text that begins with `head`, which is all of it when `whole`. `options` win over what is seen.
///
/// # Errors
/// `VEL-7003` when two delimiters fit equally well.
pub(crate) fn sniff(head: &str, whole: bool, options: &CsvOptions) -> Result<Sniffed> {
    let (text, cut) = look_at(head);
    let text = Text { text, partial: cut || !whole, options };
    let (text, marked) = text.without_sep_line();
    let mut tried = text.candidates(marked);
    tried.sort_by_key(|tried| std::cmp::Reverse(tried.rank()));
    text.check_ambiguity(&tried)?;
    match tried.first() {
        Some(best) => text.sniffed(best, &tried, marked),
        None => text.nothing(marked),
    }
}

fn look_at(head: &str) -> (&str, bool) {
    let end = head.floor_char_boundary(TEXT_BYTES_MAX);
    // Of very long lines more is looked at: some records are needed.
    let few = memchr::memchr2_iter(b'\n', b'\r', &head.as_bytes()[..end]).take(LINES_MIN).count() < LINES_MIN;
    if few || end == head.len() { (head, false) } else { (&head[..end], true) }
}

struct Text<'a> {
    text: &'a str,
    partial: bool,
    options: &'a CsvOptions,
}

/// A delimiter with the best way of quoting for it.
struct Tried {
    signs: Signs,
    records: Records,
    shape: Shape,
    /// The share of columns whose values are more than text, from 0 to 100.
    typed: usize,
    /// Whether fields hold another delimiter that could be one, with no reason such as a decimal comma.
    holds_others: bool,
}

/// Where the table begins, and how even it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// The record with the names, or the first.
    start: usize,
    width: usize,
    records: usize,
    uneven: usize,
}

impl Tried {
    fn is_even(&self) -> bool {
        self.shape.uneven == 0 && self.records.malformed == 0
    }

    fn is_rare(&self) -> bool {
        RARE.contains(&self.signs.delimiter)
    }

    /// The larger the better. Two of the same rank are equally good, but for the order of delimiters at its end.
    fn rank(&self) -> (bool, bool, usize, bool, usize, usize) {
        let order = COMMON.len() + RARE.len() - position(self.signs.delimiter);
        let evenness = if self.is_even() { 1000 } else { self.evenness() };
        (!self.is_rare(), self.is_even(), evenness, !self.holds_others, self.typed, order)
    }

    /// The share of records of the right length, from 0 to 999.
    fn evenness(&self) -> usize {
        (self.shape.records - self.shape.uneven) * 999 / self.shape.records.max(1)
    }

    fn score(&self) -> u32 {
        let even = u32::try_from(self.evenness() * 90 / 999).unwrap_or(0);
        let few = if self.shape.records < 2 { 20 } else { 0 };
        let rare = if self.is_rare() { 15 } else { 0 };
        let typed = u32::try_from(self.typed / 10).unwrap_or(0);
        (even + typed).saturating_sub(few + rare)
    }

    fn candidate(&self) -> Candidate {
        Candidate {
            delimiter: self.signs.delimiter,
            columns: self.shape.width,
            score: self.score(),
            records: self.shape.records,
            uneven: self.shape.uneven,
        }
    }
}

fn position(delimiter: u8) -> usize {
    COMMON.iter().chain(&RARE).position(|own| *own == delimiter).unwrap_or(0)
}

impl<'a> Text<'a> {
    /// This text behind a first line `sep=;`, and the delimiter that the line names.
    fn without_sep_line(self) -> (Self, Option<u8>) {
        let Some(rest) = self.text.strip_prefix("sep=").or_else(|| self.text.strip_prefix("SEP=")) else {
            return (self, None);
        };
        let mut bytes = rest.bytes();
        let (Some(sign), Some(b'\n' | b'\r') | None) = (bytes.next(), bytes.next()) else { return (self, None) };
        if self.options.skip_rows.is_some() || sign.is_ascii_alphanumeric() {
            return (self, None);
        }
        let end = rest.find('\n').or_else(|| rest.find('\r')).map_or(rest.len(), |end| end + 1);
        (Self { text: &rest[end..], ..self }, Some(sign))
    }

    fn candidates(&self, marked: Option<u8>) -> Vec<Tried> {
        if let Some(delimiter) = self.options.delimiter.or(marked) {
            return self.tried(delimiter).into_iter().collect();
        }
        let occurs = |delimiter: &u8| memchr::memchr(*delimiter, self.text.as_bytes()).is_some();
        let mut tried: Vec<Tried> = COMMON
            .iter()
            .filter(|delimiter| occurs(delimiter))
            .filter_map(|delimiter| self.tried(*delimiter))
            .collect();
        // A first record that is shorter than the others is uneven, and not a reason for one column.
        tried.retain(|tried| {
            tried.shape.width > 1 || most_frequent(tried.records.widths()).is_some_and(|width| width > 1)
        });
        let others: Vec<u8> = tried.iter().filter(|tried| tried.is_even()).map(|tried| tried.signs.delimiter).collect();
        for one in &mut tried {
            let others: Vec<u8> = others.iter().copied().filter(|other| *other != one.signs.delimiter).collect();
            one.holds_others = self.holds(one, &others);
        }
        if tried.iter().all(|tried| tried.evenness() < 500) {
            let rare = RARE.iter().filter(|delimiter| occurs(delimiter)).filter_map(|delimiter| self.tried(*delimiter));
            let rare: Vec<Tried> = rare.filter(|tried| self.is_clear(tried)).collect();
            // A rare one that is clear comes before common ones that are not.
            if !rare.is_empty() {
                tried = rare;
            }
        }
        tried
    }

    /// The records under `delimiter`, with the way of quoting that suits them best; `None` without any record.
    fn tried(&self, delimiter: u8) -> Option<Tried> {
        let plain = Signs { delimiter, quote: Some(b'"'), escape: None, comment: None };
        let quote = self.options.quote.unwrap_or(plain.quote);
        let escape = self.options.escape.unwrap_or(None);
        let comment = self.options.comment.unwrap_or(None);
        let mut best = self.read(Signs { quote, escape, comment, ..plain })?;
        if self.options.quote.is_none() && best.records.quoted == 0 {
            let single = self.read(Signs { quote: Some(b'\''), ..best.signs })?;
            if self.is_quoted_by(&single, &best) {
                best = single;
            }
        }
        let has_backslash = best.signs.quote.is_some() && memchr::memchr(b'\\', self.text.as_bytes()).is_some();
        if self.options.escape.is_none() && has_backslash {
            let escaped = self.read(Signs { escape: Some(b'\\'), ..best.signs })?;
            if escaped.faults() < best.faults() {
                best = escaped;
            }
        }
        if self.options.comment.is_none() && self.has_comments(&best) {
            best = self.read(Signs { comment: Some(b'#'), ..best.signs }).unwrap_or(best);
        }
        Some(best)
    }

    fn read(&self, signs: Signs) -> Option<Tried> {
        let text = self.skipped();
        let records = Records::of(text, self.partial, signs, RECORDS_MAX);
        if records.len() == 0 {
            return None;
        }
        let shape = self.shape(&records);
        let typed = self.typed(&records, shape);
        Some(Tried { signs, records, shape, typed, holds_others: false })
    }

    /// The text behind the lines that the caller says to skip.
    fn skipped(&self) -> &'a str {
        let lines = self.options.skip_rows.unwrap_or(0);
        let mut rest = self.text;
        for _ in 0..lines {
            rest = match rest.find(['\n', '\r']) {
                Some(end) if rest[end..].starts_with("\r\n") => &rest[end + 2..],
                Some(end) => &rest[end + 1..],
                None => "",
            };
        }
        rest
    }

    /// Whether single quotes are quotes here and not apostrophes: they are well formed, and they hold delimiters or stand
    /// around every value of a column.
    fn is_quoted_by(&self, single: &Tried, plain: &Tried) -> bool {
        let well_formed = single.records.quoted > 0 && single.records.malformed == 0;
        if !well_formed || single.shape.uneven > plain.shape.uneven {
            return false;
        }
        let text = self.skipped();
        let rows = single.shape.start + 1..single.records.len();
        let whole_column = (0..single.shape.width).any(|column| {
            rows.len() > 1
                && rows.clone().all(|row| single.records.value(text, row, column).is_some_and(|value| value.quoted))
        });
        single.shape.uneven < plain.shape.uneven || single.shape.width != plain.shape.width || whole_column
    }

    /// Whether lines that begin with `#` are comments: they have a blank behind the sign, nothing, or another number of
    /// fields than the table.
    fn has_comments(&self, tried: &Tried) -> bool {
        let (text, records) = (self.skipped(), &tried.records);
        let hashed = |record: &usize| records.raw(text, *record).starts_with('#');
        let widths = (0..records.len()).filter(|record| !hashed(record)).map(|record| records.width(record));
        let Some(width) = most_frequent(widths) else { return false };
        let mut lines = (0..records.len()).filter(hashed).peekable();
        lines.peek().is_some()
            && lines.all(|record| {
                let raw = records.raw(text, record);
                raw.len() == 1 || raw.starts_with("# ") || raw.starts_with("##") || records.width(record) != width
            })
    }

    fn shape(&self, records: &Records) -> Shape {
        let start = self.start(records);
        let width = records.width(start);
        let uneven = records.widths().skip(start).filter(|own| *own != width).count();
        Shape { start, width, records: records.len() - start, uneven }
    }

    /// The first record of the table: the first of all, unless titles stand before a table that is even.
    fn start(&self, records: &Records) -> usize {
        let Some(width) = most_frequent(records.widths()) else { return 0 };
        let first = records.widths().position(|own| own == width).unwrap_or(0);
        let even = records.widths().skip(first).filter(|own| *own == width).count();
        let is_table = width > 1 && even > 1 && even * 10 >= (records.len() - first) * 9;
        if first == 0 || first > PREAMBLE_MAX || self.options.skip_rows.is_some() || !is_table {
            return 0;
        }
        let gap = records.line(first) > records.line(first - 1) + 1;
        let titles = (0..first).all(|record| self.is_title(records, record, width, gap));
        let shape = Shape { start: first, width, records: records.len() - first, uneven: 0 };
        if titles && (gap || self.options.header == Some(false) || self.verdict(records, shape) != Verdict::Values) {
            first
        } else {
            0
        }
    }

    /// Whether a short record is a line of words: one that holds a blank or a colon, or any before an empty line.
    fn is_title(&self, records: &Records, record: usize, width: usize, gap: bool) -> bool {
        let raw = records.raw(self.skipped(), record).trim();
        let words = raw.contains([' ', ':']) && Look::of(raw) == Look::Text;
        records.width(record) < width && (gap || (words && records.width(record) == 1))
    }

    fn verdict(&self, records: &Records, shape: Shape) -> Verdict {
        if self.partial && shape.records == 1 {
            // What stands below it is not known.
            return Verdict::NamesByDefault;
        }
        header::verdict(&self.columns(records, shape))
    }

    fn columns(&self, records: &Records, shape: Shape) -> Vec<Column<'a>> {
        let text = self.skipped();
        let first = records.values(text, shape.start).map(|value| Column { first: value.text, rest: Vec::new() });
        let mut columns: Vec<Column<'a>> = first.collect();
        for record in shape.start + 1..records.len() {
            if records.width(record) == shape.width {
                for (column, value) in columns.iter_mut().zip(records.values(text, record)) {
                    column.rest.push(value.text);
                }
            }
        }
        columns
    }

    /// The share of columns whose values are all numbers, times, booleans or vectors.
    fn typed(&self, records: &Records, shape: Shape) -> usize {
        let columns = self.columns(records, shape);
        let typed = columns.iter().filter(|column| {
            let mut values =
                column.rest.iter().map(|value| Look::of(value)).filter(|look| *look != Look::Null).peekable();
            match values.peek() {
                Some(_) => values.all(Look::is_typed),
                None => column.rest.is_empty() && Look::of(column.first).is_typed(),
            }
        });
        typed.count() * 100 / columns.len().max(1)
    }

    /// Whether unquoted fields hold one of `others` without a reason.
    fn holds(&self, tried: &Tried, others: &[u8]) -> bool {
        let text = self.skipped();
        (tried.shape.start..tried.records.len()).any(|record| {
            tried.records.values(text, record).any(|value| {
                !value.quoted
                    && others
                        .iter()
                        .any(|other| value.text.as_bytes().contains(other) && !is_explained(value.text, *other))
            })
        })
    }

    /// Whether a rare delimiter is one beyond doubt: every record has it, and as a single column the text would be nothing
    /// but words.
    fn is_clear(&self, tried: &Tried) -> bool {
        let text = self.skipped();
        let prose = matches!(tried.signs.delimiter, b' ' | b':');
        let whole_is_typed = (tried.shape.start + 1..tried.records.len())
            .all(|record| Look::of(tried.records.raw(text, record)).is_typed());
        let even = tried.is_even() && tried.shape.width > 1 && tried.shape.records > 2;
        even && !whole_is_typed
            && (!prose || (tried.typed > 0 && self.verdict(&tried.records, tried.shape) != Verdict::NamesByDefault))
    }

    /// Refuses two delimiters that fit equally well and give different tables.
    fn check_ambiguity(&self, tried: &[Tried]) -> Result<()> {
        let [best, second, ..] = tried else { return Ok(()) };
        let key = |tried: &Tried| (tried.is_rare(), tried.is_even(), tried.holds_others);
        let close = best.typed.abs_diff(second.typed) <= 15;
        if !best.is_even() || key(best) != key(second) || !close {
            return Ok(());
        }
        let (one, two) = (shown(best.signs.delimiter), shown(second.signs.delimiter));
        Err(Error::new(ErrorCode::Ambiguous, format!("the delimiter can be {one} or {two}")).with_hint(format!(
            "say delimiter={one} for {} columns, or delimiter={two} for {}",
            best.shape.width, second.shape.width
        )))
    }

    fn sniffed(&self, best: &Tried, tried: &[Tried], marked: Option<u8>) -> Result<Sniffed> {
        let verdict = self.verdict(&best.records, best.shape);
        let header = match (self.options.header, verdict) {
            (Some(given), _) => given,
            (None, Verdict::Names | Verdict::NamesByDefault) => true,
            (None, Verdict::Values) => false,
            (None, Verdict::Unclear) => {
                let message = "the first record can be the names of the columns or values";
                return Err(Error::new(ErrorCode::Ambiguous, message).with_hint("say header=true or header=false"));
            }
        };
        let columns = self.columns(&best.records, best.shape);
        let names = names(&columns, header);
        let numbers = numbers::numbers(&looks(&columns, &names, header), self.options);
        let dialect = Dialect {
            delimiter: best.signs.delimiter,
            quote: best.signs.quote,
            escape: best.signs.escape,
            comment: best.signs.comment,
            header,
            skip_rows: self.skip_rows(best, marked),
            decimal: numbers.decimal,
            thousands: numbers.thousands,
            date_order: self.options.date_order,
        };
        let mut warnings = Vec::new();
        if best.shape.start > 0 {
            let title = best.records.raw(self.skipped(), 0).trim();
            warnings.push(format!("the lines before the table are left out: {:?}, …", excerpt(title)));
        }
        let mut doubts = warnings.clone();
        doubts.extend(numbers.warning.clone());
        if best.shape.uneven > 0 {
            let (uneven, all) = (best.shape.uneven, best.shape.records);
            warnings
                .push(format!("{uneven} of {all} records do not have the {} fields of the first", best.shape.width));
        }
        if self.options.header.is_none() && verdict == Verdict::NamesByDefault && best.shape.records > 1 {
            warnings.push("the first record is taken for the header, since nothing speaks against it".to_owned());
        }
        warnings.extend(numbers.warning);
        let candidates = tried.iter().map(Tried::candidate).collect();
        Ok(Sniffed { dialect, score: best.score(), warnings, doubts, names, candidates })
    }

    /// The lines before the first record of the table, where they are not empty or comments.
    fn skip_rows(&self, best: &Tried, marked: Option<u8>) -> u64 {
        if let Some(given) = self.options.skip_rows {
            return given;
        }
        let titles = if best.shape.start == 0 { 0 } else { best.records.line(best.shape.start - 1) + 1 };
        titles as u64 + u64::from(marked.is_some())
    }

    /// A text without a delimiter: one column.
    fn nothing(&self, marked: Option<u8>) -> Result<Sniffed> {
        let delimiter = self.options.delimiter.or(marked).unwrap_or(b',');
        match self.tried(delimiter) {
            Some(tried) => {
                let mut sniffed = self.sniffed(&tried, std::slice::from_ref(&tried), marked)?;
                sniffed.score = sniffed.score.min(70);
                Ok(sniffed)
            }
            None => {
                let dialect = Dialect {
                    delimiter,
                    quote: self.options.quote.unwrap_or(Some(b'"')),
                    escape: self.options.escape.unwrap_or(None),
                    comment: self.options.comment.unwrap_or(None),
                    header: self.options.header.unwrap_or(true),
                    skip_rows: self.options.skip_rows.unwrap_or(u64::from(marked.is_some())),
                    decimal: self.options.decimal.unwrap_or(b'.'),
                    thousands: self.options.thousands.unwrap_or(None),
                    date_order: self.options.date_order,
                };
                Ok(Sniffed {
                    dialect,
                    score: 0,
                    warnings: Vec::new(),
                    doubts: Vec::new(),
                    names: Vec::new(),
                    candidates: Vec::new(),
                })
            }
        }
    }
}

impl Tried {
    fn faults(&self) -> usize {
        self.records.malformed + self.shape.uneven
    }
}

/// The most frequent number; of two that are equally frequent, the larger.
fn most_frequent(numbers: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counts = std::collections::BTreeMap::new();
    numbers.for_each(|number| *counts.entry(number).or_insert(0_usize) += 1);
    counts.into_iter().max_by_key(|(number, count)| (*count, *number)).map(|(number, _)| number)
}

/// Whether `text` holds `delimiter` as texts and numbers do.
fn is_explained(text: &str, delimiter: u8) -> bool {
    let text = text.trim();
    if delimiter == b',' && Look::of(text).is_number() {
        return true;
    }
    let bracketed = [('[', ']'), ('{', '}'), ('(', ')')];
    if bracketed.iter().any(|(open, close)| text.starts_with(*open) && text.ends_with(*close)) {
        return true;
    }
    let mut places = memchr::memchr_iter(delimiter, text.as_bytes());
    matches!(delimiter, b',' | b';') && places.all(|place| text.as_bytes().get(place + 1) == Some(&b' '))
}

fn names(columns: &[Column<'_>], header: bool) -> Vec<String> {
    let name = |(index, column): (usize, &Column<'_>)| match header {
        true => column.first.replace("\"\"", "\""),
        false => format!("c{index}"),
    };
    columns.iter().enumerate().map(name).collect()
}

fn looks(columns: &[Column<'_>], names: &[String], header: bool) -> Vec<(String, Vec<Look>)> {
    let values = |column: &Column<'_>| {
        let first = (!header).then_some(column.first);
        first.into_iter().chain(column.rest.iter().copied()).map(Look::of).collect()
    };
    columns.iter().zip(names).map(|(column, name)| (name.clone(), values(column))).collect()
}

fn excerpt(text: &str) -> &str {
    const SHOWN_BYTES: usize = 40;
    &text[..text.floor_char_boundary(SHOWN_BYTES)]
}

/// A delimiter, as it is written in an option.
pub(crate) fn shown(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "'\\t'".to_owned(),
        b' '..=b'~' => format!("'{}'", char::from(delimiter)),
        other => format!("the byte {other}"),
    }
}

#[cfg(test)]
mod tests;
