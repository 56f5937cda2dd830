//! What an xlsx workbook says about its sheets: names, parts, number formats, shared texts, tables.

use velaria_contract::Result;

use super::cell::TextBlock;
use super::number_format::{Class, builtin, classify};
use super::package::{Package, resolve};
use super::reference::Area;
use super::serial::Epoch;
use super::xml::{Event, unescape};

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SheetEntry {
    pub(super) name: String,
    pub(super) hidden: bool,
    /// The part of the archive.
    pub(super) part: String,
}

/// A table of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableEntry {
    pub(super) name: String,
    pub(super) sheet: usize,
    pub(super) area: Area,
    pub(super) header: bool,
    pub(super) totals: bool,
}

/// What was read of a workbook before its sheets.
#[derive(Debug, Default)]
pub(super) struct Workbook {
    pub(super) sheets: Vec<SheetEntry>,
    pub(super) epoch: Epoch,
    /// The class of each cell style.
    pub(super) classes: Vec<Class>,
    strings: Option<String>,
}

/// A relationship of a part.
struct Relation {
    id: String,
    /// The last word of its type.
    kind: String,
    part: String,
}

impl Workbook {
    /// Reads the parts that describe the workbook.
    pub(super) fn read(package: &mut Package) -> Result<Self> {
        let root = relations(package, "")?.into_iter().find(|relation| relation.kind == "officeDocument");
        let part = root.map_or_else(|| "xl/workbook.xml".to_owned(), |relation| relation.part);
        let relations = relations(package, &part)?;
        let of_kind = |kind: &str| relations.iter().find(|own| own.kind == kind).map(|own| own.part.clone());
        let mut book = Self { strings: of_kind("sharedStrings"), ..Self::default() };
        book.read_sheets(package, &part, &relations)?;
        if let Some(styles) = of_kind("styles") {
            book.classes = read_classes(package, &styles)?;
        }
        Ok(book)
    }

    fn read_sheets(&mut self, package: &mut Package, part: &str, relations: &[Relation]) -> Result<()> {
        let mut xml = package.required(part)?;
        loop {
            match xml.next()? {
                Event::Open { name: b"workbookPr", attributes, .. } if attributes.flag(b"date1904") => {
                    self.epoch = Epoch::Year1904;
                }
                Event::Open { name: b"sheet", attributes, .. } => {
                    let id = attributes.text(b"id").unwrap_or_default();
                    let name = attributes.text(b"name").unwrap_or_default();
                    let hidden = attributes.value(b"state").is_some_and(|state| state != b"visible");
                    // Sheets of charts and macros have no cells.
                    if let Some(own) = relations.iter().find(|own| own.id == id && own.kind == "worksheet") {
                        self.sheets.push(SheetEntry { name, hidden, part: own.part.clone() });
                    }
                }
                Event::End => return Ok(()),
                Event::Open { .. } | Event::Close(_) | Event::Text(_) | Event::Raw(_) => {}
            }
        }
    }

    /// The texts that the sheets share. The counts that the part claims are not looked at.
    pub(super) fn shared_texts(&self, package: &mut Package) -> Result<TextBlock> {
        let mut texts = TextBlock::default();
        let part = self.strings.as_deref().unwrap_or("xl/sharedStrings.xml");
        let Some(mut xml) = package.part(part)? else { return Ok(texts) };
        let mut text = TextParts::default();
        loop {
            match xml.next()? {
                Event::Open { name: b"si", empty, .. } => {
                    text.clear();
                    if empty {
                        texts.push_shared("")?;
                    }
                }
                Event::Close(b"si") => match text.finish() {
                    Some(text) => texts.push_shared(&text)?,
                    None => return Err(xml.malformed("holds a text that is not UTF-8")),
                },
                Event::End => return Ok(texts),
                event => text.event(&event),
            }
        }
    }

    /// The tables of all sheets.
    pub(super) fn tables(&self, package: &mut Package) -> Result<Vec<TableEntry>> {
        let mut tables = Vec::new();
        for (sheet, entry) in self.sheets.iter().enumerate() {
            for relation in relations(package, &entry.part)?.iter().filter(|own| own.kind == "table") {
                tables.extend(read_table(package, &relation.part, sheet)?);
            }
        }
        Ok(tables)
    }
}

/// Puts a text together out of its runs, without the reading aids of East Asian scripts.
#[derive(Debug, Default)]
pub(super) struct TextParts {
    bytes: Vec<u8>,
    inside: bool,
    phonetic: bool,
}

