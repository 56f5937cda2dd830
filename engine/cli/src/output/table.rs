//! Tables for people: box drawing on a terminal, Markdown in documents.

use arrow::array::RecordBatch;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table as TextTable, presets};
use velaria::rows::formatter;
use velaria::{Error, ErrorCode, Result};

use crate::command::Table;

/// The first `rows_max` rows in a box, and how many there are.
pub(crate) fn to_text(table: &Table, rows_max: usize) -> Result<String> {
    let mut text = TextTable::new();
    text.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    fill(&mut text, table, rows_max, |cell| cell)?;
    let total: usize = table.batches.iter().map(RecordBatch::num_rows).sum();
    let shown = total.min(rows_max);
    let noun = if total == 1 { "row" } else { "rows" };
    let note = if shown < total { format!("{total} {noun} ({shown} shown)") } else { format!("{total} {noun}") };
    Ok(format!("{text}\n{note}\n"))
}

/// Every row in a Markdown table.
pub(crate) fn to_markdown(table: &Table) -> Result<String> {
    let mut text = TextTable::new();
    text.load_preset(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    let escape = |cell: String| cell.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "<br>");
    fill(&mut text, table, usize::MAX, escape)?;
    Ok(format!("{text}\n"))
}

fn fill(text: &mut TextTable, table: &Table, rows_max: usize, escape: impl Fn(String) -> String) -> Result<()> {
    let fields = table.schema.fields();
    text.set_header(fields.iter().map(|field| escape(field.name().clone())));
    let alignment = |index: usize| match fields.get(index) {
        Some(field) if field.data_type().is_numeric() => CellAlignment::Right,
        _ => CellAlignment::Left,
    };
    let mut room = rows_max;
    for batch in &table.batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| formatter(column))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unprintable)?;
        for row in 0..batch.num_rows().min(room) {
            let cells = columns.iter().enumerate().map(|(index, column)| {
                Ok(Cell::new(escape(column.value(row).try_to_string().map_err(unprintable)?))
                    .set_alignment(alignment(index)))
            });
            text.add_row(cells.collect::<Result<Vec<_>>>()?);
        }
        room = room.saturating_sub(batch.num_rows());
    }
    Ok(())
}

fn unprintable(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorCode::InvalidValue, format!("cannot print a value: {error}"))
}
