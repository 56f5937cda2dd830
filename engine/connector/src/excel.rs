//! Workbooks: xlsx, and through calamine xls, xlsb and ods.
//!
//! A sheet is read once and whole, because the type of a column is that of all its cells; its rows then live in memory.
//! What a file claims about sizes is checked before anything is allocated for it, and a workbook that is damaged is an
//! error with its place.

mod cell;
mod column;
mod content;
mod iso;
mod layout;
mod legacy;
mod number_format;
mod options;
mod package;
mod reference;
mod serial;
mod sheet;
mod workbook;
mod writer;
mod xml;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use velaria_contract::{Error, ErrorCode, Result};

use self::cell::{Grid, Kind, SharedTexts, TextBlock};
use self::content::Content;
use self::layout::Layout;
use self::legacy::Legacy;
pub use self::options::EXCEL_OPTIONS;
use self::options::{ExcelOptions, Header, OnError, SheetChoice, Totals};
use self::package::Package;
use self::reference::Area;
use self::sheet::{Meaning, read_sheet};
use self::workbook::{TableEntry, Workbook};
pub use self::writer::ExcelWriter;
use crate::{FileAccess, LocalFile, MemoryTable, ReadOptions};

/// Rows in one batch of the result.
const BATCH_ROWS: usize = 65_536;

/// The rows of a sheet.
#[derive(Debug, Clone)]
pub struct ExcelSheet {
    /// The name of the sheet.
    pub name: String,
    /// The names and types of the columns. There are none when the sheet is empty.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// What a person should know: values that became NULL or text, rows that were skipped.
    pub warnings: Vec<String>,
}

impl ExcelSheet {
    /// The rows as a table.
    ///
    /// # Errors
    /// `VEL-5006` never for the batches of a sheet.
    pub fn into_table(self) -> Result<MemoryTable> {
        MemoryTable::new(self.schema, self.batches)
    }
}

/// A sheet of a workbook by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcelSheetName {
    /// The name.
    pub name: String,
    /// Whether a spreadsheet program does not show it.
    pub hidden: bool,
}

/// Reads the one sheet that `options` name; `type_of` reads the name of a type.
///
/// # Errors
/// Those of [`read_excel`], and `VEL-7001` when all sheets are asked for.
pub fn open_excel(
    access: &FileAccess,
    path: &str,
    options: &ReadOptions,
    type_of: &dyn Fn(&str) -> Result<DataType>,
) -> Result<ExcelSheet> {
    if options.text("sheet") == Some("*") {
        return Err(Error::new(ErrorCode::InvalidArgument, "a table is one sheet, and not all of them")
            .with_hint("name one with sheet"));
    }
    let mut sheets = read_excel(access, path, options, type_of)?;
    sheets.pop().ok_or_else(|| Error::new(ErrorCode::MalformedFile, format!("{path}: the workbook has no sheet")))
}

/// Reads the sheets that `options` name: one, or all of them for `sheet` `*`.
///
/// # Errors
/// Those of [`LocalFile::open`]; `VEL-5008` when the file is damaged, no workbook, or larger than a limit; `VEL-3001`
/// when it is encrypted; `VEL-7001` for options that cannot be and for a sheet or table that is not there; `VEL-2006` for
/// a name that stands twice in the header; `VEL-5003` for a value that does not have the type given for its column.
pub fn read_excel(
    access: &FileAccess,
    path: &str,
    options: &ReadOptions,
    type_of: &dyn Fn(&str) -> Result<DataType>,
) -> Result<Vec<ExcelSheet>> {
    let options = ExcelOptions::from_options(options, type_of)?;
    let file = LocalFile::open(access, path)?;
    guarded(file.path(), || {
        let mut book = Book::open(&file, options.cells_max)?;
        book.read(file.path(), &options)
    })
}

/// The sheets of a workbook in their order.
///
/// # Errors
/// Those of [`read_excel`] that do not come from cells.
pub fn excel_sheets(access: &FileAccess, path: &str) -> Result<Vec<ExcelSheetName>> {
    let file = LocalFile::open(access, path)?;
    guarded(file.path(), || Ok(Book::open(&file, u64::MAX)?.sheets()))
}

/// A panic of a decoder that is not ours is an error about the file.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::new(ErrorCode::MalformedFile, format!("{}: the workbook is damaged", path.display())))
    })
}

/// An open workbook.
enum Book {
    Xlsx { package: Box<Package>, workbook: Workbook, texts: Option<Arc<SharedTexts>> },
    Legacy(Legacy),
}

/// The part of the workbook that is one table.
struct Wanted {
    sheet: usize,
    area: Area,
    header: Header,
    /// Whether the area begins with the header.
    fixed: bool,
    totals: Totals,
}

