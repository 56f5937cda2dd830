//! One HTML table, every text of which is escaped.

use maud::{Markup, PreEscaped, html};
use velaria::Result;

use super::cells::{Cell, each_row, visible};
use crate::command::Table;

/// Every row in a `<table>`, which has classes to style it by and no style of its own.
pub(super) fn to_html(table: &Table, null: &str) -> Result<String> {
    let fields = table.schema.fields();
    let numeric: Vec<bool> = fields.iter().map(|field| field.data_type().is_numeric()).collect();
    let mut rows = String::new();
    each_row(table, usize::MAX, null, |cells| {
        rows.push_str(&row(&cells, &numeric).into_string());
        rows.push('\n');
        Ok(())
    })?;
    let page = html! {
        table class="velaria" { "\n"
            thead { tr { @for field in fields { th { (visible(field.name())) } } } } "\n"
            tbody { "\n" (PreEscaped(rows)) } "\n"
        }
    };
    Ok(page.into_string() + "\n")
}

fn row(cells: &[Cell], numeric: &[bool]) -> Markup {
    html! {
        tr {
            @for (cell, numeric) in cells.iter().zip(numeric) {
                td class=[class(cell, *numeric)] { (cell.text) }
            }
        }
    }
}

fn class(cell: &Cell, numeric: bool) -> Option<&'static str> {
    match (cell.is_null, numeric) {
        (true, _) => Some("null"),
        (false, true) => Some("number"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    use super::*;

    #[test]
    fn no_cell_is_markup() {
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some("<script>alert(\"x\")</script>"), None, Some("\0")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
        let batch = RecordBatch::try_from_iter_with_nullable([("<b>", texts, true), ("n", numbers, true)]).unwrap();
        let table = Table { schema: batch.schema(), batches: vec![batch], notices: Vec::new() };
        let expected = "<table class=\"velaria\">\n\
                        <thead><tr><th>&lt;b&gt;</th><th>n</th></tr></thead>\n<tbody>\n\
                        <tr><td>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;</td><td class=\"number\">1</td></tr>\n\
                        <tr><td class=\"null\">-</td><td class=\"number\">2</td></tr>\n\
                        <tr><td>\u{2400}</td><td class=\"null\">-</td></tr>\n\
                        </tbody>\n</table>\n";
        assert_eq!(to_html(&table, "-").unwrap(), expected);
    }
}