impl TextParts {
    /// Begins the next text.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.inside, self.phonetic) = (false, false);
    }

    /// Takes what belongs to the text.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Open { name: b"t", empty, .. } => self.inside = !empty && !self.phonetic,
            Event::Close(b"t") => self.inside = false,
            Event::Open { name: b"rPh", empty, .. } => self.phonetic = !empty,
            Event::Close(b"rPh") => self.phonetic = false,
            Event::Text(text) if self.inside => push_text(&mut self.bytes, text),
            Event::Raw(text) if self.inside => self.bytes.extend_from_slice(text),
            _ => {}
        }
    }

    /// The text; `None` when it is not UTF-8.
    pub(super) fn finish(&self) -> Option<std::borrow::Cow<'_, str>> {
        std::str::from_utf8(&self.bytes).ok().map(decode_escapes)
    }
}

/// Adds text without its entities.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    if memchr::memchr2(b'&', b'\r', text).is_none() {
        out.extend_from_slice(text);
    } else if std::str::from_utf8(text).is_ok() {
        out.extend_from_slice(unescape(text).as_bytes());
    } else {
        // Kept as it is, so that the check of the whole text finds it.
        out.extend_from_slice(text);
    }
}

/// Text without `_x000D_`, which stands for a character that XML cannot hold.
pub(super) fn decode_escapes(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("_x") {
        return text.into();
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        match escape_at(rest) {
            Some(unit) => {
                units.push(unit);
                rest = &rest[7..];
            }
            None => {
                units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    String::from_utf16_lossy(&units).into()
}

fn escape_at(text: &str) -> Option<u16> {
    let hex = text.strip_prefix("_x")?.get(..5)?.strip_suffix('_')?;
    hex.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(hex, 16).ok())?
}

fn relations(package: &mut Package, part: &str) -> Result<Vec<Relation>> {
    let (folder, file) = part.rsplit_once('/').map_or(("", part), |(folder, file)| (folder, file));
    let slash = if folder.is_empty() { "" } else { "/" };
    let name = format!("{folder}{slash}_rels/{file}.rels");
    let Some(mut xml) = package.part(&name)? else { return Ok(Vec::new()) };
    let mut relations = Vec::new();
    loop {
        match xml.next()? {
            Event::Open { name: b"Relationship", attributes, .. } => {
                let kind = attributes.text(b"Type").unwrap_or_default();
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                let target = attributes.text(b"Target").unwrap_or_default();
                let id = attributes.text(b"Id").unwrap_or_default();
                relations.push(Relation { id, kind, part: resolve(part, &target) });
            }
            Event::End => return Ok(relations),
            Event::Open { .. } | Event::Close(_) | Event::Text(_) | Event::Raw(_) => {}
        }
    }
}

fn read_classes(package: &mut Package, part: &str) -> Result<Vec<Class>> {
    let Some(mut xml) = package.part(part)? else { return Ok(Vec::new()) };
    let (mut formats, mut classes, mut inside) = (Vec::new(), Vec::new(), false);
    loop {
        match xml.next()? {
            Event::Open { name: b"numFmt", attributes, .. } => {
                if let (Some(id), Some(code)) = (attributes.number::<u32>(b"numFmtId"), attributes.text(b"formatCode"))
                {
                    formats.push((id, classify(&code)));
                }
            }
            Event::Open { name: b"cellXfs", empty, .. } => inside = !empty,
            Event::Close(b"cellXfs") => inside = false,
            Event::Open { name: b"xf", attributes, .. } if inside => {
                let id = attributes.number::<u32>(b"numFmtId").unwrap_or(0);
                let own = formats.iter().find(|(own, _)| *own == id).map(|(_, class)| *class);
                classes.push(own.unwrap_or_else(|| builtin(id)));
            }
            Event::End => return Ok(classes),
            Event::Open { .. } | Event::Close(_) | Event::Text(_) | Event::Raw(_) => {}
        }
    }
}

fn read_table(package: &mut Package, part: &str, sheet: usize) -> Result<Option<TableEntry>> {
    let mut xml = package.required(part)?;
    loop {
        match xml.next()? {
            Event::Open { name: b"table", attributes, .. } => {
                let name = attributes.text(b"displayName").or_else(|| attributes.text(b"name")).unwrap_or_default();
                let area = attributes.text(b"ref").and_then(|text| Area::parse(&text));
                let header = attributes.number::<u32>(b"headerRowCount") != Some(0);
                let totals = attributes.number::<u32>(b"totalsRowCount").unwrap_or(0) > 0;
                return match area {
                    Some(area) => Ok(Some(TableEntry { name, sheet, area, header, totals })),
                    None => Err(xml.malformed("has no range of cells")),
                };
            }
            Event::End => return Ok(None),
            Event::Open { .. } | Event::Close(_) | Event::Text(_) | Event::Raw(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decode_escapes("a_x000D_\nb"), "a\r\nb");
        assert_eq!(decode_escapes("_x005F_x000D_"), "_x000D_");
        assert_eq!(decode_escapes("_xD83D__xDE00_"), "😀");
        assert_eq!(decode_escapes("snake_xyz _x00 ü_x0G00_"), "snake_xyz _x00 ü_x0G00_");
    }
}
