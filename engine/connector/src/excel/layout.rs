//! Where the table is in a sheet: its header, its first row, its columns and their names.

use std::collections::BTreeSet;

use velaria_contract::{Error, ErrorCode, Result};

use super::cell::{Grid, Kind};
use super::options::{Duplicates, ExcelOptions, Header};
use super::reference::cell_name;

/// So many rows are looked at to find the header.
const LOOKED_AT_ROWS: usize = 100;
/// A title of more lines is a table.
const TITLE_ROWS_MAX: usize = 10;

/// The table in a grid. Rows count from the first of the area.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The places of the columns in the grid, and their names.
    pub(super) columns: Vec<(usize, String)>,
    pub(super) first_row: usize,
    pub(super) warnings: Vec<String>,
}

/// Finds the table. `fixed` is whether the area begins with its header, because a range or a table was named.
pub(super) fn find(grid: &Grid, options: &ExcelOptions, header: Header, fixed: bool) -> Result<Layout> {
    let mut warnings = Vec::new();
    let skipped = usize::try_from(options.skip_rows).unwrap_or(usize::MAX).min(grid.rows);
    let header = match header {
        Header::None => None,
        Header::Row(row) => Some(row_of(grid, row)?),
        Header::Found if fixed => Some(skipped),
        Header::Found => Some(header_row(grid, skipped, &mut warnings)),
    };
    let first_row = match header {
        Some(header) => header + 1,
        None if fixed => skipped,
        None => first_filled(grid, skipped),
    };
    let from = header.unwrap_or(first_row);
    let used = |column: &usize| grid.columns[*column].kinds.iter().skip(from).any(|kind| !kind.is_blank());
    let places: Vec<usize> = (0..grid.columns.len()).filter(used).collect();
    let names = match &options.columns {
        Some(names) => given(names, places.len())?,
        None => named(grid, header, &places, options.duplicates, &mut warnings)?,
    };
    Ok(Layout { columns: places.into_iter().zip(names).collect(), first_row, warnings })
}

fn row_of(grid: &Grid, row: u32) -> Result<usize> {
    match row.checked_sub(grid.area.first_row) {
        Some(row) if (row as usize) < grid.rows => Ok(row as usize),
        _ => Err(Error::new(ErrorCode::InvalidArgument, format!("row {} has no header", u64::from(row) + 1))
            .with_hint("it is not among the used rows of the sheet or range")),
    }
}

fn filled(grid: &Grid, row: usize) -> usize {
    grid.columns.iter().filter(|column| !column.get(row).0.is_blank()).count()
}

fn first_filled(grid: &Grid, from: usize) -> usize {
    (from..grid.rows).find(|row| filled(grid, *row) > 0).unwrap_or(from)
}

/// The first row of the table: blank rows are skipped, and a title above the table as well, which is said.
fn header_row(grid: &Grid, skipped: usize, warnings: &mut Vec<String>) -> usize {
    let first = first_filled(grid, skipped);
    let end = grid.rows.min(first + LOOKED_AT_ROWS);
    let counts: Vec<usize> = (first..end).map(|row| filled(grid, row)).collect();
    let mut header = first;
    while let Some(next) = behind_title(grid, header, &counts[header - first..]) {
        header = next;
    }
    if header > first {
        let number = |row: usize| row as u64 + u64::from(grid.area.first_row) + 1;
        warnings.push(format!(
            "rows {} to {} look like a title: the header is taken from row {}; header_row says it otherwise",
            number(first),
            number(header) - 1,
            number(header)
        ));
    }
    header
}

/// The row behind a title that begins at `start`: a few short lines before a blank row, or one lonely cell, and then a
/// wider row of nothing but text.
fn behind_title(grid: &Grid, start: usize, counts: &[usize]) -> Option<usize> {
    let lines = counts.iter().take_while(|count| **count > 0).count();
    let widest = counts[..lines].iter().copied().max()?;
    let blank = counts[lines..].iter().take_while(|count| **count == 0).count();
    let (title, next) = if blank > 0 && lines <= TITLE_ROWS_MAX && counts.get(lines + blank)? > &widest {
        (widest, lines + blank)
    } else if counts[0] == 1 && lines > 1 && counts[1] >= 3 {
        (1, 1)
    } else {
        return None;
    };
    let texts = grid.columns.iter().map(|column| column.get(start + next).0);
    let named = texts.filter(|kind| !kind.is_blank()).all(|kind| kind == Kind::Text);
    (named && counts[next] > title).then_some(start + next)
}

fn given(names: &[String], columns: usize) -> Result<Vec<String>> {
    if names.len() != columns {
        let message = format!("option columns has {} names for {columns} columns", names.len());
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        None => Ok(names.to_vec()),
        Some(name) => Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}"))),
    }
}

fn named(
    grid: &Grid,
    header: Option<usize>,
    places: &[usize],
    duplicates: Duplicates,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>> {
    let shown = |place: &usize| {
        let mut name = String::new();
        if let Some(header) = header {
            grid.show(grid.columns[*place].get(header), &mut name);
        }
        name.trim().to_owned()
    };
    let mut names: Vec<String> = places.iter().map(shown).collect();
    let written: BTreeSet<String> = names.iter().cloned().collect();
    let mut seen = BTreeSet::new();
    let mut blanks = 0;
    for index in 0..names.len() {
        let name = names[index].clone();
        if name.is_empty() {
            blanks += 1;
            names[index] = free(&format!("column_{}", index + 1), &written, &seen);
        } else if seen.contains(&name) {
            if duplicates == Duplicates::Error {
                return Err(duplicate(grid, header, places[index], &name));
            }
            names[index] = free(&format!("{name}_2"), &written, &seen);
        }
        seen.insert(names[index].clone());
    }
    if blanks > 0 && header.is_some() {
        warnings.push(format!("{blanks} columns have no name in the header and are called column_N"));
    }
    Ok(names)
}

/// `name`, with a larger number behind it when it is taken.
fn free(name: &str, written: &BTreeSet<String>, seen: &BTreeSet<String>) -> String {
    let taken = |name: &str| written.contains(name) || seen.contains(name);
    if !taken(name) {
        return name.to_owned();
    }
    let stem = name.trim_end_matches(|character: char| character.is_ascii_digit());
    (2_u64..).map(|number| format!("{stem}{number}")).find(|name| !taken(name)).unwrap_or_default()
}

fn duplicate(grid: &Grid, header: Option<usize>, place: usize, name: &str) -> Error {
    let row = u32::try_from(header.unwrap_or(0)).unwrap_or(0) + grid.area.first_row;
    let column = u32::try_from(place).unwrap_or(0) + grid.area.first_column;
    Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}"))
        .with_hint(format!("cell {} repeats an earlier name; duplicates=suffix numbers them", cell_name(row, column)))
}
