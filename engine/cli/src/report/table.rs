//! The first rows of a file as a table.

use maud::{Markup, html};
use serde_json::Value;
use velaria_workspace::Object;

use super::number::{Unit, real};
use super::text::{clipped, visible};

/// The most columns that are shown.
const COLUMNS_MAX: usize = 40;
/// The most bytes of one cell.
const CELL_BYTES_MAX: usize = 320;
/// The most bytes of the name of a column.
const NAME_BYTES_MAX: usize = 200;

/// The rows of `preview`, as a workspace has it, in about `bytes_max` bytes: rows that do not fit are not shown, and a line
/// below says how many there are.
pub(crate) fn rows(label: &str, preview: &Object, bytes_max: usize) -> Markup {
    let empty = Vec::new();
    let list = |key: &str| preview.get(key).and_then(Value::as_array).unwrap_or(&empty);
    let columns: Vec<&str> = list("schema").iter().filter_map(Value::as_str).collect();
    let shown = &columns[..columns.len().min(COLUMNS_MAX)];
    let all = list("rows");
    let head = html! { thead { tr { @for name in shown { (heading(name, all)) } } } };
    let left = bytes_max.saturating_sub(head.0.len());
    let drawn = fitting(shown, all, left);
    html! {
        @if left == 0 {
            p.note { "There is no room for its rows." }
        } @else if shown.is_empty() {
            p.note { (preview.get("message").and_then(Value::as_str).unwrap_or("There are no columns.")) }
        } @else {
            div.scroll.few tabindex="0" role="region" aria-label=(label) {
                table.rows {
                    (head)
                    tbody { @for row in &drawn { (row) } }
                }
            }
            p.note { (count(preview, drawn.len(), columns.len())) }
        }
    }
}

/// As many of `rows` as fit, drawn.
fn fitting(columns: &[&str], rows: &[Value], bytes_max: usize) -> Vec<Markup> {
    let mut left = bytes_max;
    let mut drawn = Vec::new();
    for value in rows {
        let row = row(columns, value);
        let Some(rest) = left.checked_sub(row.0.len()) else { break };
        left = rest;
        drawn.push(row);
    }
    drawn
}

/// The name of a column, above its numbers where it has numbers.
fn heading(name: &str, rows: &[Value]) -> Markup {
    let numbers =
        rows.iter().filter_map(|row| row.get(name)).find(|value| !value.is_null()).is_some_and(Value::is_number);
    let class = numbers.then_some("number");
    html! { th class=[class] scope="col" dir="auto" { (clipped(name, NAME_BYTES_MAX)) } }
}

fn row(columns: &[&str], value: &Value) -> Markup {
    html! { tr { @for name in columns { (cell(value.get(*name).unwrap_or(&Value::Null))) } } }
}

/// One value: numbers to the right, text in its own direction, and what is not there as that.
pub(crate) fn cell(value: &Value) -> Markup {
    match value {
        Value::Null => html! { td { span.none { "NULL" } } },
        Value::Number(number) => html! { td.number { (number.to_string()) } },
        Value::Bool(truth) => html! { td { (truth.to_string()) } },
        Value::String(text) => html! { td dir="auto" { (clipped(text, CELL_BYTES_MAX)) } },
        nested => html! { td dir="auto" { code { (clipped(&nested.to_string(), CELL_BYTES_MAX)) } } },
    }
}

/// How much of a file is seen.
fn count(preview: &Object, shown: usize, columns: usize) -> Markup {
    let number = |count: usize| Unit::Count.text(real(count as u64));
    let all = preview.get("row_count").and_then(Value::as_u64);
    let truncated = preview.get("truncated").and_then(Value::as_bool).unwrap_or(false);
    html! {
        @match all {
            Some(1) if shown == 1 => "1 row",
            Some(all) if all == shown as u64 => { (number(shown)) " rows" },
            Some(all) => { "The first " (number(shown)) " of " (Unit::Count.text(real(all))) " rows" },
            None if truncated => { "The first " (number(shown)) " rows" },
            None => { (number(shown)) " rows" },
        }
        @if columns > COLUMNS_MAX { ", the first " (COLUMNS_MAX) " of " (number(columns)) " columns" }
        "."
        @if let Some(message) = preview.get("message").and_then(Value::as_str) { " " (visible(message)) "." }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drawn(preview: &Value, bytes_max: usize) -> String {
        rows("Result", preview.as_object().unwrap(), bytes_max).into_string()
    }

    #[test]
    fn cells_are_text_and_never_markup() {
        let preview = json!({
            "schema": ["<b>", "n"], "row_count": 2, "truncated": false,
            "rows": [{"<b>": "<script>alert(1)</script>\u{202e}", "n": 1.50}, {"<b>": null, "n": {"a": ["<i>"]}}],
        });
        let text = drawn(&preview, 9_000);
        assert!(text.contains("<th scope=\"col\" dir=\"auto\">&lt;b&gt;</th>"), "{text}");
        assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;<span class=\"odd\">U+202E</span>"), "{text}");
        assert!(text.contains("<td class=\"number\">1.5</td>") && text.contains("&lt;i&gt;"), "{text}");
        assert!(text.contains("<span class=\"none\">NULL</span>") && text.contains("2 rows."), "{text}");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let rows: Vec<Value> = (0..50).map(|n| json!({"x": format!("{n}{}", "<".repeat(900))})).collect();
        let preview = json!({"schema": ["x"], "rows": rows, "row_count": 1_234_567, "truncated": true});
        let text = drawn(&preview, 5_000);
        assert!(text.len() < 6_000 && text.contains("The first 14 of 1,234,567 rows."), "{text}");
        assert!(text.contains("…"), "{text}");
    }

    #[test]
    fn without_room_there_is_nothing_but_a_word() {
        let preview = json!({"schema": ["x".repeat(150)], "rows": [], "row_count": 0});
        assert_eq!(drawn(&preview, 100), "<p class=\"note\">There is no room for its rows.</p>");
    }

    #[test]
    fn wide_and_empty_files_are_said() {
        let names: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
        let text = drawn(&json!({"schema": names, "rows": [], "row_count": 0}), 9_000);
        assert!(text.contains("0 rows, the first 40 of 100 columns."), "{text}");
        assert!(drawn(&json!({"schema": [], "rows": [], "message": "too large"}), 100).contains("too large"));
        assert!(drawn(&json!({}), 100).contains("There are no columns."));
    }
}
