//! The cells of a table as text for people.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use velaria::rows::formatter;
use velaria::{Error, ErrorCode, Result};

use crate::command::Table;

/// What stands for NULL where nothing else was asked for.
pub(super) const NULL: &str = "NULL";

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) is_null: bool,
}

/// Hands the cells of the first `rows_max` rows to `take`, row by row.
pub(super) fn each_row(
    table: &Table,
    rows_max: usize,
    null: &str,
    mut take: impl FnMut(Vec<Cell>) -> Result<()>,
) -> Result<()> {
    let mut room = rows_max;
    for batch in &table.batches {
        let columns = batch.columns();
        let formatters = columns.iter().map(|column| formatter(column)).collect::<Result<Vec<_>, _>>();
        let formatters = formatters.map_err(unprintable)?;
        for row in 0..batch.num_rows().min(room) {
            let cells = columns.iter().zip(&formatters).map(|(column, formatter)| {
                if is_null(column, row) {
                    return Ok(Cell { text: null.to_owned(), is_null: true });
                }
                let text = formatter.value(row).try_to_string().map_err(unprintable)?;
                Ok(Cell { text: visible(&text).into_owned(), is_null: false })
            });
            take(cells.collect::<Result<_>>()?)?;
        }
        room = room.saturating_sub(batch.num_rows());
    }
    Ok(())
}

fn is_null(column: &ArrayRef, row: usize) -> bool {
    column.data_type() == &DataType::Null || column.is_null(row)
}

/// `text` with a picture in the place of each control character, which a terminal would obey. Tabs and line ends stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let obeyed = |character: char| character.is_control() && !matches!(character, '\t' | '\n');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|character| if obeyed(character) { picture(character) } else { character }).collect())
}

/// The picture that Unicode has for a control character of ASCII; those of Latin-1 have none.
fn picture(control: char) -> char {
    match u32::from(control) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

fn unprintable(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorCode::InvalidValue, format!("cannot print a value: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_shown_and_not_obeyed() {
        assert_eq!(visible("a\u{1b}[31mb\u{7f}\u{9b}\0"), "a\u{241b}[31mb\u{2421}\u{fffd}\u{2400}");
        assert_eq!(visible("a\tb\nc é"), "a\tb\nc é");
    }
}
