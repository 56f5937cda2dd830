//! Tables for people: box drawing on a terminal, Markdown in documents, aligned columns between.

mod narrow;

use arrow::array::RecordBatch;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table as TextTable, presets};
use velaria::Result;

use self::narrow::{Layout, Place};
use super::cells::{each_row, visible};
use crate::command::Table;

/// What stands in the place of what is left out.
const ELISION: &str = "…";

/// The number of characters in a line of the terminal.
pub(crate) fn terminal_width() -> Option<u16> {
    TextTable::new().width()
}

/// The first `rows_max` rows in a box of at most `width_max` characters, and how many there are.
pub(super) fn to_box(table: &Table, rows_max: usize, width_max: Option<usize>, null: &str) -> Result<String> {
    let columns = table.schema.fields().len();
    let whole = boxed(table, rows_max, null, &Layout::whole(columns))?;
    let layout = width_max.and_then(|width| Layout::fitting(&whole.column_max_content_widths(), width));
    let (text, shown_columns) = match layout {
        Some(layout) => (boxed(table, rows_max, null, &layout)?, layout.shown()),
        None => (whole, columns),
    };
    let total: usize = table.batches.iter().map(RecordBatch::num_rows).sum();
    let rows = counted(total, total.min(rows_max), if total == 1 { "row" } else { "rows" });
    let note =
        if shown_columns < columns { format!("{rows}, {}", counted(columns, shown_columns, "columns")) } else { rows };
    Ok(format!("{text}\n{note}\n"))
}

fn counted(total: usize, shown: usize, noun: &str) -> String {
    if shown < total { format!("{total} {noun} ({shown} shown)") } else { format!("{total} {noun}") }
}

fn boxed(table: &Table, rows_max: usize, null: &str, layout: &Layout) -> Result<TextTable> {
    let mut text = plain(presets::UTF8_FULL_CONDENSED);
    fill(&mut text, table, rows_max, null, layout, |cell| cell)?;
    layout.constrain(&mut text);
    Ok(text)
}

/// Every row on a line, its columns one below the other.
pub(super) fn to_text(table: &Table, null: &str) -> Result<String> {
    let mut text = plain(presets::NOTHING);
    let escape = |cell: String| cell.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    fill(&mut text, table, usize::MAX, null, &Layout::whole(table.schema.fields().len()), escape)?;
    text.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    Ok(format!("{}\n", text.trim_fmt()))
}

/// Every row in a Markdown table.
pub(super) fn to_markdown(table: &Table, null: &str) -> Result<String> {
    let mut text = plain(presets::ASCII_MARKDOWN);
    let escape = |cell: String| cell.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "<br>");
    fill(&mut text, table, usize::MAX, null, &Layout::whole(table.schema.fields().len()), escape)?;
    Ok(format!("{text}\n"))
}

fn plain(preset: &str) -> TextTable {
    let mut text = TextTable::new();
    text.load_preset(preset).set_content_arrangement(ContentArrangement::Disabled);
    text
}

fn fill(
    text: &mut TextTable,
    table: &Table,
    rows_max: usize,
    null: &str,
    layout: &Layout,
    escape: impl Fn(String) -> String,
) -> Result<()> {
    let fields = table.schema.fields();
    let names = fields.iter().map(|field| escape(visible(field.name()).into_owned())).collect();
    text.set_header(row(names, layout, |_| CellAlignment::Left));
    let alignment = |index: usize| match fields.get(index) {
        Some(field) if field.data_type().is_numeric() => CellAlignment::Right,
        _ => CellAlignment::Left,
    };
    each_row(table, rows_max, null, |cells| {
        text.add_row(row(cells.into_iter().map(|cell| escape(cell.text)).collect(), layout, alignment));
        Ok(())
    })
}

fn row(cells: Vec<String>, layout: &Layout, alignment: impl Fn(usize) -> CellAlignment) -> Row {
    let cell = |place: &Place| match place {
        Place::Column(index) => {
            Cell::new(cells.get(*index).map_or("", String::as_str)).set_alignment(alignment(*index))
        }
        Place::Elision => Cell::new(ELISION),
    };
    let mut row = Row::from(layout.places().map(cell).collect::<Vec<_>>());
    if layout.is_narrow() {
        row.max_height(1);
    }
    row
}
