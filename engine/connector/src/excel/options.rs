//! How a workbook shall be read.

use arrow::datatypes::DataType;
use chrono::format::{Item, StrftimeItems};
use velaria_contract::{Error, ErrorCode, Result};

use super::reference::{Area, range_option};
use crate::ReadOptions;

/// The names of the options of workbooks.
pub const EXCEL_OPTIONS: [&str; 16] = [
    "sheet",
    "range",
    "table",
    "header",
    "header_row",
    "skip_rows",
    "columns",
    "types",
    "all_text",
    "fill_merged",
    "errors",
    "date_format",
    "hidden",
    "duplicates",
    "totals_row",
    "max_cells",
];

/// A used rectangle of more cells is refused.
const CELLS_MAX: u64 = 50_000_000;

/// What the caller said about a workbook.
#[derive(Debug, Clone)]
pub(super) struct ExcelOptions {
    pub(super) sheet: SheetChoice,
    pub(super) range: Option<Area>,
    pub(super) table: Option<String>,
    pub(super) header: Header,
    pub(super) skip_rows: u64,
    pub(super) columns: Option<Vec<String>>,
    pub(super) types: Vec<(String, DataType)>,
    pub(super) all_text: bool,
    pub(super) fill_merged: bool,
    pub(super) errors: OnError,
    pub(super) date_format: Option<String>,
    pub(super) hidden: bool,
    pub(super) duplicates: Duplicates,
    pub(super) totals: Option<Totals>,
    pub(super) cells_max: u64,
}

/// The sheets that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SheetChoice {
    /// The first one that is not hidden.
    First,
    /// By name, or else by place from 0 on.
    Named(String),
    All,
}

/// Where the names of the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// In the first row of the table, which is looked for.
    Found,
    /// In the row of this number, from 0 on.
    Row(u32),
    /// Nowhere.
    None,
}

/// What an error in a cell becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    Null,
    Text,
    Raise,
}

/// What happens to a name that stands twice in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplicates {
    Error,
    Suffix,
}

/// What happens to the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Totals {
    Keep,
    Drop,
}

impl ExcelOptions {
    /// The options of workbooks among `options`; `type_of` reads the name of a type.
    ///
    /// # Errors
    /// `VEL-7001` for a name that is not one of [`EXCEL_OPTIONS`] and for a value that cannot be.
    pub(super) fn from_options(options: &ReadOptions, type_of: &dyn Fn(&str) -> Result<DataType>) -> Result<Self> {
        options.check("excel", &EXCEL_OPTIONS)?;
        let types = options.map("types")?.unwrap_or_default();
        let parsed = Self {
            sheet: match options.text("sheet") {
                None => SheetChoice::First,
                Some("*") => SheetChoice::All,
                Some(name) => SheetChoice::Named(name.to_owned()),
            },
            range: options.text("range").map(range_option).transpose()?,
            table: options.text("table").map(str::to_owned),
            header: header(options)?,
            skip_rows: options.count("skip_rows")?.unwrap_or_default(),
            columns: options.list("columns")?,
            types: types.into_iter().map(|(name, word)| Ok((name, type_of(&word)?))).collect::<Result<Vec<_>>>()?,
            all_text: options.flag("all_text")?.unwrap_or_default(),
            fill_merged: options.flag("fill_merged")?.unwrap_or_default(),
            errors: options
                .parsed("errors", "null, text or raise", |text| match text {
                    "null" => Some(OnError::Null),
                    "text" => Some(OnError::Text),
                    "raise" => Some(OnError::Raise),
                    _ => None,
                })?
                .unwrap_or(OnError::Null),
            date_format: options.text("date_format").map(str::to_owned),
            hidden: options.flag("hidden")?.unwrap_or_default(),
            duplicates: options
                .parsed("duplicates", "error or suffix", |text| match text {
                    "error" => Some(Duplicates::Error),
                    "suffix" => Some(Duplicates::Suffix),
                    _ => None,
                })?
                .unwrap_or(Duplicates::Error),
            totals: options.parsed("totals_row", "keep or drop", |text| match text {
                "keep" => Some(Totals::Keep),
                "drop" => Some(Totals::Drop),
                _ => None,
            })?,
            cells_max: options.count("max_cells")?.unwrap_or(CELLS_MAX),
        };
        parsed.check()
    }

    fn check(self) -> Result<Self> {
        let invalid = |what: &str| Err(Error::new(ErrorCode::InvalidArgument, what));
        if self.table.is_some() && self.range.is_some() {
            return invalid("table and range exclude each other");
        }
        if self.table.is_some() && self.sheet == SheetChoice::All {
            return invalid("table and all sheets exclude each other");
        }
        if let Some(format) = &self.date_format
            && StrftimeItems::new(format).any(|item| matches!(item, Item::Error))
        {
            return invalid(&format!("option date_format is not a date format: {format:?}"));
        }
        Ok(self)
    }
}

/// `header` is true, false or the number of a row; `header_row` is the number. Rows count from 1, as spreadsheets show them.
fn header(options: &ReadOptions) -> Result<Header> {
    let row = |text: &str| text.trim().parse::<u32>().ok()?.checked_sub(1).map(Header::Row);
    let header =
        options.parsed("header", "true, false or the number of a row", |text| match text.to_lowercase().as_str() {
            "true" | "on" | "yes" => Some(Header::Found),
            "false" | "off" | "no" => Some(Header::None),
            _ => row(text),
        })?;
    let header_row = options.parsed("header_row", "the number of a row from 1 on", row)?;
    match (header, header_row) {
        (Some(Header::None | Header::Row(_)), Some(_)) => {
            Err(Error::new(ErrorCode::InvalidArgument, "header and header_row exclude each other"))
        }
        (_, Some(row)) => Ok(row),
        (header, None) => Ok(header.unwrap_or(Header::Found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ExcelOptions> {
        let options = pairs.iter().fold(ReadOptions::new(), |options, (key, value)| options.with(key, *value));
        ExcelOptions::from_options(&options, &|_| Ok(DataType::Int64))
    }

    #[test]
    fn options_are_read_from_words() {
        let options =
            parse(&[("sheet", "*"), ("header", "3"), ("range", "B4:C9"), ("types", r#"{"a": "INT"}"#)]).unwrap();
        assert_eq!((options.sheet, options.header), (SheetChoice::All, Header::Row(2)));
        assert_eq!(options.types, [("a".to_owned(), DataType::Int64)]);
        assert_eq!(parse(&[("header", "false")]).unwrap().header, Header::None);
        assert_eq!(parse(&[("header_row", "1")]).unwrap().header, Header::Row(0));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for pairs in [
            [("header", "0"), ("sheet", "a")],
            [("header", "false"), ("header_row", "2")],
            [("range", "C9:B4"), ("sheet", "a")],
            [("range", "A1"), ("table", "t")],
            [("table", "t"), ("sheet", "*")],
            [("errors", "ignore"), ("sheet", "a")],
            [("date_format", "%Q"), ("sheet", "a")],
            [("shet", "a"), ("sheet", "a")],
        ] {
            assert_eq!(parse(&pairs).unwrap_err().code(), ErrorCode::InvalidArgument, "{pairs:?}");
        }
    }
}