impl Book {
    fn open(file: &LocalFile, cells_max: u64) -> Result<Self> {
        let mut content = file.reader()?;
        let path = file.path();
        match content::detect(&mut content, path)? {
            Content::Xlsx(mut package) => {
                let workbook = Workbook::read(&mut package)?;
                Ok(Self::Xlsx { package: Box::new(package), workbook, texts: None })
            }
            Content::Xlsb => Legacy::xlsb(content, path).map(Self::Legacy),
            Content::Ods(mut package) => Legacy::ods(content, path, &mut package, cells_max).map(Self::Legacy),
            Content::Xls => Legacy::xls(content, path).map(Self::Legacy),
        }
    }

    fn sheets(&self) -> Vec<ExcelSheetName> {
        let named = |(name, hidden)| ExcelSheetName { name, hidden };
        match self {
            Self::Xlsx { workbook, .. } => {
                workbook.sheets.iter().map(|sheet| named((sheet.name.clone(), sheet.hidden))).collect()
            }
            Self::Legacy(book) => book.sheets().into_iter().map(named).collect(),
        }
    }

    fn read(&mut self, path: &Path, options: &ExcelOptions) -> Result<Vec<ExcelSheet>> {
        let sheets = self.sheets();
        if let Some(table) = &options.table {
            let table = self.table(path, table)?;
            return Ok(vec![self.read_one(
                path,
                &sheets[table.sheet].name,
                &wanted_table(&table, options),
                options,
            )?]);
        }
        let chosen = choose(path, &sheets, options)?;
        let wanted = |sheet| Wanted {
            sheet,
            area: options.range.unwrap_or(Area::WHOLE),
            header: options.header,
            fixed: options.range.is_some(),
            totals: options.totals.unwrap_or(Totals::Keep),
        };
        chosen.into_iter().map(|sheet| self.read_one(path, &sheets[sheet].name, &wanted(sheet), options)).collect()
    }

    fn table(&mut self, path: &Path, name: &str) -> Result<TableEntry> {
        let Self::Xlsx { package, workbook, .. } = self else {
            return Err(Error::new(ErrorCode::Unsupported, "tables by name are read from xlsx workbooks only")
                .with_hint("name the sheet and the range"));
        };
        let mut tables = workbook.tables(package)?;
        let found = tables.iter().position(|table| table.name.eq_ignore_ascii_case(name));
        found.map(|found| tables.swap_remove(found)).ok_or_else(|| {
            let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            not_found("table", path, name, &names)
        })
    }

    fn read_one(&mut self, path: &Path, name: &str, wanted: &Wanted, options: &ExcelOptions) -> Result<ExcelSheet> {
        let place = |error| in_sheet(error, path, name);
        let (mut grid, merged) = match self {
            Self::Xlsx { package, workbook, texts } => {
                let shared = match texts {
                    Some(shared) => Arc::clone(shared),
                    None => Arc::clone(texts.insert(Arc::new(workbook.shared_texts(package)?.into()))),
                };
                let mut grid = Grid::new(wanted.area, shared, options.cells_max);
                let part = workbook.sheets[wanted.sheet].part.as_str();
                let bytes = package.bytes(part);
                let meaning = Meaning { classes: &workbook.classes, epoch: workbook.epoch };
                let merged = read_sheet(&mut package.required(part)?, bytes, meaning, &mut grid).map_err(place)?;
                (grid, merged)
            }
            Self::Legacy(book) => {
                let mut grid = Grid::new(wanted.area, Arc::new(TextBlock::default().into()), options.cells_max);
                let merged = book.read(path, name, &mut grid).map_err(place)?;
                (grid, merged)
            }
        };
        grid.texts.seal();
        grid.trim();
        let layout = layout::find(&grid, options, wanted.header, wanted.fixed).map_err(place)?;
        if options.fill_merged {
            fill(&mut grid, layout.first_row, &merged, options.cells_max).map_err(place)?;
        }
        finish(grid, name, layout, wanted.totals, options).map_err(place)
    }
}

fn wanted_table(table: &TableEntry, options: &ExcelOptions) -> Wanted {
    let header = if table.header { options.header } else { Header::None };
    let drop = if table.totals { Totals::Drop } else { Totals::Keep };
    Wanted { sheet: table.sheet, area: table.area, header, fixed: true, totals: options.totals.unwrap_or(drop) }
}

/// The places of the sheets that are meant.
fn choose(path: &Path, sheets: &[ExcelSheetName], options: &ExcelOptions) -> Result<Vec<usize>> {
    let shown = |index: &usize| options.hidden || !sheets[*index].hidden;
    let mut visible = (0..sheets.len()).filter(shown);
    let none =
        || Error::new(ErrorCode::MalformedFile, format!("{}: the workbook has no sheet to read", path.display()));
    match &options.sheet {
        SheetChoice::All => Ok(visible.collect()),
        SheetChoice::First => Ok(vec![visible.next().ok_or_else(none)?]),
        SheetChoice::Named(name) => {
            let exact = sheets.iter().position(|sheet| sheet.name == *name);
            let folded = || sheets.iter().position(|sheet| sheet.name.to_lowercase() == name.to_lowercase());
            let index = || name.parse::<usize>().ok().and_then(|index| visible.nth(index));
            let found = exact.or_else(folded).or_else(index);
            found.map(|found| vec![found]).ok_or_else(|| {
                let names: Vec<&str> = sheets.iter().map(|sheet| sheet.name.as_str()).collect();
                not_found("sheet", path, name, &names)
            })
        }
    }
}

