//! A frame as a table in a notebook: names, types, the first rows, and whether there are more.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use velaria::{Error, ErrorCode, Result};

/// Longer values are cut, so that one cell cannot fill the page.
const CELL_CHARS_MAX: usize = 200;

/// The table of the first `rows_max` rows; `batches` hold at least one row more when there are more.
pub(crate) fn table(schema: &Schema, batches: &[RecordBatch], rows_max: usize) -> Result<String> {
    let mut html = String::from("<table class=\"velaria\"><thead><tr>");
    for field in schema.fields() {
        let (name, kind) = (escape(field.name()), escape(&field.data_type().to_string()));
        html.push_str(&format!("<th>{name}<br><small>{kind}</small></th>"));
    }
    html.push_str("</tr></thead><tbody>");
    let mut room = rows_max;
    for batch in batches {
        write_rows(&mut html, batch, room).map_err(|error| Error::new(ErrorCode::InvalidValue, error.to_string()))?;
        room = room.saturating_sub(batch.num_rows());
    }
    html.push_str("</tbody></table>");
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    html.push_str(&format!("<small>{}</small>", footer(rows, rows_max)));
    Ok(html)
}

fn footer(rows: usize, rows_max: usize) -> String {
    match rows {
        1 => "1 row".to_owned(),
        rows if rows > rows_max => format!("first {rows_max} rows"),
        rows => format!("{rows} rows"),
    }
}

fn write_rows(html: &mut String, batch: &RecordBatch, rows_max: usize) -> Result<(), arrow::error::ArrowError> {
    let options = FormatOptions::default().with_null("NULL").with_display_error(false);
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows().min(rows_max) {
        html.push_str("<tr>");
        for column in &columns {
            let text = column.value(row).try_to_string()?;
            html.push_str(&format!("<td>{}</td>", escape(&shorten(&text))));
        }
        html.push_str("</tr>");
    }
    Ok(())
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => text.get(..end).map_or_else(String::new, |head| format!("{head}…")),
        None => text.to_owned(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
