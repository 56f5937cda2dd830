//! The rows of a result.

use arrow::array::Array;
use maud::{Markup, html};
use velaria::rows::formatter;
use velaria::{Error, ErrorCode, Result};

use crate::command::Table;
use crate::report::text::clipped;

/// Columns that are shown.
const COLUMNS_MAX: usize = 200;
/// Bytes of a value that are shown.
const CELL_BYTES_MAX: usize = 2_000;
/// Bytes of the name or the type of a column.
const NAME_BYTES_MAX: usize = 200;

/// The first `rows_max` rows of `table`, which are counted from `first`.
pub(super) fn table(table: &Table, first: u64, rows_max: usize) -> Result<Markup> {
    let fields = table.schema.fields();
    let shown = fields.len().min(COLUMNS_MAX);
    let mut rows = Vec::new();
    for batch in &table.batches {
        let columns = batch.columns().iter().take(shown);
        let columns =
            columns.map(|column| formatter(column).map(|texts| (column, texts))).collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(unprintable)?;
        for row in 0..batch.num_rows().min(rows_max - rows.len()) {
            let cells = columns.iter().map(|(column, texts)| {
                if column.is_null(row) {
                    return Ok(html! { td { span class="none" { "NULL" } } });
                }
                let text = texts.value(row).try_to_string().map_err(unprintable)?;
                let class = column.data_type().is_numeric().then_some("number");
                Ok(html! { td class=[class] dir="auto" { (clipped(&text, CELL_BYTES_MAX)) } })
            });
            rows.push(cells.collect::<Result<Vec<Markup>>>()?);
        }
    }
    Ok(html! {
        div class="scroll tall" tabindex="0" role="region" aria-label="Rows" {
            table class="rows" {
                thead { tr {
                    th class="number soft" { "#" }
                    @for field in fields.iter().take(shown) {
                        th class=[field.data_type().is_numeric().then_some("number")] {
                            (clipped(field.name(), NAME_BYTES_MAX)) div class="type" { (clipped(&field.data_type().to_string(), NAME_BYTES_MAX)) }
                        }
                    }
                } }
                tbody { @for (number, cells) in (first..).zip(&rows) {
                    tr { td class="number soft" { (number) } @for cell in cells { (cell) } }
                } }
            }
        }
        @if shown < fields.len() { p class="note" { (shown) " of " (fields.len()) " columns are shown." } }
    })
}

fn unprintable(error: arrow::error::ArrowError) -> Error {
    Error::new(ErrorCode::InvalidValue, format!("cannot print a value: {error}"))
}