fn not_found(what: &str, path: &Path, name: &str, names: &[&str]) -> Error {
    let error = Error::new(ErrorCode::InvalidArgument, format!("{what} not found: {name}"));
    if names.is_empty() {
        return error.with_hint(format!("{} has none", path.display()));
    }
    error.with_hint(format!("{} has: {}", path.display(), names.join(", ")))
}

/// An error about cells, with the file and the sheet.
fn in_sheet(error: Error, path: &Path, name: &str) -> Error {
    let file = path.display().to_string();
    if error.message().contains(&file) || error.code() == ErrorCode::InvalidArgument {
        return error;
    }
    let placed = Error::new(error.code(), format!("{file}: sheet {name}: {}", error.message()));
    match error.hint() {
        Some(hint) => placed.with_hint(hint),
        None => placed,
    }
}

/// Gives every cell of a merged area the value of its first one, below the header.
fn fill(grid: &mut Grid, first_row: usize, merged: &[Area], cells_max: u64) -> Result<()> {
    let mut left = cells_max;
    for area in merged {
        let place = |at: u32, first: u32| at.checked_sub(first).map(|at| at as usize);
        let row = place(area.first_row, grid.area.first_row).filter(|row| *row >= first_row);
        let column = place(area.first_column, grid.area.first_column);
        let (Some(row), Some(column), Some(area)) = (row, column, area.within(&grid.area)) else { continue };
        let Some(value) = grid.columns.get(column).map(|column| column.get(row)) else { continue };
        if value.0.is_blank() {
            continue;
        }
        for row in area.first_row..=area.last_row {
            for column in area.first_column..=area.last_column {
                left = left.checked_sub(1).ok_or_else(|| {
                    Error::new(ErrorCode::MalformedFile, format!("its merged areas have more than {cells_max} cells"))
                })?;
                grid.put(row, column, value)?;
            }
        }
    }
    Ok(())
}

/// The rows of the table as batches.
fn finish(mut grid: Grid, name: &str, layout: Layout, totals: Totals, options: &ExcelOptions) -> Result<ExcelSheet> {
    let Layout { columns, first_row, mut warnings } = layout;
    let dropped = usize::from(totals == Totals::Drop);
    let end = grid.rows.saturating_sub(dropped).max(first_row);
    check_types(&columns, options)?;
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    let (mut errors, mut unvalued) = (0, 0);
    for (place, name) in columns {
        let built = column::build(&mut grid, (place, &name), (first_row, end), options)?;
        errors += built.kinds.count(Kind::Error);
        unvalued += built.kinds.count(Kind::NoValue);
        warnings.extend(built.note);
        fields.push(Field::new(name, built.array.data_type().clone(), true));
        arrays.push(built.array);
    }
    if errors > 0 && options.errors == OnError::Null {
        warnings.push(format!("{errors} cells hold an error such as #N/A and are NULL; errors=text keeps their text"));
    }
    if unvalued > 0 {
        warnings.push(format!(
            "{unvalued} formulas have no computed value and are NULL: save the workbook once in a spreadsheet program"
        ));
    }
    let schema = Arc::new(Schema::new(fields));
    let batches = if arrays.is_empty() { Vec::new() } else { batches(&schema, arrays, end - first_row)? };
    Ok(ExcelSheet { name: name.to_owned(), schema, batches, warnings })
}

fn check_types(columns: &[(usize, String)], options: &ExcelOptions) -> Result<()> {
    let unknown = options.types.iter().find(|(name, _)| !columns.iter().any(|(_, own)| own == name));
    match unknown {
        None => Ok(()),
        Some((name, _)) => {
            let names: Vec<&str> = columns.iter().map(|(_, name)| name.as_str()).collect();
            Err(Error::new(ErrorCode::InvalidArgument, format!("option types names no column of the sheet: {name}"))
                .with_hint(format!("there are: {}", names.join(", "))))
        }
    }
}

fn batches(schema: &SchemaRef, arrays: Vec<arrow::array::ArrayRef>, rows: usize) -> Result<Vec<RecordBatch>> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let whole = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .map_err(|error| Error::new(ErrorCode::Internal, "the columns of a sheet do not fit").with_source(error))?;
    Ok((0..rows).step_by(BATCH_ROWS).map(|row| whole.slice(row, BATCH_ROWS.min(rows - row))).collect())
}

#[cfg(test)]
mod tests;
