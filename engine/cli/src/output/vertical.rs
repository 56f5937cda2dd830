//! One line for each value: for rows that are wider than the screen.

use std::fmt::Write;

use velaria::Result;

use super::cells::{each_row, visible};
use crate::command::Table;

/// Every row as lines of `name: value`, after a line with its number.
pub(super) fn to_vertical(table: &Table, null: &str) -> Result<String> {
    let names: Vec<String> = table.schema.fields().iter().map(|field| visible(field.name()).into_owned()).collect();
    let mut text = String::new();
    let mut number = 0_u64;
    each_row(table, usize::MAX, null, |cells| {
        number += 1;
        // Writing into text does not fail.
        let _ = writeln!(text, "-- row {number}");
        for (name, cell) in names.iter().zip(cells) {
            let _ = writeln!(text, "{name}: {}", cell.text);
        }
        Ok(())
    })?;
    Ok(text)
}
