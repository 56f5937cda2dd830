//! The cells of an xlsx sheet, read as they come.
//!
//! The text of a number is looked at before it becomes a float: only here can it be seen that an integer has more digits
//! than a float keeps. For the same reason a formula without a value is known from an empty cell.

use std::io::Read;

use velaria_contract::{Error, ErrorCode, Result};

use super::cell::{self, Grid, Kind};
use super::iso;
use super::number_format::Class;
use super::reference::{Area, COLUMNS_MAX, ROWS_MAX, cell_name, parse_cell, parse_row};
use super::serial::{Epoch, Moment, moment};
use super::workbook::{TextParts, decode_escapes, push_text};
use super::xml::{Attributes, Event, XmlReader};

/// The shortest row with a cell, in bytes: a claim of more rows than fit is not believed.
const ROW_BYTES_MIN: u64 = 30;

/// What the cells of a sheet mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meaning<'a> {
    pub(super) classes: &'a [Class],
    pub(super) epoch: Epoch,
}

/// Reads a sheet to its end: cells into `grid`, and the merged areas.
pub(super) fn read_sheet<R: Read>(
    xml: &mut XmlReader<R>,
    bytes: u64,
    meaning: Meaning<'_>,
    grid: &mut Grid,
) -> Result<Vec<Area>> {
    let mut cells = Cells { meaning, grid, row: 0, column: 0, current: Current::default() };
    let (mut merged, mut worksheet) = (Vec::new(), false);
    loop {
        match xml.next()? {
            Event::Open { name: b"c", attributes, empty } => {
                cells.open(attributes)?;
                if empty {
                    cells.close()?;
                }
            }
            Event::Open { name: b"v", empty, .. } => cells.current.inside = !empty,
            Event::Close(b"v") => cells.current.inside = false,
            Event::Text(text) if cells.current.inside => push_text(&mut cells.current.text, text),
            Event::Raw(text) if cells.current.inside => cells.current.text.extend_from_slice(text),
            Event::Close(b"c") => cells.close()?,
            Event::Open { name: b"row", attributes, empty } => {
                cells.open_row(attributes)?;
                if empty {
                    cells.row += 1;
                }
            }
            Event::Close(b"row") => cells.row += 1,
            Event::Open { name: b"f", .. } => cells.current.formula = true,
            Event::Open { name: b"is", empty, .. } => cells.current.open_inline(!empty),
            Event::Close(b"is") => cells.current.close_inline(),
            Event::Open { name: b"dimension", attributes, .. } => cells.expect(attributes, bytes),
            Event::Open { name: b"mergeCell", attributes, .. } => {
                merged.extend(attributes.text(b"ref").and_then(|text| Area::parse(&text)));
            }
            Event::Open { name: b"worksheet", .. } => worksheet = true,
            Event::End if worksheet => return Ok(merged),
            Event::End => return Err(xml.malformed("is not a worksheet")),
            event => cells.current.inline_event(&event),
        }
    }
}

struct Cells<'a> {
    meaning: Meaning<'a>,
    grid: &'a mut Grid,
    /// The place of the next cell that does not say its own.
    row: u32,
    column: u32,
    current: Current,
}

/// The cell that is being read.
#[derive(Default)]
struct Current {
    column: u32,
    class: Class,
    encoding: Encoding,
    formula: bool,
    /// Whether text belongs to the value.
    inside: bool,
    text: Vec<u8>,
    inline: bool,
    parts: TextParts,
}

/// How the value of a cell is written.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Encoding {
    #[default]
    Number,
    Shared,
    Text,
    Inline,
    Bool,
    Error,
    Iso,
}

impl Current {
    fn open_inline(&mut self, open: bool) {
        self.inline = open;
        self.parts.clear();
    }

    fn close_inline(&mut self) {
        self.inline = false;
        if let Some(text) = self.parts.finish() {
            self.text.clear();
            self.text.extend_from_slice(text.as_bytes());
        } else {
            // No UTF-8, which is found when the cell ends.
            self.text = vec![0xFF];
        }
    }

    fn inline_event(&mut self, event: &Event<'_>) {
        if self.inline {
            self.parts.event(event);
        }
    }
}

impl Cells<'_> {
    fn expect(&mut self, attributes: Attributes<'_>, bytes: u64) {
        if let Some(area) = attributes.text(b"ref").and_then(|text| Area::parse(&text)) {
            let rows = u64::from(area.last_row).saturating_add(1).min(bytes / ROW_BYTES_MIN);
            self.grid.expect_rows(usize::try_from(rows).unwrap_or(0));
        }
    }

    fn open_row(&mut self, attributes: Attributes<'_>) -> Result<()> {
        if let Some(number) = attributes.value(b"r") {
            self.row = parse_row(number)
                .ok_or_else(|| malformed(format!("no row has the number {:?}", String::from_utf8_lossy(number))))?;
        }
        self.column = 0;
        Ok(())
    }

    fn open(&mut self, attributes: Attributes<'_>) -> Result<()> {
        let current = &mut self.current;
        current.text.clear();
        (current.class, current.encoding, current.formula, current.inside) =
            (Class::Number, Encoding::Number, false, false);
        for (name, value) in attributes {
            match name {
                b"r" => {
                    (self.row, self.column) = parse_cell(value).ok_or_else(|| {
                        malformed(format!("no cell has the name {:?}", String::from_utf8_lossy(value)))
                    })?;
                }
                b"s" => current.class = class(self.meaning.classes, value),
                b"t" => {
                    current.encoding = encoding(value).ok_or_else(|| {
                        malformed(format!("no cell has the type {:?}", String::from_utf8_lossy(value)))
                    })?;
                }
                _ => {}
            }
        }
        current.column = self.column;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let (row, column) = (self.row, self.current.column);
        if row >= ROWS_MAX || column >= COLUMNS_MAX {
            return Err(malformed("has more rows or columns than a sheet can have".to_owned()));
        }
        self.column = column + 1;
        if !self.grid.area.contains(row, column) {
            return Ok(());
        }
        match self.value(row, column)? {
            (Kind::Blank, _) => Ok(()),
            value => self.grid.put(row, column, value),
        }
    }

    fn value(&mut self, row: u32, column: u32) -> Result<(Kind, i64)> {
        let Current { encoding, formula, text, class, .. } = &self.current;
        if text.is_empty() {
            let kind = match encoding {
                Encoding::Text | Encoding::Inline => Kind::Empty,
                _ if *formula => Kind::NoValue,
                _ => Kind::Blank,
            };
            return Ok((kind, 0));
        }
        let wrong = |what: &str| malformed(format!("cell {} {what}", cell_name(row, column)));
        match encoding {
            Encoding::Shared => {
                let number = digits(text).filter(|number| (*number as usize) < self.grid.texts.shared_len());
                match number.map(|number| number.cast_signed()) {
                    Some(number) if self.grid.texts.view(number) == 0 => Ok((Kind::Empty, 0)),
                    Some(number) => Ok((Kind::Text, number)),
                    None => Err(wrong("refers to a text that is not there")),
                }
            }
            Encoding::Bool => match text.trim_ascii() {
                b"1" | b"true" | b"TRUE" => Ok((Kind::Bool, 1)),
                b"0" | b"false" | b"FALSE" => Ok((Kind::Bool, 0)),
                _ => Err(wrong("is a truth value that is neither 0 nor 1")),
            },
            Encoding::Number => {
                let text = std::str::from_utf8(text).map_err(|_| wrong("is not valid UTF-8"))?;
                numeric(text.trim(), *class, self.meaning.epoch, self.grid)
            }
            Encoding::Text | Encoding::Inline | Encoding::Error | Encoding::Iso => {
                let text = std::str::from_utf8(text).map_err(|_| wrong("is not valid UTF-8"))?;
                match encoding {
                    Encoding::Iso => iso_value(text, self.grid),
                    Encoding::Error => Ok((Kind::Error, self.grid.texts.push(text)?)),
                    Encoding::Inline => Ok((Kind::Text, self.grid.texts.push(text)?)),
                    _ => Ok((Kind::Text, self.grid.texts.push(&decode_escapes(text))?)),
                }
            }
        }
    }
}

/// A date or time as ISO 8601 writes it, and otherwise the text.
pub(super) fn iso_value(text: &str, grid: &mut Grid) -> Result<(Kind, i64)> {
    match iso::parse(text) {
        Some(value) => Ok(value),
        None => Ok((Kind::Text, grid.texts.push(text)?)),
    }
}

/// The cell of a number as it is written.
fn numeric(text: &str, class: Class, epoch: Epoch, grid: &mut Grid) -> Result<(Kind, i64)> {
    if class == Class::Number
        && let Some(small) = small_integer(text.as_bytes())
    {
        return Ok((Kind::Int, small));
    }
    let whole = text.strip_prefix('-').unwrap_or(text);
    if class == Class::Number && !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<i64>() {
            Ok(0) if text != whole => Ok(cell::number(-0.0)),
            Ok(value) if value.unsigned_abs() < 1 << 53 => Ok((Kind::Int, value)),
            _ => Ok((Kind::BigInt, grid.texts.push(text)?)),
        };
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => float(value, class, epoch, grid),
        _ => Ok((Kind::Text, grid.texts.push(text)?)),
    }
}

/// The cell of a number in a format of `class`.
pub(super) fn float(value: f64, class: Class, epoch: Epoch, grid: &mut Grid) -> Result<(Kind, i64)> {
    match moment(value, class, epoch) {
        Moment::Known(kind, value) => Ok((kind, value)),
        Moment::None => Ok(cell::number(value)),
        Moment::LeapDay1900(time) => {
            let mut text = "1900-02-29".to_owned();
            if time > 0 {
                text.push(' ');
                // Writing to text cannot fail.
                let _ = cell::show_time(time, &mut text);
            }
            Ok((Kind::Text, grid.texts.push(&text)?))
        }
    }
}

/// A whole number of at most 15 digits, which is most numbers.
fn small_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        value = value * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    // Minus zero is a float.
    if negative && value == 0 { None } else { Some(if negative { -value } else { value }) }
}

fn digits(text: &[u8]) -> Option<u64> {
    small_integer(text.trim_ascii()).and_then(|value| u64::try_from(value).ok())
}

fn class(classes: &[Class], style: &[u8]) -> Class {
    digits(style).and_then(|style| classes.get(usize::try_from(style).ok()?)).copied().unwrap_or_default()
}

fn encoding(text: &[u8]) -> Option<Encoding> {
    match text {
        b"n" => Some(Encoding::Number),
        b"s" => Some(Encoding::Shared),
        b"str" => Some(Encoding::Text),
        b"inlineStr" => Some(Encoding::Inline),
        b"b" => Some(Encoding::Bool),
        b"e" => Some(Encoding::Error),
        b"d" => Some(Encoding::Iso),
        _ => None,
    }
}

fn malformed(what: String) -> Error {
    Error::new(ErrorCode::MalformedFile, what)
}
